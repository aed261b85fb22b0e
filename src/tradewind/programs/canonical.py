"""The canonical form of a program: one order of its live operations for all programs that are the same graph.

Dead rows and silent genes are dropped, equal operations on equal inputs become one (never two with weights of their
own), the inputs of ADD and MULTIPLY are put in a fixed order, and the nodes are numbered by a walk from the output. The
order is that of colours found by refinement in both directions along the edges (Weisfeiler and Leman 1968). Nodes that
it cannot tell apart keep the order they have: two such graphs may get two forms, two unequal ones never get one.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence

from tradewind.core.files import content_hash
from tradewind.programs.inlining import Row, listing
from tradewind.programs.operations import OPERATIONS
from tradewind.programs.program import Program


@dataclasses.dataclass(frozen=True)
class Step:
    """A node before widths are known; `dimension` is what the program asks for, None where the operation has none."""

    op: str
    inputs: tuple[int, ...]
    constant: float | None
    dimension: int | None
    branch: int
    copies: int


def canonical_steps(program: Program) -> tuple[Step, ...]:
    """The nodes in canonical order, each after its inputs; the last one is the output.

    Raises `ProgramTooLargeError`.
    """
    steps, output = _merge_equal(*listing(program))
    return in_canonical_order(steps, output)


def in_canonical_order(steps: Sequence[Step], output: int) -> tuple[Step, ...]:
    """The same steps, renumbered by a walk from the output."""
    colours = _refine(steps, output)
    weights = _weights_below(steps)
    order: dict[int, int] = {}
    stack = [output]
    while stack:
        number = stack[-1]
        waiting = [i for i in _sorted_inputs(steps[number], colours, weights) if i not in order]
        if waiting:
            stack.append(waiting[0])
        else:
            order.setdefault(stack.pop(), len(order))
    return tuple(_renumbered(steps[number], order) for number in order)


def hash_of_steps(steps: Sequence[Step]) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a canonical form."""
    return content_hash([dataclasses.astuple(step) for step in steps])[:16]


def _merge_equal(rows: tuple[Row, ...], output: int) -> tuple[list[Step], int]:
    """Live rows as steps, equal ones merged; and the step of the output."""
    steps: list[Step] = []
    seen: dict[Step, int] = {}
    where: dict[int, int] = {}
    for number, row in enumerate(rows):
        if not row.live:
            continue
        primitive = OPERATIONS.get(row.op)
        inputs = tuple(where[i] for i in row.used_inputs)
        step = Step(
            op=row.op.removesuffix("_1").removesuffix("_2") if primitive is None else row.op,
            inputs=tuple(sorted(inputs)) if primitive and primitive.commutative else inputs,
            constant=row.constant if primitive and primitive.constant else None,
            dimension=row.dimension if primitive and primitive.dimension else None,
            branch=row.branch,
            copies=row.copies,
        )
        if primitive is not None and primitive.parametrised:
            where[number] = len(steps)
            steps.append(step)
        else:
            where[number] = seen.setdefault(step, len(steps))
            if where[number] == len(steps):
                steps.append(step)
    return steps, where[output]


def _renumbered(step: Step, order: dict[int, int]) -> Step:
    inputs = tuple(order[i] for i in step.inputs)
    return dataclasses.replace(step, inputs=tuple(sorted(inputs)) if _commutes(step) else inputs)


def _refine(steps: Sequence[Step], output: int) -> list[str]:
    """A colour for each step from its surroundings, refined until no more steps are told apart.

    Each round runs through the whole graph twice, from the inputs to the output and back, so a few rounds are enough.
    """
    users: list[list[tuple[int, int]]] = [[] for _ in steps]
    for number, step in enumerate(steps):
        for place, i in enumerate(step.inputs):
            users[i].append((number, 0 if _commutes(step) else place))
    colours = [_digest((dataclasses.replace(step, inputs=()), n == output)) for n, step in enumerate(steps)]
    while True:
        below: list[str] = []
        for number, step in enumerate(steps):
            found = [below[i] for i in step.inputs]
            below.append(_digest((colours[number], sorted(found) if _commutes(step) else found)))
        above = [""] * len(steps)
        for number in reversed(range(len(steps))):
            found_above = sorted((above[user], below[user], place) for user, place in users[number])
            above[number] = _digest((colours[number], found_above))
        refined = [_digest(pair) for pair in zip(below, above, strict=True)]
        if len(set(refined)) == len(set(colours)):
            return refined
        colours = refined


def _weights_below(steps: Sequence[Step]) -> list[int]:
    """For each step, how many steps with weights it depends on."""
    below: list[frozenset[int]] = []
    for number, step in enumerate(steps):
        own = {number} if step.op in OPERATIONS and OPERATIONS[step.op].parametrised else set()
        below.append(frozenset(own).union(*(below[i] for i in step.inputs)))
    return [len(found) for found in below]


def _sorted_inputs(step: Step, colours: list[str], weights: list[int]) -> tuple[int, ...]:
    if not _commutes(step):
        return step.inputs
    # The number of weights comes first: a change elsewhere changes all colours, and should not renumber the weights.
    return tuple(sorted(step.inputs, key=lambda i: (weights[i], colours[i])))


def _commutes(step: Step) -> bool:
    return step.op in OPERATIONS and OPERATIONS[step.op].commutative


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()

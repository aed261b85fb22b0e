"""The one-edit neighbourhood of a program: every child that one edit makes, each graph once.

The edits are the mutations of Primer (So et al. 2021, arXiv 2109.08668, appendix A.1) walked through instead of drawn,
with one difference: an inserted instruction is *spliced*, that is, what took the state it works on takes its result.
A drawn insertion is free: dead code, unless it stands last, and then what its input did not need is dead. Where it
stands last and takes the state before it, the two are the same. Inserted instructions are not branched.
A constant c, which a mutation moves to c·10^X + Y with normal X and Y, moves on the grid of X and Y in
-1, 0, 1.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterator

from tradewind.programs.errors import InvalidProgramError
from tradewind.programs.operations import OPERATIONS
from tradewind.programs.program import BRANCHES, DIMENSIONS, N_CONSTANTS, N_DIMENSIONS, Instruction, Program
from tradewind.programs.resolution import canonical_hash, resolve


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """A child that is one edit away, and the kind of the edit (a name of `MUTATIONS`)."""

    program: Program
    kind: str


def neighbourhood(
    program: Program, vocabulary: Collection[str] | None = None, kinds: Collection[str] | None = None
) -> list[Neighbour]:
    """All children that one edit makes and whose graph is new, in a fixed order; no two have the same graph.

    With a `vocabulary` only its primitives are inserted or put in the place of another; `kinds` are the edits to make,
    all if None. Children that are too large, have widths beyond repair or look ahead are left out.

    >>> from tradewind.programs import diff, transformer
    >>> found = neighbourhood(transformer(), vocabulary=["SQUARE"])
    >>> "spliced SQUARE after relu in feed-forward" in [diff(transformer(), n.program)[0] for n in found]
    True
    """
    seen = {canonical_hash(program)}
    found = []
    for neighbour in edits(program, vocabulary):
        if kinds is not None and neighbour.kind not in kinds:
            continue
        try:
            graph = resolve(neighbour.program)
        except InvalidProgramError:
            continue
        if graph.hash not in seen:
            seen.add(graph.hash)
            if graph.nodes[-1].flow == "causal":
                found.append(neighbour)
    return found


def edits(program: Program, vocabulary: Collection[str] | None = None) -> Iterator[Neighbour]:
    """Every edit's child, also those of the same graph, in a fixed order."""
    allowed = [name for name in OPERATIONS if vocabulary is None or name in vocabulary]
    for index, subprogram in enumerate(program.subprograms):
        bodies = {
            "insert": _insertions(subprogram.instructions, allowed),
            "delete": _deletions(subprogram.instructions),
            "mutate_field": _field_changes(program, index, allowed),
            "swap": _swaps(subprogram.instructions),
        }
        for kind, children in bodies.items():
            for body in children:
                yield Neighbour(program.with_body(index, body), kind)
    for child in _bank_changes(program):
        yield Neighbour(child, "mutate_bank")


Body = list[Instruction]


def _insertions(old: tuple[Instruction, ...], allowed: list[str]) -> Iterator[Body]:
    """Each operation on each state, right after it."""
    for state in range(len(old) + 2):
        place = max(0, state - 1)
        for op in allowed:
            row = OPERATIONS[op]
            seconds = range(place + 2) if row.arity == 2 else (state,)
            constants = range(N_CONSTANTS) if row.constant else (0,)
            dimensions = range(N_DIMENSIONS) if row.dimension else (0,)
            for second, constant, dimension in itertools.product(seconds, constants, dimensions):
                new = Instruction(op, state, second, constant, dimension)
                yield [*old[:place], new, *(_spliced(i, state, place + 2) for i in old[place:])]


def _spliced(instruction: Instruction, state: int, made: int) -> Instruction:
    """An instruction behind one that made the state number `made` of `state`."""

    def moved(number: int) -> int:
        return made if number == state else number + (number >= made)

    return dataclasses.replace(instruction, input_1=moved(instruction.input_1), input_2=moved(instruction.input_2))


def _deletions(old: tuple[Instruction, ...]) -> Iterator[Body]:
    """Without one instruction; what took its result takes its first input."""
    for removed, gone in enumerate(old):
        bridge = gone.input_1

        def moved(number: int, removed: int = removed, bridge: int = bridge) -> int:
            return bridge if number == removed + 2 else number - (number > removed + 2)

        yield [
            *old[:removed],
            *(dataclasses.replace(i, input_1=moved(i.input_1), input_2=moved(i.input_2)) for i in old[removed + 1 :]),
        ]


def _field_changes(program: Program, index: int, allowed: list[str]) -> Iterator[Body]:
    """One field of one instruction with another value; silent genes stay."""
    old = program.subprograms[index].instructions
    calls = [f"S{callee}" for callee in range(index + 1, len(program.subprograms))]
    for place, instruction in enumerate(old):
        row = instruction.primitive
        used = row.fields if row else ("input_1", "input_2")
        values = {
            "op": [*allowed, *calls],
            "input_1": range(place + 2),
            "input_2": range(place + 2),
            "constant": range(N_CONSTANTS),
            "dimension": range(N_DIMENSIONS),
            "branch": BRANCHES,
        }
        for field in ("op", *used, "branch"):
            for value in values[field]:
                if value != getattr(instruction, field):
                    change = dataclasses.replace(instruction, **{field: value})  # type: ignore[arg-type]
                    yield [*old[:place], change, *old[place + 1 :]]


def _swaps(old: tuple[Instruction, ...]) -> Iterator[Body]:
    """Two instructions, each in the other's place in the graph."""
    for a, b in itertools.combinations(range(len(old)), 2):
        body, first, second = list(old), old[a], old[b]
        body[a] = dataclasses.replace(second, input_1=first.input_1, input_2=first.input_2)
        body[b] = dataclasses.replace(first, input_1=second.input_1, input_2=second.input_2)
        yield body


def _bank_changes(program: Program) -> Iterator[Program]:
    for slot, old in enumerate(program.dimensions):
        for value in DIMENSIONS:
            if value != old:
                bank = (*program.dimensions[:slot], value, *program.dimensions[slot + 1 :])
                yield dataclasses.replace(program, dimensions=bank)
    for slot, c in enumerate(program.constants):
        for x, y in itertools.product((-1, 0, 1), repeat=2):
            moved = c * 10.0**x + y
            if moved != c:
                constants = (*program.constants[:slot], moved, *program.constants[slot + 1 :])
                yield dataclasses.replace(program, constants=constants)

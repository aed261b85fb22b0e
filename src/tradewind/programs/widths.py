"""The width of every node, and the deterministic repair of widths that do not fit.

Source: So et al. 2021, arXiv 2109.08668, appendix A.1: a program is never rejected because two dimensions differ; one
of the two is set, deterministically and pseudorandomly, to match the other. The paper says no more. Here the widths
that must be equal form a class: those of the convolutions behind the inputs of one operation, up to the factors of
merged branches. A class that holds the block's input or output takes their width; another takes the width that one of
its convolutions asks for, drawn from the canonical hash of the program, so equal graphs are repaired alike. Where two
fixed widths meet (block, reductions, X Yᵀ), or a width is no whole number of units, there is no repair.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction

from tradewind.core.seeds import generator
from tradewind.programs.canonical import Step, hash_of_steps
from tradewind.programs.errors import ProgramShapeError
from tradewind.programs.graph import MODEL, ONE, TOKENS, Axis, Width
from tradewind.programs.operations import OPERATIONS

FIXED = -1
"""The unknown that stands for what cannot be set; its value is 1."""


@dataclasses.dataclass(frozen=True)
class _Term:
    """A width as `count` times the value of an unknown: a convolution's step number, or `FIXED`."""

    count: Fraction
    unknown: int
    axis: Axis

    def __str__(self) -> str:
        return str(Width(int(self.count), self.axis)) if self.unknown == FIXED else "some units"


def widths(steps: tuple[Step, ...]) -> list[Width]:
    """The width of every step after repair; raises `ProgramShapeError` where there is none.

    The block's input and output are d_model wide.
    """
    classes = _Classes(steps)
    terms: list[_Term] = []
    for number, step in enumerate(steps):
        terms.append(_term(number, step, [terms[i] for i in step.inputs], classes))
    classes.join(terms[-1], _fixed(MODEL), "the output of the block")
    values = classes.values()
    return [Width(int(term.count * values[term.unknown]), term.axis) for term in terms]


def _fixed(width: Width) -> _Term:
    return _Term(Fraction(width.count), FIXED, width.axis)


def _term(number: int, step: Step, inputs: list[_Term], classes: _Classes) -> _Term:
    if step.op == "INPUT":
        return _fixed(MODEL)
    if step.op == "BRANCH_INPUT":
        return inputs[0]
    if step.op == "BRANCH_MERGE":
        if inputs[0].axis == "token":
            raise ProgramShapeError(
                f"node {number}: {step.branch} results of one column a token cannot be put side by side; "
                "set the branch of the instruction to 1"
            )
        return dataclasses.replace(inputs[0], count=inputs[0].count * step.branch)
    shape, where = OPERATIONS[step.op].shape, f"node {number}: {step.op}"
    if shape == "dense":
        return _Term(Fraction(1), number, "unit")
    if shape == "reduce":
        return _fixed(ONE)
    if shape == "same":
        return inputs[0]
    if shape == "product":
        if inputs[0] != _fixed(TOKENS):
            raise ProgramShapeError(
                f"{where} needs one column a token in its first input, which has {inputs[0]}; "
                "give it what T_MAT_MUL makes"
            )
        return inputs[1]
    if shape == "join" and _fixed(ONE) in inputs:
        return inputs[inputs[0] == _fixed(ONE)]
    classes.join(inputs[0], inputs[1], where)
    return _fixed(TOKENS) if shape == "gram" else inputs[0]


class _Classes:
    """Unknowns that are multiples of each other: each is `ratio` times its class's root."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.steps = steps
        self.asked = {n: step.dimension for n, step in enumerate(steps) if step.dimension is not None}
        self.root = {n: (n, Fraction(1)) for n in (FIXED, *self.asked)}

    def join(self, a: _Term, b: _Term, where: str) -> None:
        """Make two widths equal; raises if they cannot be."""
        (root_a, ratio_a), (root_b, ratio_b) = self.root[a.unknown], self.root[b.unknown]
        a_per_root, b_per_root = a.count * ratio_a, b.count * ratio_b
        if a.axis != b.axis or (root_a == root_b and a_per_root != b_per_root):
            raise ProgramShapeError(f"{where}: {a} and {b} must be equal, and no dimension can be set to make them so")
        if root_b < root_a:
            root_a, root_b, a_per_root, b_per_root = root_b, root_a, b_per_root, a_per_root
        if root_a != root_b:
            for unknown, (root, ratio) in self.root.items():
                if root == root_b:
                    self.root[unknown] = (root_a, ratio * a_per_root / b_per_root)

    def values(self) -> dict[int, Fraction]:
        """The units of every convolution, and 1 for `FIXED`; raises if a class has no whole ones."""
        found: dict[int, Fraction] = {}
        for root in sorted({root for root, _ in self.root.values()}):
            members = {n: ratio for n, (r, ratio) in self.root.items() if r == root}
            wishes = [self.asked[n] / ratio for n, ratio in members.items() if n != FIXED]
            if root == FIXED:
                wishes = [Fraction(1)]
            elif len(set(wishes)) > 1:
                drawn = generator(0, "repair", hash_of_steps(self.steps), root).permutation(len(wishes))
                wishes = [wishes[n] for n in drawn]
            for value in wishes:
                if all((ratio * value).denominator == 1 for ratio in members.values()):
                    found.update({n: ratio * value for n, ratio in members.items()})
                    break
            else:
                raise ProgramShapeError(
                    f"the dimensions of nodes {', '.join(str(n) for n in members if n != FIXED)} depend on each other "
                    "through merged branches, and no whole numbers of units fit; lower a branch"
                )
        return found

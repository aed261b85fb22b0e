"""The flat listing of a program: calls inlined, branches opened, dead rows marked, as in Figures 24 and 25 of Primer.

Source: So et al. 2021, arXiv 2109.08668, appendix A.2. Rows come in the order of the instructions. A call gives the
rows of its body; an instruction with `branch` n gives BRANCH_INPUT rows that hand its two inputs to n copies, its own
row or rows, and BRANCH_MERGE, which puts the n results side by side.
"""

from __future__ import annotations

import dataclasses

from tradewind.programs.errors import ProgramTooLargeError
from tradewind.programs.operations import OPERATIONS
from tradewind.programs.program import Instruction, Program

MAX_ROWS = 1000
"""Rows and calls of the longest listing that is made; the evolved program has 55 rows and 16 calls."""
MAX_DEPTH = 50
"""Most calls inside calls."""
MAX_COPIES = 256
"""Most copies of one row that nested branches may ask for."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a listing: a primitive, INPUT, BRANCH_INPUT_1, BRANCH_INPUT_2 or BRANCH_MERGE.

    `input_1` and `input_2` are row numbers and, like `constant` and `dimension` (in units), are there even where the
    operation ignores them. `branch` is the n of the three branch rows and 1 elsewhere, `copies` the number of times the
    row runs side by side, `subprogram` the number of the one it stands in.
    """

    op: str
    input_1: int
    input_2: int
    constant: float
    dimension: int
    branch: int
    copies: int
    subprogram: int
    live: bool = False

    @property
    def used_inputs(self) -> tuple[int, ...]:
        """The rows that it takes."""
        if self.op == "INPUT":
            return ()
        arity = OPERATIONS[self.op].arity if self.op in OPERATIONS else 1
        return (self.input_1, self.input_2)[:arity]


def listing(program: Program) -> tuple[tuple[Row, ...], int]:
    """The rows of a program and the number of the row that is its output.

    Raises `ProgramTooLargeError` past `MAX_ROWS` rows and calls, `MAX_DEPTH` calls inside calls or `MAX_COPIES` copies.

    >>> from tradewind.programs import transformer
    >>> rows, output = listing(transformer())
    >>> len(rows), output, [number for number, row in enumerate(rows) if not row.live]
    (39, 38, [1, 11])
    """
    _check_size(program)
    builder = _Builder(program)
    output = builder.call(0, 0, 1, copies=1)
    live: set[int] = set()
    waiting = [output]
    while waiting:
        number = waiting.pop()
        if number not in live:
            live.add(number)
            waiting.extend(builder.rows[number].used_inputs)
    rows = tuple(dataclasses.replace(row, live=number in live) for number, row in enumerate(builder.rows))
    return rows, output


def _check_size(program: Program) -> None:
    """Count rows, calls and copies without making them: every level of calls can multiply them."""
    n = len(program.subprograms)
    rows, copies, depth = [0] * n, [1] * n, [0] * n
    for index in reversed(range(n)):
        for i in program.subprograms[index].instructions:
            callee = i.callee
            rows[index] += 1 + (3 if i.branch > 1 else 0) + (rows[callee] if callee is not None else 0)
            copies[index] = max(copies[index], i.branch * (copies[callee] if callee is not None else 1))
            depth[index] = max(depth[index], depth[callee] + 1 if callee is not None else 0)
    if rows[0] + 2 > MAX_ROWS:
        raise ProgramTooLargeError(
            f"with its calls inlined the program has {rows[0] + 2:,} rows and calls; at most {MAX_ROWS:,} are built. "
            "Remove calls from subprograms that are themselves called"
        )
    if copies[0] > MAX_COPIES:
        raise ProgramTooLargeError(
            f"branches inside branches ask for {copies[0]:,} copies; at most {MAX_COPIES} are built. "
            "Lower the branch of a call or of what it calls"
        )
    if depth[0] > MAX_DEPTH:
        raise ProgramTooLargeError(
            f"calls stand {depth[0]:,} inside each other; at most {MAX_DEPTH} are followed. Let subprograms hold more"
        )


class _Builder:
    """Emits rows in the order of the instructions."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.rows = [Row("INPUT", n, n, 0.0, 0, 1, 1, 0) for n in range(2)]

    def call(self, index: int, input_1: int, input_2: int, copies: int) -> int:
        """Emit the body of a subprogram; the row of its result."""
        states = [input_1, input_2]
        for i in self.program.subprograms[index].instructions:
            states.append(self.run(i, index, states[i.input_1], states[i.input_2], copies))
        return states[-1] if len(states) > 2 else states[0]

    def run(self, i: Instruction, index: int, first: int, second: int, copies: int) -> int:
        if i.branch == 1:
            return self.body(i, index, first, second, copies)
        inside = copies * i.branch
        inputs = (
            self.emit("BRANCH_INPUT_1", i, index, first, first, inside),
            self.emit("BRANCH_INPUT_2", i, index, second, second, inside),
        )
        result = self.body(i, index, *inputs, inside)
        return self.emit("BRANCH_MERGE", i, index, result, result, copies)

    def body(self, i: Instruction, index: int, first: int, second: int, copies: int) -> int:
        if i.callee is not None:
            return self.call(i.callee, first, second, copies)
        return self.emit(i.op, i, index, first, second, copies)

    def emit(self, op: str, i: Instruction, index: int, first: int, second: int, copies: int) -> int:
        bank = self.program
        branch = i.branch if op.startswith("BRANCH_") else 1
        dimension = bank.dimensions[i.dimension]
        self.rows.append(Row(op, first, second, bank.constants[i.constant], dimension, branch, copies, index))
        return len(self.rows) - 1

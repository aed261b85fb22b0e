from __future__ import annotations

import pytest

from tradewind.programs import Instruction, Program, ProgramTooLargeError, Subprogram, listing
from tradewind.programs.inlining import MAX_DEPTH, MAX_ROWS


def program(*bodies: tuple[Instruction, ...]) -> Program:
    return Program(tuple(Subprogram(f"s{n}", body) for n, body in enumerate(bodies)))


def test_an_empty_program_is_the_identity() -> None:
    rows, output = listing(program(()))
    assert [row.op for row in rows] == ["INPUT", "INPUT"]
    assert output == 0


def test_an_empty_subprogram_returns_its_first_input() -> None:
    rows, output = listing(program((Instruction("ABS", 0), Instruction("S1", 2, 0)), ()))
    assert rows[output].op == "ABS"


def test_a_call_hands_over_both_inputs() -> None:
    rows, output = listing(program((Instruction("ABS"), Instruction("S1", 2, 0)), (Instruction("DIFFERENCE", 1, 0),)))
    assert (rows[output].op, rows[output].used_inputs) == ("DIFFERENCE", (0, 2))


def test_branches_inside_branches_multiply() -> None:
    rows, output = listing(
        program((Instruction("S1", branch=4),), (Instruction("CONV_1X1", branch=2, dimension=0), Instruction("ABS", 2)))
    )
    copies = [(row.op, row.copies) for row in rows if row.live]
    assert copies == [
        ("INPUT", 1),
        ("BRANCH_INPUT_1", 4),
        ("BRANCH_INPUT_1", 8),
        ("CONV_1X1", 8),
        ("BRANCH_MERGE", 4),
        ("ABS", 4),
        ("BRANCH_MERGE", 1),
    ]
    assert rows[output].op == "BRANCH_MERGE"


def test_an_instruction_that_nothing_takes_is_dead() -> None:
    rows, _ = listing(program((Instruction("EXP"), Instruction("ABS", 0, 2))))
    assert [row.op for row in rows if row.live] == ["INPUT", "ABS"]


@pytest.mark.parametrize("leaf", [(Instruction("ABS"),), ()])
def test_exponential_growth_is_refused_at_once(leaf: tuple[Instruction, ...]) -> None:
    """Also where all the calls come to nothing."""
    levels = 40
    bodies = [(Instruction(f"S{n + 1}"), Instruction(f"S{n + 1}", 2)) for n in range(levels)]
    with pytest.raises(ProgramTooLargeError, match="rows and calls; at most 1,000"):
        listing(program(*bodies, leaf))


def test_deep_calls_are_refused() -> None:
    def chain(levels: int) -> Program:
        return program(*[(Instruction(f"S{n + 1}"),) for n in range(levels)], (Instruction("ABS"),))

    assert listing(chain(MAX_DEPTH))[0][-1].op == "ABS"
    with pytest.raises(ProgramTooLargeError, match="calls stand 51 inside each other; at most 50"):
        listing(chain(MAX_DEPTH + 1))
    with pytest.raises(ProgramTooLargeError, match="at most 1,000"):
        listing(chain(5000))


def test_the_limit_itself_is_built() -> None:
    full = program(tuple(Instruction("ABS", n) for n in range(MAX_ROWS - 2)))
    assert len(listing(full)[0]) == MAX_ROWS
    with pytest.raises(ProgramTooLargeError, match="1,001 rows and calls"):
        listing(full.with_body(0, (*full.subprograms[0].instructions, Instruction("ABS"))))


def test_too_many_copies_are_refused() -> None:
    bodies = [(Instruction(f"S{n + 1}", branch=16),) for n in range(3)]
    with pytest.raises(ProgramTooLargeError, match="4,096 copies; at most 256"):
        listing(program(*bodies, (Instruction("ABS"),)))

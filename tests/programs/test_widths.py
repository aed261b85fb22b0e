from __future__ import annotations

import pytest

from tradewind.programs import (
    OPERATIONS,
    Graph,
    Instruction,
    Program,
    ProgramShapeError,
    Subprogram,
    Width,
    canonical_hash,
    resolve,
)

# Slots of the default bank: 1, 8, 32, 2, 4 and 16 units.
ONE_UNIT, MODEL, INNER, TWO, FOUR, SIXTEEN = range(6)


def block(*instructions: Instruction) -> Program:
    return Program((Subprogram("main", instructions),))


def convolutions(graph: Graph) -> list[int]:
    return [n.width.count for n in graph.nodes if n.op.startswith("CONV")]


def conv(source: int, dimension: int, branch: int = 1) -> Instruction:
    return Instruction("CONV_1X1", source, dimension=dimension, branch=branch)


def test_what_can_be_set_is_set() -> None:
    assert convolutions(resolve(block(conv(0, INNER), Instruction("ADD", 0, 2)))) == [8]
    assert convolutions(resolve(block(conv(0, INNER), Instruction("MULTIPLY", 2, 0)))) == [8]


def test_the_output_is_made_as_wide_as_the_input() -> None:
    assert convolutions(resolve(block(conv(0, TWO)))) == [8]


def test_repair_goes_back_to_where_the_width_was_made() -> None:
    graph = resolve(block(conv(0, INNER), Instruction("EXP", 2), Instruction("DCONV_3X1", 3), Instruction("ADD", 4, 0)))
    assert convolutions(graph) == [8]


def test_repair_goes_through_branches() -> None:
    assert convolutions(resolve(block(conv(0, FOUR, branch=4), Instruction("ADD", 2, 0)))) == [2]
    with pytest.raises(ProgramShapeError, match="no whole numbers of units fit; lower a branch"):
        resolve(block(conv(0, FOUR, branch=16), Instruction("ADD", 2, 0)))


def test_repair_sets_every_term_of_a_sum() -> None:
    graph = resolve(block(conv(0, TWO), conv(0, TWO), Instruction("DIFFERENCE", 2, 3), Instruction("ADD", 4, 0)))
    assert convolutions(graph) == [8, 8]


def test_what_meets_the_block_takes_its_width_with_all_that_it_meets() -> None:
    graph = resolve(
        block(
            conv(0, TWO),
            Instruction("ADD", 2, 0),
            conv(0, INNER),
            Instruction("T_MAT_MUL", 2, 4),
            Instruction("MAT_MUL", 5, 3),
        )
    )
    assert convolutions(graph) == [8, 8]


def test_branches_are_repaired_in_proportion() -> None:
    narrow, wide = conv(0, TWO, branch=2), conv(0, FOUR, branch=8)
    graph = resolve(block(narrow, wide, Instruction("MULTIPLY", 2, 3), conv(4, MODEL)))
    # Asked for are 4 and 32 units after the merge; a quarter of 2 units would be no whole number.
    assert sorted(convolutions(graph)) == [4, 8, 16]


def test_the_side_is_drawn_and_stays() -> None:
    def two(first: int, second: int, extra: str) -> Program:
        return block(
            conv(0, first),
            conv(0, second),
            Instruction("DIFFERENCE", 2, 3),
            Instruction(extra, 4),
            conv(5, MODEL),
        )

    drawn = set()
    for extra in ("EXP", "ABS", "SQUARE", "SIN", "COS", "TANH", "SIGN", "SIGMOID"):
        found = convolutions(resolve(two(TWO, SIXTEEN, extra)))
        assert found == convolutions(resolve(two(TWO, SIXTEEN, extra)))
        assert found in ([2, 2, 8], [16, 16, 8])
        drawn.add(found[0])
    assert drawn == {2, 16}


def test_a_width_that_is_repaired_and_one_that_is_asked_for_are_one_graph() -> None:
    repaired, asked = block(conv(0, INNER), Instruction("ADD", 0, 2)), block(conv(0, MODEL), Instruction("ADD", 0, 2))
    assert canonical_hash(repaired) == canonical_hash(asked)
    assert resolve(repaired) == resolve(asked)


@pytest.mark.parametrize("op", ["SIN", "COS", "EXP", "ABS", "SIGN", "SQUARE"])
def test_repair_leaves_no_trace_in_the_order(op: str) -> None:
    def two(first: int, second: int) -> Program:
        parts = (Instruction("TANH", 2), Instruction(op, 3), Instruction("MULTIPLY", 4, 5))
        return block(conv(0, first), conv(0, second), *parts)

    assert len({resolve(two(a, b)) for a in (MODEL, TWO, SIXTEEN) for b in (MODEL, INNER, FOUR)}) == 1


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (block(Instruction("MAT_MUL", 0, 1)), "needs one column a token in its first input, which has 8 units"),
        (block(Instruction("RED_SUM", 0)), "the output of the block: 1 columns and 8 units must be equal"),
        (block(Instruction("T_MAT_MUL", 0, 1)), "the output of the block: one column a token and 8 units"),
        (block(Instruction("RED_SUM", 0), Instruction("T_MAT_MUL", 0, 2)), "T_MAT_MUL: 8 units and 1 columns"),
        (block(Instruction("T_MAT_MUL", 0, 1), Instruction("ADD", 0, 2)), "ADD: 8 units and one column a token"),
        (block(Instruction("T_MAT_MUL", 0, 1, branch=2)), "2 results of one column a token cannot be put side by side"),
        (block(Instruction("RED_SUM", 0, branch=8), Instruction("ADD", 0, 2)), "ADD: 8 units and 8 columns"),
    ],
)
def test_beyond_repair(program: Program, message: str) -> None:
    with pytest.raises(ProgramShapeError, match=message):
        resolve(program)
    assert canonical_hash(program) == canonical_hash(program)


def test_one_column_meets_every_width() -> None:
    graph = resolve(
        block(
            Instruction("RED_SUM", 0),
            Instruction("T_MAT_MUL", 0, 0),
            Instruction("MULTIPLY", 2, 3),
            Instruction("MAT_MUL", 4, 0),
            Instruction("ADD", 5, 2),
        )
    )
    widths = {node.op: node.width for node in graph.nodes}
    assert widths["MULTIPLY"] == Width(1, "token")
    assert widths["MAT_MUL"] == widths["ADD"] == Width(8)


@pytest.mark.parametrize("op", [n for n, row in OPERATIONS.items() if row.shape == "same"])
def test_a_weight_may_lie_along_the_tokens(op: str) -> None:
    graph = resolve(block(Instruction("T_MAT_MUL", 0, 0), Instruction(op, 2), Instruction("MAT_MUL", 3, 0)))
    shapes = list(graph.weight_shapes(unit=2, context=5).values())
    assert all(shape[0] == 5 for shape in shapes)
    assert bool(shapes) == OPERATIONS[op].parametrised


def test_two_fixed_widths_that_differ() -> None:
    wide = Instruction("S1", 0, 0, branch=2)
    program = Program((Subprogram("main", (wide, Instruction("ADD", 0, 2))), Subprogram("f", (Instruction("EXP"),))))
    with pytest.raises(ProgramShapeError, match="ADD: 8 units and 16 units must be equal"):
        resolve(program)

from __future__ import annotations

import dataclasses

import pytest

from tradewind.programs import Instruction, Program, Subprogram, diff, primer_ez, transformer

SEED = transformer()


def edited(index: int, place: int, **changes: object) -> Program:
    body = list(SEED.subprograms[index].instructions)
    body[place] = dataclasses.replace(body[place], **changes)  # type: ignore[arg-type]
    return SEED.with_body(index, body)


def test_equal_programs_have_no_difference() -> None:
    assert diff(SEED, transformer()) == ()


@pytest.mark.parametrize(
    ("child", "line"),
    [
        (
            SEED.with_body(9, [*SEED.subprograms[9].instructions, Instruction("SQUARE", 2)]),
            "inserted SQUARE after MAX in relu of feed-forward",
        ),
        (SEED.with_body(2, SEED.subprograms[2].instructions[:-1]), "deleted SHIFT after CONV_1X1 in feed-forward"),
        (edited(2, 2, op="TANH"), "relu became TANH in feed-forward"),
        (edited(4, 0, op="COS"), "EXP became COS in softmax of self-attention"),
        (edited(6, 2, input_2=0), "input 2 of MULTIPLY from 3 (DIFFERENCE) to input 0 in z-score of layer-norm"),
        (edited(2, 0, branch=2), "branch of CONV_1X1 from 1 to 2 in feed-forward"),
        (edited(2, 0, dimension=5), "dimension slot of CONV_1X1 from 2 to 5 in feed-forward"),
        (edited(9, 0, dimension=5), "dimension slot of MAX from 3 to 5 (silent) in relu of feed-forward"),
        (dataclasses.replace(SEED, dimensions=(1, 8, 48, 2, 4, 16)), "dimension 2 from 32 to 48 units"),
        (dataclasses.replace(SEED, constants=(-0.57, 0.125)), "constant 0 from 0 to -0.57"),
        (Program((*SEED.subprograms, Subprogram("gate", ()))), "added the subprogram gate"),
        (Program((*SEED.subprograms[:9], Subprogram("act", SEED.subprograms[9].instructions))), "renamed relu to act"),
    ],
)
def test_one_change_is_one_sentence(child: Program, line: str) -> None:
    assert diff(SEED, child) == (line,)


def test_a_subprogram_that_goes() -> None:
    longer = Program((*SEED.subprograms, Subprogram("gate", ())))
    assert diff(longer, SEED) == ("removed the subprogram gate",)


def test_a_swap_is_told_as_one() -> None:
    body = list(SEED.subprograms[7].instructions)
    swapped = [
        dataclasses.replace(body[1], input_1=body[0].input_1, input_2=body[0].input_2),
        dataclasses.replace(body[0], input_1=body[1].input_1, input_2=body[1].input_2),
    ]
    assert diff(SEED, SEED.with_body(7, swapped)) == ("swapped SCALE and SHIFT in scale-shift of layer-norm",)


def test_numbers_that_only_move_are_not_told() -> None:
    body = SEED.subprograms[6].instructions
    moved = [
        dataclasses.replace(i, input_1=i.input_1 + (i.input_1 > 1), input_2=i.input_2 + (i.input_2 > 1)) for i in body
    ]
    child = SEED.with_body(6, [Instruction("TANH", 1, 0), *moved])
    assert diff(SEED, child) == ("inserted TANH at the start in z-score of layer-norm",)
    assert diff(child, SEED) == ("deleted TANH at the start in z-score of layer-norm",)


def test_the_way_back_has_as_many_lines() -> None:
    assert len(diff(primer_ez(), SEED)) == len(diff(SEED, primer_ez())) == 2

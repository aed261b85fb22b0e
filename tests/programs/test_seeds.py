"""The published listings, typed from Figures 24 and 25 of arXiv 2109.08668, against what the programs unfold to."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tradewind.programs import (
    OPERATIONS,
    Program,
    canonical_hash,
    diff,
    evolved,
    fingerprint,
    listing,
    primer,
    primer_ez,
    resolve,
    transformer,
)

SEED = """
INPUT; INPUT; REDUCE_MEAN(0,0); DIFFERENCE(0,2); MULTIPLY(3,3); REDUCE_MEAN(4,4); ABS_SQUARE_ROOT(5,5); DIVIDE(3,6);
SCALE(7,7); SHIFT(8,8); BRANCH_8_INPUT_1(9,9); BRANCH_8_INPUT_2(9,9); DENSE(10,10) D64; DENSE(10,10) D64;
CONSTANT_MUL(13,13) C0.125; DENSE(10,10) D64; TRANSPOSE_MAT_MUL(14,12); EXP(16,16); EMBEDDING_MASK(17,17);
REDUCE_SUM(18,18); DIVIDE(18,19); MAT_MUL(20,15); BRANCH_MERGE(21,21); DENSE(22,22) D512; ADD(0,23);
REDUCE_MEAN(24,24); DIFFERENCE(24,25); MULTIPLY(26,26); REDUCE_MEAN(27,27); ABS_SQUARE_ROOT(28,28); DIVIDE(26,29);
SCALE(30,30); SHIFT(31,31); DENSE(32,32) D2048; SHIFT(33,33); MAX(34,34); DENSE(35,35) D512; SHIFT(36,36); ADD(24,37)
"""
EVOLVED = """
INPUT; INPUT; REDUCE_MEAN(0,0); DIFFERENCE(0,2); MULTIPLY(3,0); REDUCE_MEAN(4,4); ABS_SQUARE_ROOT(5,5); DIVIDE(3,6);
SCALE(7,7); SHIFT(8,8) D384 C-0.57; BRANCH_8_INPUT_1(9,9); BRANCH_8_INPUT_2(9,9); MAX(10,10) C-0.57; DENSE(10,10) D48;
DEPTHWISE_CONV_3X1(13,10) D384; CONSTANT_MUL(14,14) D384; MAX(11,11) C-0.57; DENSE(10,10) D48;
DEPTHWISE_CONV_3X1(17,10) D384; CONSTANT_MUL(18,18) D384; DENSE(19,11) D48; MAX(10,10) C-0.57; DENSE(10,10) D48;
DEPTHWISE_CONV_3X1(22,10) D384; CONSTANT_MUL(23,23) D384; TRANSPOSE_MAT_MUL(20,19); EXP(25,25); EMBEDDING_MASK(26,26);
REDUCE_SUM(27,27); DIVIDE(27,28); TANH(29,25) D384; SCALE(30,19) D384; MAT_MUL(31,24); BRANCH_MERGE(32,32);
DENSE(33,33) D384; ADD(0,34); ADD(35,34); BRANCH_2_INPUT_1(36,36) D2304; BRANCH_2_INPUT_2(36,36) D2304;
DENSE(37,38) D2304; BRANCH_MERGE(39,39); SHIFT(40,40); MAX(41,41) C-0.57; SQUARE(42,41); DENSE(43,43) D384;
REDUCE_MEAN(44,44); DIFFERENCE(44,45); MULTIPLY(46,44); REDUCE_MEAN(47,47); ABS_SQUARE_ROOT(48,48); DIVIDE(46,49);
SCALE(50,50); SHIFT(51,51) D384 C-0.57; ADD(36,52); ADD(53,52)
"""


@pytest.mark.parametrize(
    ("program", "figure", "unit", "dimension", "constant", "dead"),
    [
        (transformer(), SEED, 64, 128, 0.0, [1, 11]),
        (evolved(), EVOLVED, 48, 768, -1.12, [1, *range(11, 17), 21, 38]),
    ],
)
def test_the_published_listing(
    program: Program, figure: str, unit: int, dimension: int, constant: float, dead: list[int]
) -> None:
    rows, output = listing(program)
    printed = [text.strip() for text in figure.split(";")]
    assert len(rows) == len(printed)
    assert output == len(rows) - 1
    assert [n for n, row in enumerate(rows) if not row.live] == dead
    for row, text in zip(rows[2:], printed[2:], strict=True):
        found = re.fullmatch(r"(\w+)\((\d+),(\d+)\)(?: D(\d+))?(?: C([-.\d]+))?", text)
        assert found, text
        name, first, second, d, c = found.groups()
        listed = OPERATIONS[row.op].listed if row.op in OPERATIONS else row.op.replace("INPUT", f"{row.branch}_INPUT")
        assert (listed, row.input_1, row.input_2) == (name, int(first), int(second))
        assert row.constant == float(c or constant), text
        if row.op != "BRANCH_MERGE":  # there the figures print the width of the result
            assert row.dimension * unit == int(d or dimension), text


@pytest.mark.parametrize(
    ("program", "unit", "merged"), [(transformer(), 64, [512]), (evolved(), 48, [384, 4608]), (primer(), 64, [512])]
)
def test_widths_of_merged_branches(program: Program, unit: int, merged: list[int]) -> None:
    nodes = resolve(program).nodes
    assert [n.width.size(unit, 7) for n in nodes if n.op == "BRANCH_MERGE"] == merged


@pytest.mark.parametrize(("seed", "live"), [(transformer, 37), (primer_ez, 41), (primer, 39), (evolved, 46)])
def test_live_nodes(seed: Callable[[], Program], live: int) -> None:
    assert len(resolve(seed()).nodes) == live


def test_the_seeds_are_four_functions() -> None:
    programs = [transformer(), primer_ez(), primer(), evolved()]
    assert len({canonical_hash(p) for p in programs}) == 4
    assert len({fingerprint(resolve(p)) for p in programs}) == 4


def test_primer_is_its_five_changes_of_primer_ez() -> None:
    assert diff(primer_ez(), primer()) == (
        "swapped layer-norm and feed-forward in main",
        "head-projection became CONV_1X1 in self-attention",
        "input 1 of CONV_1X1 from input 0 to 2 (head-projection) in self-attention",
        "input 2 of CONV_1X1 from input 0 to 2 (head-projection) (silent) in self-attention",
        "dimension slot of CONV_1X1 from 3 to 0 in self-attention",
        "deleted SHIFT after CONV_1X1 in feed-forward",
        "input 2 of MULTIPLY from 3 (DIFFERENCE) to input 0 in z-score of layer-norm",
    )

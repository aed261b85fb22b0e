from __future__ import annotations

import pytest

from tradewind.programs import OPERATIONS

BINARY = ("ADD", "DIFFERENCE", "DIVIDE", "MULTIPLY", "MAT_MUL", "T_MAT_MUL")
UNARY = [
    "ABS_ROOT",
    "SQUARE",
    "EXP",
    "LOG",
    "ABS",
    "RECIP",
    "SIGN",
    "COS",
    "SIN",
    "TANH",
    "SCALE",
    "SHIFT",
    "SIGMOID",
    "MASK",
    "CUM_PROD",
    "CUM_SUM",
    "RED_MEAN",
    "RED_SUM",
    "RED_MIN",
    "RED_MAX",
    "RED_PROD",
    "DCONV_3X1",
    "DCONV_7X1",
    "DCONV_15X1",
    "DCONV_31X1",
]
PUBLISHED_FIELDS = {
    **dict.fromkeys(BINARY, ("input_1", "input_2")),
    **dict.fromkeys(UNARY, ("input_1",)),
    **dict.fromkeys(("C_MUL", "MAX", "MIN"), ("input_1", "constant")),
    **{f"CONV_{width}X1": ("input_1", "dimension") for width in (1, 3, 7, 15, 31)},
}


def test_the_vocabulary_is_the_published_one() -> None:
    assert len(OPERATIONS) == 39
    assert {name: row.fields for name, row in OPERATIONS.items()} == PUBLISHED_FIELDS


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("CONV_1X1", "DENSE"),
        ("CONV_7X1", "CONV_7X1"),
        ("DCONV_3X1", "DEPTHWISE_CONV_3X1"),
        ("C_MUL", "CONSTANT_MUL"),
        ("ABS_ROOT", "ABS_SQUARE_ROOT"),
        ("RED_MEAN", "REDUCE_MEAN"),
        ("T_MAT_MUL", "TRANSPOSE_MAT_MUL"),
        ("MASK", "EMBEDDING_MASK"),
    ],
)
def test_names_of_the_listings(name: str, listed: str) -> None:
    assert OPERATIONS[name].listed == listed


def test_what_moves_along_the_sequence() -> None:
    wide = {f"{kind}_{width}X1" for kind in ("CONV", "DCONV") for width in (3, 7, 15, 31)}
    assert {n for n, row in OPERATIONS.items() if row.mixes} == wide | {"CUM_PROD", "CUM_SUM", "MAT_MUL", "T_MAT_MUL"}


def test_what_has_weights() -> None:
    weighted = {name for name, row in OPERATIONS.items() if row.parametrised}
    assert weighted == {n for n in OPERATIONS if "CONV" in n} | {"SCALE", "SHIFT"}

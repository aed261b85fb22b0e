"""The 39 primitive operations of a program, one row each.

Source: So et al. 2021, "Primer: Searching for Efficient Transformers for Language Modeling", arXiv 2109.08668,
appendix A.1. Names are those of its vocabulary table, `listed` those of its resolved listings (Figures 24 and 25).

What the paper leaves open is chosen here. SCALE multiplies and SHIFT adds (the table has them swapped; its figures and
code do not). A reduction runs over the last axis and keeps it with size 1. A cumulative operation runs along the
sequence. A depthwise convolution keeps its width: the table gives it a dimension, but in Figure 25 that dimension (384)
is not the width (48), so it is a silent gene.

Symbols: x, y inputs, c constant; T tokens; an input is a matrix of T rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

Shape: TypeAlias = Literal["same", "join", "reduce", "product", "gram", "dense"]
"""How the width of the result follows from the inputs.

same      the width of x
join      the common width of x and y, where one of them may be a single column
reduce    one column
product   x has T columns; the width of y
gram      x and y have one width; T columns
dense     the width in the dimension slot
"""


@dataclasses.dataclass(frozen=True)
class Operation:
    """One primitive: which fields of an instruction it uses, what it returns, and what it does to the sequence.

    `kernel` is the number of tokens a convolution sees. `mixes` tells whether a row of the result depends on more rows
    than its own, `keeps_zero` whether an entry that is exactly 0 stays so.
    """

    name: str
    listed: str
    maths: str
    shape: Shape = "same"
    arity: int = 1
    constant: bool = False
    parametrised: bool = False
    kernel: int = 0
    commutative: bool = False
    mixes: bool = False
    keeps_zero: bool = False

    @property
    def dimension(self) -> bool:
        """Whether the dimension slot is used."""
        return self.shape == "dense"

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of an instruction that it uses; the others are silent."""
        used = {"input_1": True, "input_2": self.arity == 2, "constant": self.constant, "dimension": self.dimension}
        return tuple(name for name, use in used.items() if use)


def _convolution(width: int) -> Operation:
    listed = "DENSE" if width == 1 else f"CONV_{width}X1"
    maths = "x W" if width == 1 else f"sum over the last {width} tokens of x W"
    return Operation(f"CONV_{width}X1", listed, maths, shape="dense", parametrised=True, kernel=width, mixes=width > 1)


def _depthwise(width: int) -> Operation:
    name, maths = f"DCONV_{width}X1", f"per channel, sum over the last {width} tokens of w x"
    return Operation(
        name, f"DEPTHWISE_CONV_{width}X1", maths, parametrised=True, kernel=width, mixes=True, keeps_zero=True
    )


_ROWS = (
    Operation("ADD", "ADD", "x + y", "join", 2, commutative=True),
    Operation("DIFFERENCE", "DIFFERENCE", "x - y", "join", 2),
    Operation("DIVIDE", "DIVIDE", "x / y", "join", 2),
    Operation("MULTIPLY", "MULTIPLY", "x * y", "join", 2, commutative=True),
    Operation("ABS_ROOT", "ABS_SQUARE_ROOT", "sqrt(abs(x))", keeps_zero=True),
    Operation("SQUARE", "SQUARE", "x * x", keeps_zero=True),
    Operation("EXP", "EXP", "exp(x)"),
    Operation("LOG", "LOG", "log(abs(x))"),
    Operation("C_MUL", "CONSTANT_MUL", "c x", constant=True, keeps_zero=True),
    Operation("ABS", "ABS", "abs(x)", keeps_zero=True),
    Operation("RECIP", "RECIP", "1 / x, 0 at 0", keeps_zero=True),
    Operation("SIGN", "SIGN", "sign(x)", keeps_zero=True),
    Operation("COS", "COS", "cos(x)"),
    Operation("SIN", "SIN", "sin(x)", keeps_zero=True),
    Operation("TANH", "TANH", "tanh(x)", keeps_zero=True),
    Operation("MAX", "MAX", "max(x, c)", constant=True),
    Operation("MIN", "MIN", "min(x, c)", constant=True),
    Operation("SCALE", "SCALE", "x * w, w learned per channel", parametrised=True, keeps_zero=True),
    Operation("SHIFT", "SHIFT", "x + w, w learned per channel", parametrised=True),
    Operation("SIGMOID", "SIGMOID", "1 / (1 + exp(-x))"),
    Operation("MASK", "EMBEDDING_MASK", "x where column <= row, else 0", keeps_zero=True),
    Operation("CUM_PROD", "CUM_PROD", "product of the rows so far", mixes=True, keeps_zero=True),
    Operation("CUM_SUM", "CUM_SUM", "sum of the rows so far", mixes=True, keeps_zero=True),
    Operation("RED_MEAN", "REDUCE_MEAN", "mean over the columns", "reduce"),
    Operation("RED_SUM", "REDUCE_SUM", "sum over the columns", "reduce"),
    Operation("RED_MIN", "REDUCE_MIN", "minimum over the columns", "reduce"),
    Operation("RED_MAX", "REDUCE_MAX", "maximum over the columns", "reduce"),
    Operation("RED_PROD", "REDUCE_PROD", "product over the columns", "reduce"),
    Operation("MAT_MUL", "MAT_MUL", "x y", "product", 2, mixes=True),
    Operation("T_MAT_MUL", "TRANSPOSE_MAT_MUL", "x yᵀ", "gram", 2, mixes=True),
    *map(_convolution, (1, 3, 7, 15, 31)),
    *map(_depthwise, (3, 7, 15, 31)),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType({row.name: row for row in _ROWS})
"""Every primitive by name, in the order of the paper's table.

>>> OPERATIONS["C_MUL"].fields, OPERATIONS["CONV_1X1"].fields, len(OPERATIONS)
(('input_1', 'constant'), ('input_1', 'dimension'), 39)
"""

"""Graph: what a program computes, with a width and a direction of flow for every node. Frozen plain data.

A node's value is a matrix of T rows, one a token; in a branch there are `copies` of it. Its width is a number of units
of an eighth of d_model, of single columns (what a reduction leaves), or of T columns (what X Yᵀ leaves).
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Literal, TypeAlias

from tradewind.core import UsageError
from tradewind.core.files import content_hash
from tradewind.programs.operations import OPERATIONS, Operation
from tradewind.programs.program import MODEL_UNITS

Axis: TypeAlias = Literal["unit", "one", "token"]

Flow: TypeAlias = Literal["causal", "masked", "pairwise", "leaking"]
"""What entry (i, j) of a node may depend on.

causal     tokens up to i
masked     tokens up to i, and it is exactly 0 for j > i (T columns only)
pairwise   tokens up to max(i, j), as in X Yᵀ (T columns only)
leaking    any token
"""


@dataclasses.dataclass(frozen=True)
class Width:
    """Number of columns: `count` units, single columns or sequence lengths.

    >>> Width(8).size(unit=64, tokens=10), Width(1, "token").size(unit=64, tokens=10)
    (512, 10)
    """

    count: int
    axis: Axis = "unit"

    def size(self, unit: int, tokens: int) -> int:
        """The number of columns at a unit and a sequence length."""
        return self.count * {"unit": unit, "one": 1, "token": tokens}[self.axis]

    def __str__(self) -> str:
        return {"unit": f"{self.count} units", "one": f"{self.count} columns", "token": "one column a token"}[self.axis]


MODEL = Width(MODEL_UNITS)
ONE = Width(1, "one")
TOKENS = Width(1, "token")


@dataclasses.dataclass(frozen=True)
class Node:
    """One operation: a primitive, INPUT, BRANCH_INPUT or BRANCH_MERGE.

    `inputs` are numbers of earlier nodes, only those that are used; `constant` is None where there is none. `branch` is
    the n of the two branch operations, `copies` the number of times the node runs side by side.
    """

    op: str
    inputs: tuple[int, ...]
    constant: float | None
    branch: int
    copies: int
    width: Width
    flow: Flow

    @property
    def primitive(self) -> Operation | None:
        """Its row among the primitives, None for an input or a branch operation."""
        return OPERATIONS.get(self.op)


@dataclasses.dataclass(frozen=True)
class Graph:
    """The live nodes in canonical order, each after its inputs; the last one is the output.

    Equal graphs compute the same function of the same weights; see `tradewind.programs.canonical`.
    """

    nodes: tuple[Node, ...]

    @cached_property
    def hash(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the nodes."""
        return content_hash([dataclasses.astuple(node) for node in self.nodes])[:16]

    def weight_shapes(self, unit: int, context: int) -> dict[int, tuple[int, ...]]:
        """Shape of the weight of each parametrised node, by node number.

        With G copies in front where there are any: SCALE and SHIFT (columns,), CONV 1X1 (out, in), a wider CONV
        (out, in, kernel), DCONV (columns, kernel). The last tap of a kernel is the token itself. A weight along T
        columns has `context` of them, and a shorter sequence uses the first.

        >>> from tradewind.programs import resolve, transformer
        >>> list(resolve(transformer()).weight_shapes(unit=64, context=64).values())[:3]
        [(512,), (512,), (8, 64, 512)]
        """
        shapes: dict[int, tuple[int, ...]] = {}
        for number, node in enumerate(self.nodes):
            row = node.primitive
            if row is None or not row.parametrised:
                continue
            copies = (node.copies,) if node.copies > 1 else ()
            taps = (row.kernel,) if row.kernel > 1 else ()
            read = (self.nodes[node.inputs[0]].width.size(unit, context),) if row.shape == "dense" else ()
            shapes[number] = (*copies, node.width.size(unit, context), *read, *taps)
        return shapes


def unit_of(d_model: int) -> int:
    """Columns of a unit; raises `UsageError` unless d_model is a positive multiple of 8.

    >>> unit_of(512)
    64
    """
    if isinstance(d_model, bool) or not isinstance(d_model, int) or d_model < 1 or d_model % MODEL_UNITS:
        raise UsageError(
            f"d_model is {d_model!r}; dimensions of a program are eighths of it, so give a multiple of {MODEL_UNITS}"
        )
    return d_model // MODEL_UNITS

"""A plain interpreter of graphs in numpy, one line an operation: the oracle of the compiled block, and its probe.

Symbols: T tokens, C columns, G copies; values have shape (T, C) or, in a branch, (G, T, C). float64 throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from tradewind.core.seeds import generator
from tradewind.programs.errors import ProgramTooLargeError
from tradewind.programs.graph import Graph, Node

MAX_NUMBERS = 20_000_000
"""Most numbers that the weights, or one value, of an interpreted program may have."""

_UNARY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ABS_ROOT": lambda x: np.sqrt(np.abs(x)),
    "SQUARE": np.square,
    "EXP": np.exp,
    "LOG": lambda x: np.log(np.abs(x)),
    "ABS": np.abs,
    "RECIP": lambda x: np.where(x == 0, 0.0, 1 / np.where(x == 0, 1.0, x)),
    "SIGN": np.sign,
    "COS": np.cos,
    "SIN": np.sin,
    "TANH": np.tanh,
    "SIGMOID": lambda x: np.exp(-np.logaddexp(0.0, -x)),
    "MASK": np.tril,
    "CUM_PROD": lambda x: np.cumprod(x, axis=-2),
    "CUM_SUM": lambda x: np.cumsum(x, axis=-2),
    "RED_MEAN": lambda x: x.mean(-1, keepdims=True),
    "RED_SUM": lambda x: x.sum(-1, keepdims=True),
    "RED_MIN": lambda x: x.min(-1, keepdims=True),
    "RED_MAX": lambda x: x.max(-1, keepdims=True),
    "RED_PROD": lambda x: x.prod(-1, keepdims=True),
}
_BINARY: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "ADD": np.add,
    "DIFFERENCE": np.subtract,
    "DIVIDE": np.divide,
    "MULTIPLY": np.multiply,
    "MAT_MUL": np.matmul,
    "T_MAT_MUL": lambda x, y: x @ np.swapaxes(y, -1, -2),
}
_CONSTANT: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "C_MUL": np.multiply,
    "MAX": np.maximum,
    "MIN": np.minimum,
}


def interpret(graph: Graph, weights: Mapping[int, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The block's output (T, d_model) for an input (T, d_model) and weights shaped as `Graph.weight_shapes` says.

    What overflows is inf or NaN, without a warning.

    >>> from tradewind.programs import resolve, transformer
    >>> graph = resolve(transformer())
    >>> interpret(graph, random_weights(graph, unit=2, context=5, seed=0), np.eye(5, 16)).shape
    (5, 16)
    """
    values: list[np.ndarray] = []
    with np.errstate(all="ignore"):
        for number, node in enumerate(graph.nodes):
            inputs = [values[i] for i in node.inputs]
            values.append(_run(node, inputs, weights.get(number), x.astype(np.float64)))
    return values[-1]


def random_weights(graph: Graph, unit: int, context: int, seed: int) -> dict[int, np.ndarray]:
    """Normal weights by node number, a pure function of `seed` and of the order and shapes of the parametrised nodes.

    SCALE has mean 1 and deviation 0.2, SHIFT 0 and 0.2, the others 0 and one over the root of the numbers summed.
    Raises `ProgramTooLargeError` before anything large is made.
    """
    shapes = graph.weight_shapes(unit, context)
    largest = max(node.copies * context * node.width.size(unit, context) for node in graph.nodes)
    total = sum(math.prod(shape) for shape in shapes.values())
    if max(largest, total) > MAX_NUMBERS:
        raise ProgramTooLargeError(
            f"at d_model {8 * unit} the block has {total:,} weights and a value of {largest:,} numbers; "
            f"at most {MAX_NUMBERS:,} are interpreted"
        )
    weights = {}
    for ordinal, (number, shape) in enumerate(shapes.items()):
        op = graph.nodes[number].op
        drawn = generator(seed, "weight", ordinal).standard_normal(shape)
        if op in ("SCALE", "SHIFT"):
            weights[number] = 0.2 * drawn + (op == "SCALE")
        else:
            weights[number] = drawn / math.sqrt(_fan_in(graph, number, shape))
    return weights


def _fan_in(graph: Graph, number: int, shape: tuple[int, ...]) -> int:
    """How many products a convolution's weight of this shape adds up in one number."""
    row = graph.nodes[number].primitive
    assert row is not None
    taps = shape[-1] if row.kernel > 1 else 1
    return taps * (shape[-2 if row.kernel > 1 else -1] if row.shape == "dense" else 1)


def _run(node: Node, inputs: list[np.ndarray], weight: np.ndarray | None, x: np.ndarray) -> np.ndarray:
    if node.op == "INPUT":
        return x
    first = inputs[0]
    if node.op == "BRANCH_INPUT":
        copied = np.repeat(first.reshape(-1, 1, *first.shape[-2:]), node.branch, axis=1)
        return copied.reshape(-1, *first.shape[-2:])
    if node.op == "BRANCH_MERGE":
        parts = first.reshape(-1, node.branch, *first.shape[-2:])  # G n T C
        merged = np.concatenate([parts[:, n] for n in range(node.branch)], axis=-1)
        return merged if node.copies > 1 else merged[0]
    if node.op in _UNARY:
        return _UNARY[node.op](first)
    if node.op in _BINARY:
        return _BINARY[node.op](first, inputs[1])
    if node.constant is not None:
        return _CONSTANT[node.op](first, node.constant)
    assert weight is not None
    return _parametrised(node, first, weight)


def _parametrised(node: Node, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """SCALE, SHIFT and the convolutions; of a weight along T columns the first T are used."""
    row = node.primitive
    assert row is not None
    columns = x.shape[-1]
    if row.shape == "dense":
        taps = weight[..., None] if row.kernel == 1 else weight
        taps = taps[..., :columns, :]
        return sum(
            (_delayed(x, lag) @ np.swapaxes(taps[..., -1 - lag], -1, -2) for lag in range(row.kernel)),
            start=np.zeros(()),
        )
    if row.kernel:
        weight = weight[..., None, :columns, :]
        return sum((_delayed(x, lag) * weight[..., -1 - lag] for lag in range(row.kernel)), start=np.zeros(()))
    weight = weight[..., None, :columns]
    return x * weight if node.op == "SCALE" else x + weight


def _delayed(x: np.ndarray, lag: int) -> np.ndarray:
    """Row t is row t - lag of x, 0 before the first."""
    delayed = np.zeros_like(x)
    delayed[..., lag:, :] = x[..., : x.shape[-2] - lag, :] if lag < x.shape[-2] else 0.0
    return delayed

"""Each primitive against its definition, written with loops over rows and columns."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from tradewind.core.seeds import generator
from tradewind.programs import (
    OPERATIONS,
    Instruction,
    Program,
    ProgramTooLargeError,
    Subprogram,
    interpret,
    random_weights,
    resolve,
)

UNIT, T = 2, 5
D = 8 * UNIT
C = 0.3
RNG = generator(0, "interpreter")
X = RNG.standard_normal((T, D))
X[1, 2] = 0.0

SCALAR: dict[str, Callable[[float], float]] = {
    "ABS_ROOT": lambda x: math.sqrt(abs(x)),
    "SQUARE": lambda x: x * x,
    "EXP": math.exp,
    "LOG": lambda x: math.log(abs(x)) if x else -math.inf,
    "C_MUL": lambda x: C * x,
    "ABS": abs,
    "RECIP": lambda x: 1 / x if x else 0.0,
    "SIGN": lambda x: float((x > 0) - (x < 0)),
    "COS": math.cos,
    "SIN": math.sin,
    "TANH": math.tanh,
    "MAX": lambda x: max(x, C),
    "MIN": lambda x: min(x, C),
    "SIGMOID": lambda x: 1 / (1 + math.exp(-x)),
}
ROW: dict[str, Callable[[list[float]], float]] = {
    "RED_MEAN": lambda row: sum(row) / len(row),
    "RED_SUM": sum,
    "RED_MIN": min,
    "RED_MAX": max,
    "RED_PROD": math.prod,
}
JOIN: dict[str, Callable[[float, float], float]] = {
    "ADD": lambda x, y: x + y,
    "DIFFERENCE": lambda x, y: x - y,
    "MULTIPLY": lambda x, y: x * y,
    "DIVIDE": lambda x, y: x / y,
}


def run(*instructions: Instruction, x: np.ndarray = X) -> tuple[np.ndarray, list[np.ndarray]]:
    program = Program((Subprogram("main", instructions),), constants=(C, 0.0))
    graph = resolve(program)
    weights = random_weights(graph, UNIT, T, seed=1)
    return interpret(graph, weights, x), list(weights.values())


@pytest.mark.parametrize("op", SCALAR)
def test_elementwise(op: str) -> None:
    out, _ = run(Instruction(op))
    expected = [[SCALAR[op](float(v)) for v in row] for row in X]
    np.testing.assert_allclose(out, expected, rtol=1e-14)


@pytest.mark.parametrize("op", JOIN)
def test_elementwise_of_two(op: str) -> None:
    out, _ = run(Instruction("EXP", 0), Instruction(op, 0, 2))
    expected = [[JOIN[op](float(v), math.exp(v)) for v in row] for row in X]
    np.testing.assert_allclose(out, expected, rtol=1e-14)


@pytest.mark.parametrize("op", ROW)
def test_reductions_keep_their_axis(op: str) -> None:
    out, _ = run(Instruction(op), Instruction("ADD", 0, 2))
    expected = [[float(v) + ROW[op](list(map(float, row))) for v in row] for row in X]
    np.testing.assert_allclose(out, expected, rtol=1e-13)


def test_mask_keeps_the_lower_triangle() -> None:
    out, _ = run(Instruction("MASK"))
    assert all(out[i, j] == (X[i, j] if j <= i else 0) for i in range(T) for j in range(D))


@pytest.mark.parametrize(("op", "step"), [("CUM_SUM", np.add), ("CUM_PROD", np.multiply)])
def test_cumulation_runs_along_the_sequence(op: str, step: Callable[..., np.ndarray]) -> None:
    out, _ = run(Instruction(op))
    expected = X[0]
    for t in range(T):
        expected = step(expected, X[t]) if t else expected
        np.testing.assert_allclose(out[t], expected, rtol=1e-14)


def test_scale_multiplies_and_shift_adds() -> None:
    scaled, (scale,) = run(Instruction("SCALE"))
    shifted, (shift,) = run(Instruction("SHIFT"))
    np.testing.assert_array_equal(scaled, X * scale)
    np.testing.assert_array_equal(shifted, X + shift)


@pytest.mark.parametrize("kernel", [1, 3, 7, 15, 31])
def test_convolutions_see_the_last_tokens(kernel: int) -> None:
    out, (weight,) = run(Instruction(f"CONV_{kernel}X1", dimension=1))
    weight = weight.reshape(D, D, kernel)
    for t in range(T):
        expected = sum(weight[:, :, kernel - 1 - lag] @ X[t - lag] for lag in range(kernel) if lag <= t)
        np.testing.assert_allclose(out[t], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", [3, 7, 15, 31])
def test_depthwise_convolutions_see_one_channel(kernel: int) -> None:
    out, (weight,) = run(Instruction(f"DCONV_{kernel}X1", dimension=0))
    assert weight.shape == (D, kernel)
    for t in range(T):
        expected = sum(weight[:, kernel - 1 - lag] * X[t - lag] for lag in range(kernel) if lag <= t)
        np.testing.assert_allclose(out[t], expected, rtol=1e-12, atol=1e-12)


def test_matrix_products() -> None:
    out, _ = run(Instruction("EXP"), Instruction("T_MAT_MUL", 0, 2), Instruction("MAT_MUL", 3, 0))
    np.testing.assert_allclose(out, X @ np.exp(X).T @ X, rtol=1e-12)


def test_branches_have_weights_of_their_own_and_stand_side_by_side() -> None:
    out, (weight,) = run(Instruction("CONV_1X1", dimension=3, branch=4))
    assert weight.shape == (4, 2 * UNIT, D)
    np.testing.assert_allclose(out, np.concatenate([X @ w.T for w in weight], axis=1), rtol=1e-12)


def test_branches_inside_branches() -> None:
    inner = Instruction("CONV_1X1", dimension=0, branch=2)
    program = Program(
        (Subprogram("main", (Instruction("S1", branch=4),)), Subprogram("f", (inner, Instruction("SCALE", 2))))
    )
    graph = resolve(program)
    weights = random_weights(graph, UNIT, T, seed=1)
    conv, scale = weights.values()
    parts = [
        np.concatenate([X @ conv[2 * a + b].T for b in range(2)], axis=1) * scale[a] for a in range(4)
    ]  # outer copy a, inner copy b
    np.testing.assert_allclose(interpret(graph, weights, X), np.concatenate(parts, axis=1), rtol=1e-12)


def test_a_weight_along_the_tokens_is_cut_to_the_sequence() -> None:
    instructions = (Instruction("T_MAT_MUL"), Instruction("SCALE", 2), Instruction("MAT_MUL", 3, 0))
    graph = resolve(Program((Subprogram("main", instructions),)))
    weights = random_weights(graph, UNIT, T, seed=1)
    (scale,) = weights.values()
    short = X[:3]
    np.testing.assert_allclose(interpret(graph, weights, short), short @ short.T * scale[:3] @ short, rtol=1e-12)


@pytest.mark.parametrize("op", [n for n, row in OPERATIONS.items() if row.shape == "same" and not row.constant])
def test_what_keeps_zero(op: str) -> None:
    out, _ = run(Instruction(op), x=np.zeros((T, D)))
    assert (out == 0).all() == OPERATIONS[op].keeps_zero


def test_every_primitive_is_tested_here() -> None:
    others = {"MASK", "CUM_SUM", "CUM_PROD", "SCALE", "SHIFT", "MAT_MUL", "T_MAT_MUL"}
    convolutions = {name for name in OPERATIONS if "CONV" in name}
    assert set(SCALAR) | set(ROW) | set(JOIN) | others | convolutions == set(OPERATIONS)


def test_what_would_fill_the_memory_is_refused_before_it_does() -> None:
    wide = Instruction("CONV_31X1", dimension=5, branch=16)
    program = Program((Subprogram("main", (wide, Instruction("CONV_31X1", 2, dimension=1))),))
    with pytest.raises(ProgramTooLargeError, match="at most 20,000,000 are interpreted"):
        random_weights(resolve(program), unit=64, context=8, seed=0)

"""Whether a block looks ahead: a static rule for every node, and a test by perturbation.

So et al. 2021, arXiv 2109.08668, have causality by construction (masked or shifted operations) and describe no check;
after mutation nothing guarantees it. The static rule is sound up to NaN (0 · inf); it may refuse a program in which the
look-ahead cancels. What a node may depend on is written as `Flow`, see `tradewind.programs.graph`. Both ask for what
later tokens are, not for how many there are: a mean over T columns divides by T, and passes.
"""

from __future__ import annotations

import numpy as np

from tradewind.core.seeds import generator
from tradewind.programs.canonical import Step
from tradewind.programs.errors import ProgramCausalityError
from tradewind.programs.graph import MODEL, TOKENS, Flow, Graph, Width, unit_of
from tradewind.programs.interpreter import interpret, random_weights
from tradewind.programs.operations import OPERATIONS

SEQ_LEN, D_MODEL = 7, 16
"""Size of the perturbation test."""
TOLERANCE = 1e-9
"""Largest change, relative to the largest entry, that rounding may make."""


def flow_of(step: Step, widths: list[Width], flows: list[Flow]) -> Flow:
    """The flow of a step whose inputs' widths and flows are known."""
    if step.op == "INPUT":
        return "causal"
    inputs = [flows[i] for i in step.inputs]
    row = OPERATIONS.get(step.op)
    if "leaking" in inputs:
        return "leaking"
    if row is None:  # branch operations move nothing
        return inputs[0]
    square = widths[step.inputs[0]] == TOKENS
    match row.shape:
        case "reduce" | "dense":
            return "leaking" if inputs[0] == "pairwise" else "causal"
        case "product":
            return _product(inputs[0], inputs[1])
        case "gram":
            # Row c of the contraction is bounded by i only where x is 0 past i; so for y.
            bounded = "pairwise" not in inputs or "masked" in inputs
            return "pairwise" if bounded else "leaking"
        case "join":
            return _join(step.op, inputs)
    if step.op == "MASK":
        return "masked" if square else "causal"
    if inputs[0] == "masked" and not _keeps_zero(step):
        return "causal"
    return inputs[0]


def _product(x: Flow, y: Flow) -> Flow:
    """Row i of x y sums x[i, j] y[j] over all j, so x must be exactly 0 past i."""
    return y if x == "masked" else "leaking"


def _join(op: str, inputs: list[Flow]) -> Flow:
    """Elementwise; an entry that is 0 in a factor or in both terms stays 0."""
    x, y = inputs
    zero = {
        "ADD": x == y == "masked",
        "DIFFERENCE": x == y == "masked",
        "MULTIPLY": "masked" in inputs,
        "DIVIDE": x == "masked",
    }[op]
    if zero:
        return "masked"
    return "pairwise" if "pairwise" in inputs else "causal"


def _keeps_zero(step: Step) -> bool:
    constant = step.constant or 0.0
    if step.op in ("MAX", "MIN"):
        return constant <= 0 if step.op == "MAX" else constant >= 0
    return OPERATIONS[step.op].keeps_zero


def check_causal(graph: Graph, seed: int = 0) -> None:
    """Raise `ProgramCausalityError` if the block looks ahead, by the static rule or in the perturbation test.

    Raises `ProgramTooLargeError` where the test would need too much memory.

    >>> from tradewind.programs import resolve, transformer
    >>> check_causal(resolve(transformer()))
    """
    flow = graph.nodes[-1].flow
    if flow != "causal":
        first = next(n for n, node in enumerate(graph.nodes) if node.flow == "leaking")
        raise ProgramCausalityError(
            f"the output may depend on later tokens: at node {first} {graph.nodes[first].op} moves information along "
            "the sequence without a mask; put MASK between T_MAT_MUL and what sums over its columns"
        )
    position = first_leak(graph, seed)
    if position is not None:
        raise ProgramCausalityError(
            f"the output changes before token {position} when only the tokens from {position} on change"
        )


def first_leak(graph: Graph, seed: int = 0) -> int | None:
    """A position t such that changing the inputs from t on changes the output before t; None if none was found.

    In float64, at width 16 over 7 tokens, with random inputs and weights that are a pure function of `seed`. Entries
    that are not finite in both outputs are not compared. Raises `ProgramTooLargeError`.
    """
    weights = random_weights(graph, unit_of(D_MODEL), SEQ_LEN, seed)
    rng = generator(seed, "perturbation")
    x, other = rng.standard_normal((2, SEQ_LEN, MODEL.size(unit_of(D_MODEL), SEQ_LEN)))
    before = interpret(graph, weights, x)
    for t in range(1, SEQ_LEN):
        after = interpret(graph, weights, np.concatenate([x[:t], other[t:]]))
        finite = np.isfinite(before[:t]) & np.isfinite(after[:t])
        a, b = before[:t][finite], after[:t][finite]
        if np.abs(a - b).max(initial=0.0) > TOLERANCE * np.abs(a).max(initial=1.0):
            return t
    return None

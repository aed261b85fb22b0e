"""What a program computes, as a hash: equal for programs that are different graphs of the same function.

Two inputs and all weights are drawn in float64 from a fixed seed, weights in the canonical order of the graph; the
outputs are rounded to six significant digits of their size. So the custom norm of Primer and LayerNorm, or x + 2f and
x + f + f, have one fingerprint. It sees functions of given weights: two programs of which one only folds a constant
into a weight differ.
"""

from __future__ import annotations

import hashlib

import numpy as np

from tradewind.core.seeds import generator
from tradewind.programs.graph import Graph, unit_of
from tradewind.programs.interpreter import interpret, random_weights

N_INPUTS, SEQ_LEN, D_MODEL, DIGITS = 2, 6, 16, 6


def fingerprint(graph: Graph) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the rounded outputs; the same on every platform up to rounding.

    All programs whose outputs are NaN throughout have one fingerprint. Raises `ProgramTooLargeError`.

    >>> from tradewind.programs import resolve, primer, primer_ez
    >>> fingerprint(resolve(primer())) == fingerprint(resolve(primer_ez()))
    False
    """
    weights = random_weights(graph, unit_of(D_MODEL), SEQ_LEN, seed=0)
    inputs = generator(0, "fingerprint").standard_normal((N_INPUTS, SEQ_LEN, D_MODEL))
    outputs = np.stack([interpret(graph, weights, x) for x in inputs])
    finite = np.isfinite(outputs)
    size = float(np.abs(outputs[finite]).max(initial=0.0)) or 1.0
    rounded = np.where(finite, np.round(outputs / size * 10.0**DIGITS), outputs) + 0.0
    text = ",".join([f"{size:.{DIGITS - 1}e}", *(f"{value:.0f}" for value in rounded.ravel())])
    return hashlib.sha256(text.encode()).hexdigest()[:16]

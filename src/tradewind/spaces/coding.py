"""Members of a space as vectors in [0, 1] and back, for surrogate models and continuous optimisers."""

from __future__ import annotations

import numpy as np

from tradewind.core import Architecture, UsageError
from tradewind.spaces.dimension import Dimension
from tradewind.spaces.moves import Place
from tradewind.spaces.tables import Tables


def encode(t: Tables, place: Place) -> np.ndarray:
    """Depth, whole architecture, then layer by layer: choice index over last index; absent layers are 0."""
    row, codes = place
    layers = np.zeros((t.max_depth, len(t.layered)))
    layers[: len(codes)] = t.code_digits[codes] / np.maximum(_last(t.layered), 1)
    depth = t.depths.index(len(codes)) / max(len(t.depths) - 1, 1)
    return np.concatenate([[depth], t.digits[row] / np.maximum(_last(t.whole), 1), layers.ravel()])


def decode(t: Tables, vector: np.ndarray) -> Architecture:
    """The member whose vector is nearest after rounding each entry and repairing what the rules refuse."""
    n_whole, n_layered = len(t.whole), len(t.layered)
    length = 1 + n_whole + t.max_depth * n_layered
    vector = np.asarray(vector, dtype=np.float64)
    if vector.shape != (length,) or not np.isfinite(vector).all():
        raise UsageError(
            f"an encoding is {length} finite numbers; got an array of shape {vector.shape}: {vector!r:.80}"
        )
    vector = np.clip(vector, 0.0, 1.0)
    depth = t.depths[int(np.rint(vector[0] * (len(t.depths) - 1)))]
    row = t.nearest_row(np.rint(vector[1 : 1 + n_whole] * _last(t.whole)).astype(np.int64))
    layers = vector[1 + n_whole :].reshape(t.max_depth, n_layered)[:depth]
    return t.build(row, t.repair(row, np.rint(layers * _last(t.layered)).astype(np.int64)))


def _last(dimensions: tuple[Dimension, ...]) -> np.ndarray:
    """Each dimension's last index."""
    return np.array([len(d.choices) - 1 for d in dimensions], dtype=np.int64)

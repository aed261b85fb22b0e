"""Blocks of regressors for what a layer's position changes: smooth in depth, at the end of the stack, layer by layer.

Symbols: N architectures, D depths, L deepest, C contrasts, k basis functions.
"""

from __future__ import annotations

import numpy as np

from tradewind.predictors.layer_grid import LayerGrid

WAVES = 6
"""Cosines over the relative position: the slow change of a layer's weight from the first to the last."""

ENDS = (0.7, 2.0, 5.0)
"""Decay lengths, in layers, of what is special about the last layers."""


def smooth(grid: LayerGrid) -> np.ndarray:
    """Cosines of the relative position at each depth, (D, L, WAVES), zero past the depth; rough ones are scaled down.

    The scale k^-1.5 makes one prior variance for all of them favour smooth profiles.
    """
    basis = np.zeros((len(grid.depths), max(grid.depths), WAVES))
    for d, depth in enumerate(grid.depths):
        place = (np.arange(depth) + 0.5) / depth
        for k in range(1, WAVES + 1):
            basis[d, :depth, k - 1] = np.cos(np.pi * k * place) / k**1.5
    return basis


def ending(grid: LayerGrid) -> np.ndarray:
    """Exponentials of the distance from the last layer at each depth, (D, L, len(ENDS))."""
    basis = np.zeros((len(grid.depths), max(grid.depths), len(ENDS)))
    for d, depth in enumerate(grid.depths):
        distance = depth - 1 - np.arange(depth)
        basis[d, :depth] = np.exp(-distance[:, None] / np.array(ENDS))
    return basis


def profile(hot: np.ndarray, depth: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Regressors (N, C·k): one-hot layers (N, L, C) times the basis (D, L, k) of their depth."""
    columns = np.empty((len(hot), hot.shape[2] * basis.shape[2]))
    for d in range(len(basis)):
        rows = depth == d
        columns[rows] = np.einsum("nlc,lk->nck", hot[rows], basis[d]).reshape(int(rows.sum()), -1)
    return columns


def separate(columns: np.ndarray, member: np.ndarray, n_member: int) -> np.ndarray:
    """Columns (N, p) with coefficients of their own for each value of `member` (N,): (N, n_member·p)."""
    wide = np.zeros((len(columns), n_member, columns.shape[1]))
    wide[np.arange(len(columns)), member] = columns
    return wide.reshape(len(columns), -1)

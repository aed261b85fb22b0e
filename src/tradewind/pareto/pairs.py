"""Which choices of a layer cannot follow which earlier ones, since two other choices in their places do better.

Two layers of a network with a non-dominated total hold a pair of choices whose sum is non-dominated among all pairs for
these two layers: else changing both would give a better network. So most extensions of a partial network need not even
be looked at. Of pairs with equal sums the first in order is allowed: the first of all networks with the same totals has
only such pairs. Both hold for sums that are exact, whatever their order.

Symbols: T terms, L layers, K options, P partial networks, Q options of the next layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BACK = 12
"""Earlier layers that are looked at; those before them forbid little more."""
MOST_OPTIONS = 16
"""Options beyond which comparing all pairs of pairs takes longer than it saves; a bit for each."""


def admissible(
    columns: np.ndarray, history: Sequence[tuple[np.ndarray, np.ndarray]], used: np.ndarray, options: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which of `options` (Q,) may follow which of P partial networks: a network and an option of each pair, in order.

    `columns` (T, L, K) are what each option adds in each layer, to be minimised, and `history` the parents and choices
    of the partial networks of 1, 2, ... layers, the last being the P that are to be extended; `used` holds every option
    that occurs in them.

    >>> columns = np.array([[[0.0, 1.0], [0.0, 3.0]], [[1.0, 0.0], [1.0, 0.0]]])
    >>> networks, options = admissible(columns, [(np.array([0, 0]), np.array([0, 1]))], np.arange(2), np.arange(2))
    >>> networks.tolist(), options.tolist()
    ([0, 1, 1], [0, 0, 1])
    """
    layer, low = len(history), max(0, len(history) - BACK)
    sums = columns[:, low:layer, used][:, :, :, None] + columns[:, layer, options][:, None, None, :]
    sums = sums.reshape(len(columns), layer - low, -1)
    no_worse = np.ones((sums.shape[1], sums.shape[2], sums.shape[2]), dtype=bool)
    for term in sums:
        no_worse &= term[:, :, None] <= term[:, None, :]
    before = np.arange(sums.shape[2])[:, None] < np.arange(sums.shape[2])
    beaten = (no_worse & (before | ~no_worse.transpose(0, 2, 1))).any(axis=1)
    bits = np.uint16(1) << np.arange(len(options), dtype=np.uint16)
    table = np.zeros((layer - low, columns.shape[2]), dtype=np.uint16)
    table[:, used] = (beaten.reshape(layer - low, len(used), len(options)) * bits).sum(axis=2, dtype=np.uint16)
    forbidden = np.zeros(1, dtype=np.uint16)
    for back, (parents, choices) in enumerate(history[low:]):
        forbidden = (forbidden[parents] if back else forbidden) | table[back][choices]
    # Long rows are fast to compute and short ones are what the order asks for.
    allowed = np.ascontiguousarray((forbidden & bits[:, None] == 0).T)
    found = np.flatnonzero(allowed)
    networks = found // len(options)
    return networks, options[found - networks * len(options)]

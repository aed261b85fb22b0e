"""Profiling jobs: the drift of a measuring campaign along the order of its measurements, estimated to be left out.

The architectures of HW-GPT-Bench (Sukthanker et al. 2024, arXiv 2405.10299) were measured one after another by jobs on
different nodes and days. Residuals of any model of the architecture jump where a job begins and creep while it runs,
by 20% on some CPUs, and a job may treat one width otherwise than another. The drift is a level a row: the local robust
mean of the residuals of the neighbours in the order, a fast one common to all widths and a slow one for each width. A
robust local mean follows jumps that a smooth curve would blur (a trimmed running mean; Huber 1981, Robust Statistics).

Symbols: N rows, G groups (widths); residuals are logarithms of measured over predicted.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tradewind.core.ranking import kendall

TRIM = 2.0
"""Neighbours further from the local median than this many robust standard deviations are left out."""


@dataclasses.dataclass(frozen=True)
class Windows:
    """Neighbours in the local mean of all widths together and of one width; 0 for no such part."""

    common: int
    group: int


NONE = Windows(0, 0)
USUAL = Windows(21, 61)
CHOICES = (NONE, Windows(0, 61), Windows(9, 61), USUAL, Windows(21, 201))


def levels(
    order: np.ndarray, residual: np.ndarray, group: np.ndarray, known: np.ndarray, windows: Windows
) -> np.ndarray:
    """The level of each row's job in every group, (N, G), from the residuals of the other `known` rows near it.

    `order`, `residual`, `group` and `known` are (N,). A row's own residual never enters its levels, so they are the
    same whether or not it is known.

    >>> steps = np.repeat([0.0, 1.0], 50)
    >>> found = levels(np.arange(100), steps, np.zeros(100, int), np.ones(100, bool), Windows(9, 0))
    >>> found[[20, 80], 0].tolist()
    [0.0, 1.0]
    """
    rows = np.arange(len(order))
    fast, slow = np.zeros(len(order)), np.zeros((len(order), int(group.max()) + 1))
    for _ in range(2 if windows.common and windows.group else 1):
        if windows.group:
            for g in range(slow.shape[1]):
                slow[:, g] = local_level(order, residual - fast, known & (group == g), windows.group)
        if windows.common:
            fast = local_level(order, residual - slow[rows, group], known, windows.common)
    return fast[:, None] + slow


def local_level(order: np.ndarray, values: np.ndarray, known: np.ndarray, k: int) -> np.ndarray:
    """Robust mean of the `k` known values nearest in rank to each row, without the row itself, (N,).

    Zero where fewer than two values are known.
    """
    places = np.flatnonzero(known)[np.argsort(order[known], kind="stable")]
    width = min(k, len(places) - 1)
    if width < 1:
        return np.zeros(len(order))
    own = np.full(len(order), -1)
    own[places] = np.arange(len(places))
    first = np.clip(np.searchsorted(order[places], order) - (width + 1) // 2, 0, len(places) - width - 1)
    near = first[:, None] + np.arange(width)
    near += (own[:, None] >= first[:, None]) & (near >= own[:, None])
    window = values[places[near]]
    centre = np.median(window, axis=1, keepdims=True)
    distance = np.abs(window - centre)
    kept = distance <= TRIM * 1.4826 * np.median(distance, axis=1, keepdims=True) + 1e-12
    return np.asarray(np.sum(window * kept, axis=1) / np.sum(kept, axis=1))


def best_windows(order: np.ndarray, values: np.ndarray, fitted: np.ndarray, group: np.ndarray) -> Windows:
    """The windows whose levels, each blind to its own row, make `fitted` rank the `values` best, all (N,).

    Ranks, because levels of a quantity with two modes lower its absolute errors by predicting something in between.
    """
    residual, known = np.log(values / fitted), np.ones(len(order), dtype=bool)
    rows = np.arange(len(order))
    found = [fitted * np.exp(levels(order, residual, group, known, w)[rows, group]) for w in CHOICES]
    return CHOICES[int(np.argmax([kendall(values, guess) for guess in found]))]


def typical_level(levels: np.ndarray) -> np.ndarray:
    """The spatial median of N rows of levels, (N, G) -> (G,): what a typical job adds to each width (Weiszfeld 1937).

    One point for all widths together, so that it belongs to jobs that happened and never mixes a fast job's level of
    one width with a slow one's of another.
    """
    centre = np.median(levels, axis=0)
    for _ in range(200):
        weight = 1 / np.maximum(np.linalg.norm(levels - centre, axis=1), 1e-9)
        moved = (levels * weight[:, None]).sum(axis=0) / weight.sum()
        if np.max(np.abs(moved - centre)) < 1e-9:
            break
        centre = moved
    return np.asarray(centre)

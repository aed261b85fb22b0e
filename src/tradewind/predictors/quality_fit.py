"""Fitting a layer model to perplexity or accuracy: what a layer is worth depends on where it stands.

The log of the value is a sum over layers. Profiles over positions are shared by the widths up to a factor and then
corrected for each width and depth, every correction shrunk by the evidence (`tradewind.predictors.shrinkage`): a few
hundred rows already fix the shared profile, thousands the rest. A bend of the sum follows diminishing returns.

Symbols: N rows, G groups (widths), D depths, L deepest, C contrasts, F features.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tradewind.predictors.jobs import NONE
from tradewind.predictors.layer_basis import ending, profile, separate, smooth
from tradewind.predictors.layer_fit import LayerFit
from tradewind.predictors.layer_grid import Codes, LayerGrid
from tradewind.predictors.layer_model import LayerModel
from tradewind.predictors.shrinkage import Block, Ridge, evidence_penalties

EVIDENT = 6.0
"""A bend is fitted where its coefficient is this many standard errors from zero."""

FLATTEST = 0.3
"""Least slope, relative to that of the middle, that a bent model may have anywhere in the grid."""


def fit_quality(codes: Codes, values: np.ndarray, folds: np.ndarray) -> LayerFit:
    """Fit N positive values (N,) that no job disturbed; `folds` (N,) are those of cross-validation. Deterministic."""
    grid, n_group = codes.grid, len(codes.grid.groups)
    rows = [np.flatnonzero(codes.group == g) for g in range(n_group)]
    logs = np.log(values)
    worth = _worth(codes, rows, logs)
    blocks = _blocks(codes, worth)
    start = np.array([logs[mine].mean() for mine in rows])
    spread = float(np.std(logs - start[codes.group]))
    target = (logs - start[codes.group]) / spread
    penalties = evidence_penalties(blocks, target)
    whole = np.ones(len(codes), dtype=bool)
    found, bend = _bent_fit(blocks, penalties, target, codes.group, whole, np.full(n_group, np.nan))
    unseen = np.empty(len(codes))
    for fold in np.unique(folds):
        out = folds == fold
        part, curve = _bent_fit(blocks, penalties, target, codes.group, ~out, bend)
        eta = sum(b.columns[out] @ c for b, c in zip(blocks, part, strict=True))
        unseen[out] = eta + curve[codes.group[out]] * eta**2
    coefficients, positions = _assembled(grid, found, worth)
    coefficients[:, 0] += start / spread
    model = LayerModel.of_coefficients(grid, "log", coefficients * spread, positions * spread)
    model = dataclasses.replace(model, bend=_monotone(model, bend / spread, start), centre=start)
    errors = target - unseen
    features = codes.features
    covariance = np.array([np.linalg.pinv(features[m].T @ features[m]) * np.var(errors[m]) * spread**2 for m in rows])
    predicted = np.exp(unseen * spread + start[codes.group])
    return LayerFit(model, predicted, np.zeros(len(codes)), NONE, covariance)


def _worth(codes: Codes, rows: list[np.ndarray], logs: np.ndarray) -> np.ndarray:
    """What each field's choices are worth in each group, (G, C), relative to the mean: scales of shared profiles."""
    n_contrast = len(codes.grid.contrasts)
    worth = np.empty((len(rows), n_contrast))
    names = [name for name, _ in codes.grid.contrasts]
    for g, mine in enumerate(rows):
        x = np.column_stack([np.ones(len(mine)), codes.contrast_counts[mine], codes.depth[mine], codes.flag[mine]])
        slopes = np.abs(np.linalg.lstsq(x, logs[mine], rcond=None)[0][1 : 1 + n_contrast])
        for name in set(names):
            same = [c for c, other in enumerate(names) if other == name]
            worth[g, same] = slopes[same].mean()
    return worth / worth.mean()


def _blocks(codes: Codes, worth: np.ndarray) -> list[Block]:
    """The design; `_assembled` reads its coefficients in the same order."""
    grid, group, depth = codes.grid, codes.group, codes.depth
    n_group, n_depth = len(grid.groups), len(grid.depths)
    first = n_depth + 1 + len(grid.contrasts)
    features = codes.features
    main = np.delete(features, n_depth + 1, axis=1)[:, :first]
    crossed = np.column_stack([features[:, n_depth + 1], features[:, first + 1 :]])
    hot = codes.one_hot * worth[group][:, None, :]
    layers = hot.reshape(len(codes), -1)
    waves, ends = profile(hot, depth, smooth(grid)), profile(hot, depth, ending(grid))
    return [
        Block(separate(main, group, n_group), shrunk=False),
        Block(separate(crossed, group, n_group)),
        Block(waves),
        Block(separate(waves, group, n_group)),
        Block(layers),
        Block(separate(layers, group, n_group)),
        Block(separate(ends, depth, n_depth)),
        Block(separate(layers, group * n_depth + depth, n_group * n_depth)),
    ]


def _assembled(grid: LayerGrid, found: list[np.ndarray], worth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (G, F) of `Codes.features` and positions (G, D, L, C) from those of the blocks."""
    g, d, deepest, c = len(grid.groups), len(grid.depths), max(grid.depths), len(grid.contrasts)
    main, crossed = found[0].reshape(g, -1), found[1].reshape(g, -1)
    features = np.column_stack([main[:, : d + 1], crossed[:, :1], main[:, d + 1 :], crossed[:, 1:]])
    waves = found[2].reshape(1, c, -1) + found[3].reshape(g, c, -1)
    layers = found[4].reshape(1, 1, deepest, c) + found[5].reshape(g, 1, deepest, c)
    positions = np.einsum("dlk,gck->gdlc", smooth(grid), waves) + layers
    positions = positions + np.einsum("dlk,dck->dlc", ending(grid), found[6].reshape(d, c, -1))
    positions = (positions + found[7].reshape(g, d, deepest, c)) * worth[:, None, None, :]
    for level, depth in enumerate(grid.depths):
        positions[:, level, depth:] = 0.0
    return features, positions


def _bent_fit(
    blocks: list[Block],
    penalties: np.ndarray,
    target: np.ndarray,
    group: np.ndarray,
    rows: np.ndarray,
    bend: np.ndarray,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Coefficients of each block fitted to some rows, and the bend of each group (0 where there is none).

    A NaN in `bend` asks whether the group is bent; 0 says it is not; any other number that it is.
    """
    part = [dataclasses.replace(block, columns=block.columns[rows]) for block in blocks]
    solver, values, mine = Ridge(part, penalties), target[rows], group[rows]
    curve = np.zeros(len(bend))
    found = solver.fit(values)
    asked = bend
    for _ in range(5):
        eta = np.asarray(sum(b.columns @ c for b, c in zip(part, found, strict=True)))
        for g in np.flatnonzero(asked != 0):
            inside = mine == g
            own = eta[inside]
            u = own / own.std()
            x = np.column_stack([np.ones(len(u)), u, u**2])
            left = values[inside] - own - curve[g] * own**2
            slope = np.linalg.lstsq(x, left, rcond=None)[0]
            error = np.sqrt(np.linalg.inv(x.T @ x)[2, 2] * np.var(left - x @ slope))
            if np.isnan(asked[g]) and abs(slope[2]) < EVIDENT * error:
                continue
            curve[g] += slope[2] / own.var()
        asked = curve
        if not np.any(curve):
            break
        found = solver.fit(values - curve[mine] * eta**2)
    return found, curve


def _monotone(model: LayerModel, bend: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The bend, weakened where the value would not rise with η over the whole grid: 1 + 2·bend·(η - centre)."""
    low, high = model.reaches()
    furthest = np.where(bend > 0, centre - low, high - centre)
    return np.sign(bend) * np.minimum(np.abs(bend), (1 - FLATTEST) / (2 * np.maximum(furthest, 1e-9)))

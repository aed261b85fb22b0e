"""Fitting a layer model to measured costs: robust least squares within each width, jointly with the jobs' drift.

A cost is a sum over layers (identity link). Backfitting (Breiman and Friedman 1985) alternates the architecture's own
cost, by Huber's robust least squares with pseudo-values (Huber 1981, section 7.8), with the drift of the profiling jobs
(`tradewind.predictors.jobs`), which multiplies and is left out of the model. What is left of it, the level of a typical
job, is part of the cost.

Symbols: N rows, G groups (widths), F features, n rows of a group.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tradewind.predictors import jobs
from tradewind.predictors.layer_basis import profile, smooth
from tradewind.predictors.layer_fit import LayerFit
from tradewind.predictors.layer_grid import Codes
from tradewind.predictors.layer_model import LayerModel
from tradewind.predictors.shrinkage import Block, Ridge, evidence_penalties

ROUNDS = 4
HUBER = 2.0
"""Residuals beyond this many robust standard deviations are pulled in."""

PULLS = 20
"""Rounds of pseudo-values, starting from ordinary least squares."""

WORTH = 0.01
"""Positions are kept where they lower the mean absolute error of unseen rows by this share."""


def fit_cost(codes: Codes, values: np.ndarray, order: np.ndarray, folds: np.ndarray, polled: bool = False) -> LayerFit:
    """Fit N positive values (N,), measured in the order `order` (N,); `folds` (N,) assigns rows to cross-validation.

    With `polled`, layers may count differently by position (a power meter read at one moment of a forward sees the
    layers that then run); the evidence, then cross-validation, decide whether they do. Deterministic.
    """
    grid, features = codes.grid, codes.features
    rows = [np.flatnonzero(codes.group == g) for g in range(len(grid.groups))]
    everything = np.ones(len(codes), dtype=bool)
    level, windows = np.zeros(len(codes)), jobs.USUAL
    fitted = _least_squares(features, rows, values)
    for turn in range(ROUNDS):
        residual = np.log(values / fitted)
        if turn == 1:
            windows = jobs.best_windows(order, values, fitted, codes.group)
        levels = jobs.levels(order, residual, codes.group, everything, windows)
        typical = jobs.typical_level(levels) if windows != jobs.NONE else np.zeros(len(rows))
        level = (levels - typical)[np.arange(len(codes)), codes.group]
        fitted = _least_squares(features, rows, values * np.exp(-level))
    steady = values * np.exp(-level)
    target = np.concatenate([_pulled_in(steady[mine], fitted[mine]) for mine in rows])
    target = target[np.argsort(np.concatenate(rows))]

    plain = [Block(features, shrunk=False)]
    choices = [plain]
    if polled:
        hot = codes.one_hot
        waves = profile(hot, codes.depth, smooth(grid))
        choices.append([*plain, Block(waves), Block(hot.reshape(len(codes), -1))])
    found = [_fit_groups(blocks, rows, target, folds) for blocks in choices]
    errors = [float(np.mean(np.abs(unseen / target - 1))) for _, unseen in found]
    best = 1 if polled and errors[1] < (1 - WORTH) * errors[0] else 0
    parts, unseen = found[best]
    positions = None
    if best:
        positions = np.zeros((len(rows), len(grid.depths), max(grid.depths), len(grid.contrasts)))
        for g, part in enumerate(parts):
            slow = np.einsum("dlk,ck->dlc", smooth(grid), part[1].reshape(len(grid.contrasts), -1))
            positions[g] = slow + part[2].reshape(max(grid.depths), len(grid.contrasts))
    model = LayerModel.of_coefficients(grid, "identity", np.array([part[0] for part in parts]), positions)
    covariance = np.array([np.linalg.inv(features[m].T @ features[m]) * np.var(target[m] - unseen[m]) for m in rows])
    return LayerFit(model, unseen, level, windows, covariance)


def _fit_groups(
    blocks: list[Block], rows: list[np.ndarray], target: np.ndarray, folds: np.ndarray
) -> tuple[list[list[np.ndarray]], np.ndarray]:
    """Coefficients of each group and block, and predictions (N,) of rows by fits blind to their fold."""
    unseen = np.empty(len(target))
    coefficients = []
    for mine in rows:
        size = float(np.mean(target[mine]))
        part = [dataclasses.replace(block, columns=block.columns[mine]) for block in blocks]
        values = target[mine] / size
        penalties = evidence_penalties(part, values)
        coefficients.append([size * c for c in Ridge(part, penalties).fit(values)])
        for fold in np.unique(folds[mine]):
            out = folds[mine] == fold
            rest = [dataclasses.replace(block, columns=block.columns[~out]) for block in part]
            solved = Ridge(rest, penalties).fit(values[~out])
            unseen[mine[out]] = size * sum(b.columns[out] @ c for b, c in zip(part, solved, strict=True))
    return coefficients, unseen


def _least_squares(features: np.ndarray, rows: list[np.ndarray], values: np.ndarray) -> np.ndarray:
    """Robust fitted values (N,), a regression a group; at least a thousandth of the group's median."""
    fitted = np.empty(len(values))
    for mine in rows:
        x, y = features[mine], values[mine]
        solver = np.linalg.pinv(x)
        guess = x @ (solver @ y)
        for _ in range(PULLS):
            guess = x @ (solver @ _pulled_in(y, guess))
        fitted[mine] = np.maximum(guess, np.median(y) / 1000)
    return fitted


def _pulled_in(values: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Huber's pseudo-values: the fit plus the residual, cut at HUBER robust standard deviations."""
    residual = values - fitted
    limit = HUBER * 1.4826 * float(np.median(np.abs(residual)))
    return fitted + np.clip(residual, -limit, limit)

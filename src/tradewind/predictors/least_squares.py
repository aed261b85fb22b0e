"""Non-negative relative least squares: prices of features from few measurements, with leave-one-out errors.

Errors are relative because a device's costs span orders of magnitude and a user cares about percent; coefficients are
non-negative because no work takes negative time (Lawson and Hanson 1974, ch. 23, through SciPy). A few rounds of Huber
weights (Huber 1964) keep a disturbed measurement from bending the rest. Features that do not lower the leave-one-out
error are left out.

Symbols: N measurements, F features; X is (N, F), y is (N,).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

HUBER = 2.0
"""Residuals beyond this many robust standard deviations lose weight."""


FOLDS = 32
"""Fits in which measurements are left out: one each up to this number, beyond it a group at a time."""

ROUNDS = 4
"""Times that weights are set anew from the residuals."""


@dataclasses.dataclass(frozen=True)
class Prior:
    """Coefficients of an earlier fit on a similar device, and how strongly they hold.

    `strength` is the number of measurements that the prior counts as. Only proportions are taken: one common factor is
    fitted to the new measurements first.
    """

    coefficients: Mapping[str, float]
    strength: float = 4.0


@dataclasses.dataclass(frozen=True)
class Fit:
    """Prices of the features kept, and the relative error of each measurement when it was left out of the fit."""

    coefficients: dict[str, float]
    left_out: np.ndarray

    def predict(self, columns: Mapping[str, np.ndarray | float]) -> np.ndarray:
        """Values for feature columns of shape (N,)."""
        return np.asarray(
            sum(price * np.asarray(columns[name], dtype=float) for name, price in self.coefficients.items())
        )


def fit(columns: Mapping[str, np.ndarray | float], values: np.ndarray, prior: Prior | None = None) -> Fit:
    """Fit prices to N measured values, choosing features by backward elimination on the leave-one-out error.

    Deterministic. `values` must be positive.

    >>> work = np.array([1.0, 2.0, 3.0, 5.0])
    >>> found = fit({"fixed": 1.0, "work": work}, 2.0 + 3.0 * work)
    >>> {name: round(price, 6) for name, price in found.coefficients.items()}
    {'fixed': 2.0, 'work': 3.0}
    """
    values = np.asarray(values, dtype=float)
    table = {name: np.broadcast_to(np.asarray(column, dtype=float), values.shape) for name, column in columns.items()}
    kept = [name for name, column in table.items() if np.any(column > 0)]
    kept = _independent(kept, table)
    errors = _leave_one_out(kept, table, values, prior)
    while len(kept) > 1:
        trials = [[name for name in kept if name != dropped] for dropped in kept]
        found = [_leave_one_out(trial, table, values, prior) for trial in trials]
        best = int(np.argmin([_score(e) for e in found]))
        if _score(found[best]) > _score(errors):
            break
        kept, errors = trials[best], found[best]
    prices = _solve(_matrix(kept, table), values, _prior_prices(kept, table, values, prior))
    return Fit({name: float(price) for name, price in zip(kept, prices, strict=True) if price > 0}, errors)


def _median(values: np.ndarray) -> float:
    """The median of a few numbers, without NumPy's care for axes and NaN, which takes most of a fit."""
    ordered = np.sort(values)
    return float(0.5 * (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]))


def _score(errors: np.ndarray) -> float:
    """Huber loss of relative errors: one disturbed measurement does not decide which features stay."""
    scale = max(1.4826 * _median(np.abs(errors)), 1e-12)
    z = np.abs(errors) / scale
    return float(scale**2 * np.mean(np.where(z <= HUBER, z**2, 2 * HUBER * z - HUBER**2)))


def _leave_one_out(
    names: Sequence[str], table: Mapping[str, np.ndarray], values: np.ndarray, prior: Prior | None
) -> np.ndarray:
    """Relative error of each measurement, predicted by a fit to the others (without its group, beyond `FOLDS`)."""
    matrix = _matrix(names, table)
    errors = np.empty(len(values))
    group = np.arange(len(values)) % FOLDS
    for fold in range(min(FOLDS, len(values))):
        out, rest = group == fold, group != fold
        part = {name: column[rest] for name, column in table.items()}
        prices = _solve(matrix[rest], values[rest], _prior_prices(names, part, values[rest], prior))
        errors[out] = matrix[out] @ prices / values[out] - 1
    return errors


def _solve(matrix: np.ndarray, values: np.ndarray, anchor: tuple[np.ndarray, float] | None) -> np.ndarray:
    """Non-negative prices that minimise the Huber loss of relative errors, shape (F,)."""
    from scipy.optimize import nnls

    relative = matrix / values[:, None]
    scale = np.linalg.norm(relative, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    weights = np.ones(len(values))
    prices = np.zeros(matrix.shape[1])
    for _ in range(ROUNDS):
        rows, target = relative / scale * weights[:, None], weights
        if anchor is not None:
            expected, strength = anchor
            pull = np.sqrt(strength) * np.diag(1.0 / np.where(expected > 0, expected, np.inf))
            rows = np.vstack([rows, pull / scale])
            target = np.concatenate([weights, np.where(expected > 0, np.sqrt(strength), 0.0)])
        prices = nnls(rows, target, maxiter=50 * len(scale))[0] / scale
        errors = np.abs(relative @ prices - 1)
        spread = max(1.4826 * _median(errors), 1e-9)
        weights = np.sqrt(np.minimum(1.0, HUBER * spread / np.maximum(errors, 1e-12)))
    return prices


def _prior_prices(
    names: Sequence[str], table: Mapping[str, np.ndarray], values: np.ndarray, prior: Prior | None
) -> tuple[np.ndarray, float] | None:
    """The prior's prices, scaled by one factor to the measurements, and their weight a feature."""
    if prior is None:
        return None
    prices = np.array([prior.coefficients.get(name, 0.0) for name in names])
    expected = _matrix(names, table) @ prices
    if not np.any(prices > 0) or np.any(expected <= 0):
        return None
    return prices * float(np.median(values / expected)), prior.strength / max(1, int(np.sum(prices > 0)))


def _matrix(names: Sequence[str], table: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.column_stack([table[name] for name in names])


def _independent(names: Sequence[str], table: Mapping[str, np.ndarray]) -> list[str]:
    """The features that are not proportional to one before them (with one depth, `layers` is the fixed part)."""
    kept: list[str] = []
    for name in names:
        unit = table[name] / np.linalg.norm(table[name])
        if all(unit @ (table[other] / np.linalg.norm(table[other])) < 1 - 1e-12 for other in kept):
            kept.append(name)
    return kept

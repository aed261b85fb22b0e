"""CostModel: what a device charges for each kind of work, fitted to a few dozen measured architectures.

The model is a sum of physical features (`tradewind.predictors.features`) times non-negative prices, so it is additive
over layers, can be read ("where do the milliseconds go"), extrapolates, and can be searched exactly. Intervals are
conformal: the band that covered the measurements when each was left out (Vovk et al. 2005; leave-one-out as in Barber
et al. 2021, arXiv 1905.02928, without their refitted centre).

Symbols: N architectures, n measurements.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tradewind.core import (
    QUANTITIES,
    Architecture,
    ArchitectureBatch,
    FileFormatError,
    Measurement,
    UsageError,
    Workload,
)
from tradewind.costs.layerwise import OfTotals
from tradewind.predictors.features import features
from tradewind.predictors.least_squares import Prior, fit

FEWEST = 3
"""Measurements without which no price can be told from another."""


@dataclasses.dataclass(frozen=True)
class CostModel:
    """Prices of one quantity on one device at one workload.

    `prices` are in the quantity's unit per unit of each feature; `errors` are the n relative errors of the measurements
    when each was left out of the fit.
    """

    quantity: str
    workload: Workload
    prices: Mapping[str, float]
    errors: tuple[float, ...]

    def predict(self, archs: Architecture | Sequence[Architecture]) -> np.ndarray:
        """Expected values, shape (N,), in the quantity's unit."""
        return np.asarray(sum(self.breakdown(archs).values()))

    def breakdown(self, archs: Architecture | Sequence[Architecture]) -> dict[str, np.ndarray]:
        """What each feature costs, each (N,); they sum to `predict`."""
        batch = ArchitectureBatch.of([archs] if isinstance(archs, Architecture) else archs)
        named = features(self.quantity, batch, self.workload)
        return {name: price * np.broadcast_to(named[name], (len(batch),)) for name, price in self.prices.items()}

    def half_width(self, level: float = 0.9) -> float:
        """Relative half-width of the interval that covers a new measurement with probability `level`.

        Infinite where n is too small for the level (n < level / (1 - level)).
        """
        rank = math.ceil(level * (len(self.errors) + 1))
        return float(np.sort(np.abs(self.errors))[rank - 1]) if rank <= len(self.errors) else math.inf

    def measure(self, archs: Sequence[Architecture], device: str) -> list[Measurement]:
        """Predictions as measurements: marked as predicted, with the spread of one standard deviation."""
        spread = 1.4826 * float(np.median(np.abs(self.errors)))
        facts: dict[str, Any] = {"method": "additive model", "device": device, "predicted": True}
        details: dict[str, Any] = {"n_measured": len(self.errors), **self.workload.to_dict()}
        if math.isfinite(width := self.half_width()):
            details["relative_half_width_90"] = width
        unit = QUANTITIES[self.quantity].unit
        return [
            Measurement.of(value, unit, spread=spread * value, n=len(self.errors), details=details, **facts)
            for value in self.predict(archs).tolist()
        ]

    def layerwise(self, name: str = "") -> OfTotals:
        """The model taken apart into layers, for an exact search; its terms are totals, not the objective's."""
        return OfTotals(self.predict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the inverse of `from_dict`."""
        data = dataclasses.asdict(self)
        return data | {"workload": self.workload.to_dict(), "errors": list(self.errors)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> CostModel:
        """The model of a dictionary written by `to_dict`; raises `FileFormatError`."""
        try:
            prices = {str(name): float(price) for name, price in data["prices"].items()}
            errors = tuple(float(error) for error in data["errors"])
            return CostModel(data["quantity"], Workload(**data["workload"]), prices, errors)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise FileFormatError(f"not a cost model: {error}") from error


def fit_cost_model(
    quantity: str,
    archs: Sequence[Architecture],
    values: Sequence[float] | np.ndarray,
    workload: Workload,
    prior: CostModel | None = None,
) -> CostModel:
    """Fit a model to n measured architectures; deterministic.

    `prior` is a model of a similar device: its proportions count like a few measurements. Raises `UsageError` for fewer
    than three measurements or for values that are not positive.

    >>> from tradewind import spaces
    >>> batch = spaces.get("gpt2").sample_many(12, seed=0)
    >>> prices = {"fixed": 2.0, "attention matrices": 2e-8, "feed-forward matrices": 1e-8}
    >>> truth = CostModel("latency_ms", Workload(), prices, ())
    >>> fitted = fit_cost_model("latency_ms", batch, truth.predict(batch), Workload())
    >>> new = spaces.get("gpt2").sample_many(100, seed=1)
    >>> bool(np.abs(fitted.predict(new) / truth.predict(new) - 1).max() < 1e-3)
    True
    """
    found = np.asarray(values, dtype=float)
    if len(found) < FEWEST:
        raise UsageError(f"{len(found)} measurements of {quantity} cannot fix a cost model; measure at least {FEWEST}")
    if not np.all(np.isfinite(found) & (found > 0)):
        raise UsageError(f"{quantity} must be positive to be modelled; the smallest value is {found.min()}")
    columns = features(quantity, ArchitectureBatch.of(archs), workload)
    result = fit(columns, found, Prior(prior.prices) if prior else None)
    return CostModel(quantity, workload, result.coefficients, tuple(result.left_out.tolist()))

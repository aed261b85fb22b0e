"""Prediction: a distribution for each of N architectures, the noise of measuring kept apart from what is not known.

Noise has the shape that the data had: tabulated quantiles of the log errors of rows that a fit had not seen, a width
at a time (cross-conformal prediction, Vovk 2015), so an interval of nominal level p covers about p of unseen
architectures without the assumption of a normal distribution. The prediction's own standard deviation, its `doubt`, is
small among the measured architectures and grows towards the corners; what it has there in `excess` of the usual widens
the quantiles as an independent error would:

    log quantile(p) = log mean + q(½) + sign(p - ½) · sqrt((q(p) - q(½))² + (Φ⁻¹(p) · excess)²)

Symbols: N architectures, G groups (widths), Q tabulated levels, n draws.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from tradewind.core import FileFormatError, UsageError, unknown
from tradewind.core.seeds import generator
from tradewind.predictors.layer_model import significant

Noise = Literal["none", "median", "observation"]
"""What is predicted: the architecture's own value, the median that a profiling job would report, or one observation."""

KINDS: tuple[Noise, ...] = ("none", "median", "observation")

LEVELS = np.array(
    (
        *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5),
        *(0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 0.995),
    )
)
"""Levels of the tabulated quantiles; between them quantiles are interpolated, beyond them they stay."""

_NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS.tolist()])
_MIDDLE = int(np.flatnonzero(LEVELS == 0.5)[0])

SMALL_GROUP = 400
"""Rows below which a group takes the shape of its errors from all groups together, and only their scale from itself."""


@dataclasses.dataclass(frozen=True, eq=False)
class ErrorTable:
    """Quantiles (G, Q) of log errors of unseen rows, a row a group."""

    quantiles: np.ndarray

    @classmethod
    def of_errors(cls, errors: np.ndarray, group: np.ndarray, n_group: int) -> ErrorTable:
        """From log errors (N, R), NaN for none, of rows of some group (N,).

        The plotting position i / (n + 1) is the conformal correction for a finite sample.

        >>> table = ErrorTable.of_errors(np.linspace(-1, 1, 999)[:, None], np.zeros(999, int), 1)
        >>> float(table.quantiles[0][LEVELS == 0.95].round(2)[0])
        0.9
        """

        def of(values: np.ndarray) -> np.ndarray:
            return np.asarray(np.nanquantile(values, LEVELS, method="weibull"))

        parts = [errors[group == g] for g in range(n_group)]
        if min(len(part) for part in parts) >= SMALL_GROUP:
            return cls(np.array([of(part) for part in parts]))
        scales = [1.4826 * float(np.nanmedian(np.abs(part))) for part in parts]
        shape = of(np.concatenate([part / scale for part, scale in zip(parts, scales, strict=True)]))
        return cls(np.array([scale * shape for scale in scales]))

    @cached_property
    def spread(self) -> np.ndarray:
        """Standard deviation of each group's distribution: linear between the quantiles, atoms at both ends, (G,)."""
        low, high, width = self.quantiles[:, :-1], self.quantiles[:, 1:], np.diff(LEVELS)
        ends, atoms = np.array([LEVELS[0], 1 - LEVELS[-1]]), self.quantiles[:, [0, -1]]
        mean = (low + high) / 2 @ width + atoms @ ends
        square = (low**2 + low * high + high**2) / 3 @ width + atoms**2 @ ends
        return np.sqrt(np.maximum(square - mean**2, 0.0))

    def to_plain(self) -> Any:
        """Nested lists, rounded to 4 significant digits; the inverse of `of_plain`."""
        return significant(self.quantiles, 4)

    @staticmethod
    def of_plain(data: Any, n_group: int) -> ErrorTable:
        """The table of nested lists; raises `FileFormatError`."""
        try:
            return ErrorTable(np.array(data, dtype=float).reshape(n_group, len(LEVELS)))
        except (TypeError, ValueError) as error:
            raise FileFormatError(f"not the quantiles of a predictor's errors: {error}") from error


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """N predictions: `mean`, `doubt`, `excess` (relative), `group` are (N,); `noise` maps a kind to its table.

    `mean` is the architecture's own value, which the medians of typical jobs scatter around.

    >>> table = ErrorTable.of_errors(np.linspace(-1, 1, 9999)[:, None], np.zeros(9999, int), 1)
    >>> zero = np.zeros(1)
    >>> one = Prediction(zero + 10, zero, zero, zero.astype(int), {"median": table, "observation": table})
    >>> [float(np.log(end / 10).round(2)[0]) for end in one.interval(0.9)]
    [-0.9, 0.9]
    """

    mean: np.ndarray
    doubt: np.ndarray
    excess: np.ndarray
    group: np.ndarray
    noise: Mapping[str, ErrorTable]

    def __len__(self) -> int:
        return len(self.mean)

    def std(self, noise: Noise = "median") -> np.ndarray:
        """Standard deviation, (N,), in the quantity's unit (to first order where errors are large)."""
        if _checked(noise) == "none":
            return self.mean * self.doubt
        return self.mean * np.hypot(self.noise[noise].spread[self.group], self.excess)

    def quantile(self, level: float, noise: Noise = "median") -> np.ndarray:
        """The quantile of a level between 0 and 1, (N,)."""
        if not 0 < level < 1:
            raise UsageError(f"the level of a quantile lies between 0 and 1; got {level}")
        normal = NormalDist().inv_cdf(level)
        if _checked(noise) == "none":
            return self.mean * np.exp(normal * self.doubt)
        error = np.array([np.interp(level, LEVELS, table) for table in self.noise[noise].quantiles])
        return self._widened(error[self.group], np.asarray(normal), noise)

    def interval(self, level: float = 0.9, noise: Noise = "median") -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends, each (N,), with equal probability on either side."""
        if not 0 < level < 1:
            raise UsageError(f"the level of an interval lies between 0 and 1; got {level}")
        return self.quantile((1 - level) / 2, noise), self.quantile((1 + level) / 2, noise)

    def draws(self, n: int, seed: int, noise: Noise = "observation") -> np.ndarray:
        """`n` independent values of each architecture, (n, N), a pure function of `seed`."""
        return self.at_levels(generator(seed, "prediction", _checked(noise)).random((n, len(self))), noise)

    def at_levels(self, levels: np.ndarray, noise: Noise = "observation") -> np.ndarray:
        """Quantiles at levels of its own for each architecture, (..., N) -> (..., N); uniform levels make draws."""
        normal = np.interp(levels, LEVELS, _NORMAL)
        if _checked(noise) == "none":
            return self.mean * np.exp(normal * self.doubt)
        error = np.empty_like(levels)
        for g, table in enumerate(self.noise[noise].quantiles):
            mine = self.group == g
            error[..., mine] = np.interp(levels[..., mine], LEVELS, table)
        return self._widened(error, normal, noise)

    def _widened(self, error: np.ndarray, normal: np.ndarray, noise: str) -> np.ndarray:
        middle = self.noise[noise].quantiles[self.group, _MIDDLE]
        away = error - middle
        return self.mean * np.exp(middle + np.sign(normal) * np.hypot(away, normal * self.excess))


def _checked(noise: str) -> str:
    if noise not in KINDS:
        raise unknown("noise", noise, KINDS)
    return noise

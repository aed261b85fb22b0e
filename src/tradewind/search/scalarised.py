"""LSBO and RSBO: Bayesian optimisation of one number made of all objectives, another one for each proposal.

Sources: the linear and the random scalarisation of HW-GPT-Bench's comparison (Sukthanker et al. 2024, arXiv
2405.10299); the augmented Chebyshev function with new random weights for each proposal is that of ParEGO (Knowles 2006,
IEEE TEC 10(1); random scalarisations: Paria, Kandasamy and Póczos 2020, arXiv 1805.12168). The objectives keep a
process each, so that all measurements serve all weights; the improvement of the sum has a closed form, that of the
Chebyshev function is a mean over draws.

Symbols: P pool members, F front members, S draws, M objectives, all minimised.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tradewind.search.bayesian import Bayesian, BayesianSettings
from tradewind.search.settings import setting
from tradewind.search.surrogate import Posterior

DRAWS = 64
"""Draws of each pool member's values."""

AUGMENTED = 0.05
"""Share of the sum in the augmented Chebyshev function (Knowles 2006)."""


@dataclasses.dataclass(frozen=True)
class LSBOSettings(BayesianSettings):
    """Settings of `LSBO`."""

    vary: bool = setting(True, "weights are random, new for each proposal; else all objectives weigh the same")


class LSBO(Bayesian):
    """Bayesian optimisation of a weighted sum, by expected improvement.

    Raises `UsageError` where BoTorch is not installed. Equal weights, as published, look for one network only.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import Problem, parse_objectives
    >>> problem = Problem(spaces.get("gpt2"), parse_objectives("params,flops"), 0, lambda c: np.ones(len(c), bool))
    >>> len(LSBO(problem).ask(20))
    20
    """

    settings_type = LSBOSettings
    settings: LSBOSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "hwgpt": {"initial": 5, "round": 1, "corners": False, "vary": False},
    }

    def worth(self, pool: Posterior, front: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The expected improvement of each member's weighted sum over the best of the front."""
        from scipy.special import ndtr

        count = front.shape[1]
        weights = rng.dirichlet(np.ones(count)) if self.settings.vary else np.full(count, 1.0 / count)
        deviation = np.sqrt((pool.deviation**2) @ weights**2)
        gap = (front @ weights).min() - pool.mean @ weights
        scaled = gap / deviation
        return np.asarray(gap * ndtr(scaled) + deviation * np.exp(-0.5 * scaled**2) / np.sqrt(2 * np.pi))


class RSBO(Bayesian):
    """Bayesian optimisation of a random augmented Chebyshev function for each proposal (ParEGO).

    Raises `UsageError` where BoTorch is not installed.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import Problem, parse_objectives
    >>> problem = Problem(spaces.get("gpt2"), parse_objectives("params,flops"), 0, lambda c: np.ones(len(c), bool))
    >>> len(RSBO(problem).ask(20))
    20
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"hwgpt": {"initial": 5, "round": 1, "corners": False}}

    def worth(self, pool: Posterior, front: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The expected improvement of each member's Chebyshev function over the best of the front."""
        weights = rng.dirichlet(np.ones(front.shape[1]))
        draws = pool.mean + pool.deviation * rng.normal(size=(DRAWS, 1, front.shape[1]))
        best = chebyshev(front, weights).min()
        return np.asarray(np.maximum(best - chebyshev(draws, weights), 0.0).mean(axis=0))


def chebyshev(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The augmented Chebyshev function of points (..., M), 0 being the ideal.

    >>> float(chebyshev(np.array([1.0, 2.0]), np.array([0.5, 0.5])))
    1.075
    """
    weighted = points * weights
    return np.asarray(weighted.max(axis=-1) + AUGMENTED * weighted.sum(axis=-1))

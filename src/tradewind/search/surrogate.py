"""Gaussian processes over encoded candidates, one for each objective, by BoTorch (loaded when first used).

Source: Balandat et al. 2020, arXiv 1910.06403 (BoTorch), with its default kernel: squared-exponential, a length for
each entry, under the dimension-scaled priors of Hvarfner, Hellsten and Nardi 2024 (arXiv 2402.02229).

Symbols: N measurements, P pool members, D entries, M objectives.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tradewind.core import UsageError

SUBSET = 70
"""Measurements, evenly spread over their order, that hyperparameters are learnt from; all count for predictions."""

STEPS = 30
"""Most steps of the optimiser of the hyperparameters."""


def require_botorch(name: str) -> None:
    """Raise `UsageError` where BoTorch is not installed."""
    if importlib.util.find_spec("botorch") is None:
        raise UsageError(
            f"{name} needs BoTorch, which is not installed: pip install 'tradewind[bo]', or use an algorithm without "
            "it, e.g. additive or local-search"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Posterior:
    """Joint normal distributions of P values for each objective: `mean` (P, M) and `covariance` (M, P, P)."""

    mean: np.ndarray
    covariance: np.ndarray

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviations, (P, M)."""
        return np.sqrt(np.maximum(np.diagonal(self.covariance, axis1=1, axis2=2).T, 1e-18))

    def given_mean(self, index: int) -> Posterior:
        """The posterior after member `index` was found to have just its mean: its own uncertainty is gone."""
        column = self.covariance[:, :, index]
        variance = np.maximum(column[:, index], 1e-18)
        change = column[:, :, None] * column[:, None, :] / variance[:, None, None]
        return Posterior(self.mean, self.covariance - change)


def learn(inputs: np.ndarray, targets: np.ndarray) -> list[Mapping[str, Any]]:
    """Hyperparameters of each objective from inputs (N, D) and standardised targets (N, M)."""
    from botorch.exceptions.errors import ModelFittingError
    from botorch.fit import fit_gpytorch_mll
    from gpytorch.mlls import ExactMarginalLogLikelihood

    chosen = np.unique(np.linspace(0, len(inputs) - 1, min(SUBSET, len(inputs))).round().astype(int))
    found = []
    for column in targets.T:
        model = _model(inputs[chosen], column[chosen])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
                # A second attempt would draw from torch's global generator.
                fit_gpytorch_mll(likelihood, max_attempts=1, optimizer_kwargs={"options": {"maxiter": STEPS}})
            except ModelFittingError:
                model = _model(inputs[chosen], column[chosen])
        found.append(model.state_dict())
    return found


def posterior(
    states: Sequence[Mapping[str, Any]], inputs: np.ndarray, targets: np.ndarray, at: np.ndarray
) -> Posterior:
    """What hyperparameters and all measurements say about P members (P, D), without the noise of measuring them."""
    import torch

    means, covariances = [], []
    for state, column in zip(states, targets.T, strict=True):
        model = _model(inputs, column)
        model.load_state_dict(state)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = model.posterior(torch.from_numpy(at)).distribution
            means.append(found.mean.numpy())
            covariances.append(found.covariance_matrix.numpy())
    return Posterior(np.stack(means, axis=1), np.stack(covariances))


def _model(inputs: np.ndarray, column: np.ndarray) -> Any:
    import torch
    from botorch.models import SingleTaskGP

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SingleTaskGP(
            torch.from_numpy(inputs), torch.from_numpy(np.ascontiguousarray(column[:, None])), outcome_transform=None
        )

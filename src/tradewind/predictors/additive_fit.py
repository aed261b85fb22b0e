"""A Gaussian process over architectures that is additive over layers, fitted to few and noisy measurements.

    η(row, depth, layers) = level(row, depth) + Σ_i slope(row, choice_i) + Σ_i profile(row, choice_i, place_i)

Each part is Gaussian with a variance of its own, shared between rows or smooth over them; the variances are those of
greatest marginal likelihood (variance components; Rasmussen and Williams 2006, 5.4.1; additive kernels: Duvenaud,
Nickisch and Rasmussen 2011). Since the features are finite, the posterior mean and draws of the posterior (Matheron's
rule, Wilson et al. 2020, arXiv 2002.09309) are functions that can be read layer by layer, and so searched layer by
layer. Outliers are weighed down: the noise is Student's t, as a scale mixture fitted by EM.

Symbols: N measurements, R rows, D depths, Q contrasts, B place functions, V variances.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

import numpy as np

from tradewind.predictors.additive_features import LayerFeatures, Written
from tradewind.predictors.additive_parts import parts_of

LINKS = ("identity", "relative", "log")
"""The value itself with noise of one size, the same with noise in proportion to the value, or its logarithm."""

FREEDOM = 4.0
"""Degrees of freedom of the noise."""

CONSTANT = 10.0
"""Prior variance of the mean level, in variances of the data: as good as unknown."""

SUBSET = 120
"""Measurements, evenly spread over their order, from which variances are learnt; all count for everything else."""

JITTER = 1e-8
"""Noise that there always is, in variances of the data."""

USUAL = (0.3, 0.002, 0.0001)
"""Variances to be expected of what one gene does, two do together and three do, in variances of the data.

Much less of the latter: where noise hides them, a sum of many small ones would pass noise on.
"""

WIDE = 1.5
"""Standard deviation of the logarithm of a variance."""


@dataclasses.dataclass(frozen=True, eq=False)
class LayerSum:
    """A function of architectures: `level` (R, D), `slopes` (R, Q), `profiles` (R, B, Q)."""

    features: LayerFeatures
    link: str
    level: np.ndarray
    slopes: np.ndarray
    profiles: np.ndarray

    def linear(self, at: Written) -> np.ndarray:
        """η of N members, (N,)."""
        row = at.row
        total = self.level[row, at.depth] + np.einsum("nq,nq->n", at.sums, self.slopes[row])
        return np.asarray(total + np.einsum("nbq,nbq->n", at.placed, self.profiles[row]))

    def parts(self, row: int, n_layer: int) -> tuple[float, np.ndarray]:
        """What a row and depth give alone, and what each layer adds with each code, (L, K)."""
        base = self.level[row, self.features.depth(n_layer)]
        weights = self.slopes[row] + self.features.places(n_layer) @ self.profiles[row]
        return float(base), weights @ self.features.contrasts.T

    def value(self, eta: np.ndarray) -> np.ndarray:
        """Values in the unit of the measurements."""
        return np.exp(np.minimum(eta, 700.0)) if self.link == "log" else eta


class Gram:
    """The covariances of N written members under each part of the model, (V, N, N): shared by all quantities."""

    def __init__(self, features: LayerFeatures, at: Written) -> None:
        self.features, self.at = features, at
        self.parts = parts_of(features)
        self.blocks = np.array([part.covariance(at) for part in self.parts])
        self.usual = np.array([USUAL[part.order - 1] for part in self.parts])

    @cached_property
    def sizes(self) -> np.ndarray:
        """The mean variance that each part would give the members, (V,); infinite for one that says nothing here."""
        sizes = np.trace(self.blocks, axis1=1, axis2=2) / len(self.at)
        return np.where(sizes > 1e-9, sizes, np.inf)

    def empty(self) -> dict[str, np.ndarray]:
        """Zeros for the arrays of a `LayerSum`."""
        n_row, n_contrast = len(self.features.outer), self.at.sums.shape[1]
        shape = (n_row, self.at.placed.shape[1], n_contrast)
        return {
            "level": np.zeros((n_row, len(self.features.depths))),
            "slopes": np.zeros((n_row, n_contrast)),
            "profiles": np.zeros(shape),
        }

    def total(self, variances: np.ndarray, constant: float) -> np.ndarray:
        """The covariance without noise, (N, N)."""
        n = len(self.at)
        return np.asarray((variances @ self.blocks.reshape(len(variances), -1)).reshape(n, n) + constant)


@dataclasses.dataclass(frozen=True, eq=False)
class AdditivePrior:
    """What holds before a measurement counts: the `variances` (V,) of the parts and of the `constant`, and the `noise`.

    All in η². With the link "relative" the noise is that of a value as large as `pivot`.
    """

    link: str
    variances: np.ndarray
    constant: float
    noise: float
    pivot: float

    def given(self, gram: Gram, values: np.ndarray) -> AdditiveFit:
        """The posterior given N values, the noise of each weighed by how far it is off."""
        eta = np.log(values) if self.link == "log" else np.asarray(values, dtype=float)
        centre = float(eta.mean())
        usual = self.noise * ((values / self.pivot) ** 2 if self.link == "relative" else np.ones(len(values)))
        covariance, noise, score = gram.total(self.variances, self.constant), usual, 0.0
        for _ in range(3):
            missed, variance = _left_out(covariance, noise, eta - centre)
            expected = np.maximum(variance - noise, 0.0) + usual
            score = float(_log_t(missed, expected).sum())
            noise = usual * (FREEDOM + missed**2 / expected) / (FREEDOM + 1)
        score -= float(eta.sum()) if self.link == "log" else 0.0
        return AdditiveFit(self, gram, centre, noise, eta - centre, score)


@dataclasses.dataclass(frozen=True, eq=False)
class AdditiveFit:
    """The posterior given N measurements of one quantity: `targets` are η less its `centre`, `noise` (N,) in η².

    `score` is the log density of each measurement given the others, summed.
    """

    prior: AdditivePrior
    gram: Gram
    centre: float
    noise: np.ndarray
    targets: np.ndarray
    score: float

    @cached_property
    def _factor(self) -> Any:
        from scipy.linalg import cho_factor

        covariance = self.gram.total(self.prior.variances, self.prior.constant)
        return cho_factor(covariance + np.diag(self.noise), lower=True, check_finite=False)

    def mean(self) -> LayerSum:
        """The posterior mean."""
        return self._given(self.targets, None)

    def draw(self, rng: np.random.Generator) -> LayerSum:
        """One function drawn from the posterior."""
        prior = self._prior(rng)
        shortfall = self.targets - prior.linear(self.gram.at) - rng.normal(size=len(self.noise)) * np.sqrt(self.noise)
        return self._given(shortfall, dataclasses.replace(prior, level=prior.level + self.centre))

    def _given(self, targets: np.ndarray, prior: LayerSum | None) -> LayerSum:
        """The prior function (or none) plus what explains `targets` in the mean, in the unit of η."""
        from scipy.linalg import cho_solve

        gram, at = self.gram, self.gram.at
        alpha = cho_solve(self._factor, targets)
        found = gram.empty()
        found["level"] += self.prior.constant * alpha.sum()
        for weight, part in zip(self.prior.variances, gram.parts, strict=True):
            part.put(found, weight * part.explained(at, alpha))
        level, slopes, profiles = found["level"], found["slopes"], found["profiles"]
        if prior is not None:
            level, slopes, profiles = level + prior.level, slopes + prior.slopes, profiles + prior.profiles
        else:
            level = level + self.centre
        return LayerSum(gram.features, self.prior.link, level, slopes, profiles)

    def _prior(self, rng: np.random.Generator) -> LayerSum:
        """A function drawn from the prior."""
        found = self.gram.empty()
        found["level"] += np.sqrt(self.prior.constant) * rng.normal()
        places = self.gram.at.placed.shape[1]
        for weight, part in zip(np.sqrt(self.prior.variances), self.gram.parts, strict=True):
            part.put(found, weight * part.drawn(rng, places))
        return LayerSum(self.gram.features, self.prior.link, found["level"], found["slopes"], found["profiles"])


def fit_additive(gram: Gram, values: np.ndarray) -> AdditiveFit:
    """The fit of N values with the link that foretells each best from the others; no logarithm of values below zero."""
    positive = bool((values > 0).all())
    links = LINKS if positive else LINKS[:1]
    return max((learn_prior(gram, values, link).given(gram, values) for link in links), key=lambda fit: fit.score)


def learn_prior(gram: Gram, values: np.ndarray, link: str) -> AdditivePrior:
    """The variances and the noise of greatest posterior density, under wide log-normal priors.

    Learnt from at most `SUBSET` measurements. What is far off after a first round counts less in a second one.
    """
    eta = np.log(values) if link == "log" else np.asarray(values, dtype=float)
    scale = float(eta.std())
    scale = scale if scale > 1e-12 * max(float(np.abs(eta).max()), 1e-300) else max(float(np.abs(eta).max()), 1.0)
    pivot = float(np.abs(values).mean()) or 1.0
    relative = (values / pivot) ** 2 if link == "relative" else np.ones(len(values))
    n = len(values)
    chosen = np.arange(n) if n <= SUBSET else np.unique(np.linspace(0, n - 1, SUBSET).round().astype(int))
    blocks = gram.blocks[:, chosen][:, :, chosen] / gram.sizes[:, None, None]
    targets, usual = (eta[chosen] - eta.mean()) / scale, relative[chosen]
    spread = usual
    for turn in range(2):
        variances, noise = _most_probable(blocks, gram.usual, targets, spread)
        if turn == 0:
            covariance = (variances @ blocks.reshape(len(blocks), -1)).reshape(len(chosen), -1) + CONSTANT
            missed, variance = _left_out(covariance, noise * spread + JITTER, targets)
            expected = np.maximum(variance - noise * spread, 0.0) + noise * usual
            spread = usual * (FREEDOM + missed**2 / expected) / (FREEDOM + 1)
    return AdditivePrior(
        link, scale**2 * variances / gram.sizes, scale**2 * CONSTANT, scale**2 * (noise + JITTER), pivot
    )


def _left_out(covariance: np.ndarray, noise: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how much each target is missed from the others, and the variance of that, each (N,)."""
    from scipy.linalg import cho_factor, cho_solve

    factor = cho_factor(covariance + np.diag(noise), lower=True, check_finite=False)
    inverse = cho_solve(factor, np.eye(len(targets)))
    variance = 1.0 / np.diag(inverse)
    return (inverse @ targets) * variance, variance


def _log_t(missed: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Log density of Student's t, up to a constant that is the same everywhere."""
    return np.asarray(-0.5 * np.log(variance) - 0.5 * (FREEDOM + 1) * np.log1p(missed**2 / variance / FREEDOM))


def _most_probable(
    blocks: np.ndarray, expected: np.ndarray, targets: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, float]:
    """The variances (V,) and the noise for parts of unit size (V, N, N), targets (N,) and their relative noise (N,)."""
    from scipy.linalg import cho_factor, cho_solve
    from scipy.optimize import minimize

    n, count = len(targets), len(blocks)
    flat, eye = blocks.reshape(count, -1), np.eye(n)
    start = np.log(np.r_[expected, 1e-3])

    tight = np.r_[np.full(count, 1.0 / WIDE**2), 1.0 / 16]

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        each = np.exp(theta)
        total = (each[:count] @ flat).reshape(n, n) + CONSTANT
        total[np.diag_indices(n)] += each[count] * spread + JITTER
        factor = cho_factor(total, lower=True, check_finite=False)
        inverse = cho_solve(factor, eye)
        alpha = inverse @ targets
        outer = np.outer(alpha, alpha) - inverse
        slope = 0.5 * each * np.r_[flat @ outer.ravel(), np.diag(outer) @ spread]
        density = -0.5 * targets @ alpha - np.log(np.diag(factor[0])).sum() - (tight * (theta - start) ** 2).sum() / 2
        return -float(density), -(slope - tight * (theta - start))

    bounds = [(-16.0, 4.0)] * count + [(-14.0, 2.0)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 30})
    each = np.exp(found.x)
    return each[:count], float(each[count])

"""QualityModel: perplexity, or any positive quantity of a network, learnt from a few dozen values.

The counterpart of `tradewind.predictors.cost_model` for what has no physical model. The logarithm of the quantity is a
linear function of the features of `quality_basis`: coordinates of the whole network, of its layers, of the layers'
positions, and products of these. Every block of features has its own prior variance, set by the evidence and held by
what is usual (`tradewind.predictors.shrinkage`), so that two dozen values fix the main effects and more of them reveal
the finer ones. Huber's weights (1964) keep single wild values from bending the rest.

With what holds for the whole network fixed, the logarithm is a sum over layers, so the frontier of fitted models can be
computed exactly (`tradewind.pareto.exact`).

Symbols: N architectures, n values, Q products of coordinates of the network, J functions of a layer, P weights of a
position, K options of a layer, S partial networks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tradewind.core import Architecture, ArchitectureBatch, UsageError
from tradewind.core.layerwise import LayerTerm
from tradewind.predictors.quality_basis import ENDS, WAVES, Basis
from tradewind.predictors.shrinkage import Block, Ridge, evidence_penalties

FEWEST = 4
"""Values without which there is nothing to learn from."""
HUBER = 2.5
"""Residuals beyond this many robust standard deviations lose weight."""
ROUNDS = 4
"""Times that weights are set anew from the residuals."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One block of features: products of coordinates of the network (none, single, paired) with sums over layers.

    `layer` says which functions of a layer take part (none: the part belongs to the whole network), `weights` the
    range of weights of its position. `usual` is the variance that is usual for a coefficient where the logarithms of
    all values have a standard deviation of 1; None: it is free.
    """

    network: str
    layer: str = ""
    weights: tuple[int, int | None] = (0, 0)
    usual: float | None = None

    def rows(self, basis: Basis) -> slice:
        """Where among 1, the coordinates and their products."""
        single = 1 + len(basis.whole)
        return {"none": slice(0, 1), "single": slice(1, single), "paired": slice(single, None)}[self.network]

    def of_layers(self, basis: Basis) -> tuple[slice, slice]:
        """Where among the functions of a layer and the weights of a position."""
        plain = len(basis.layered)
        return slice(0, plain) if self.layer == "plain" else slice(plain, None), slice(*self.weights)

    def columns(self, basis: Basis, network: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """The features, (N, p), from products of coordinates (N, Q) and sums over layers (N, J, P)."""
        left = network[:, self.rows(basis)]
        if not self.layer:
            return left
        right = sums[:, *self.of_layers(basis)].reshape(len(sums), -1)
        return (left[:, :, None] * right[:, None, :]).reshape(len(sums), -1)


_FLAT = (0, 1)
_WAVES = (1, 1 + WAVES)
_ENDS = (1 + WAVES, 1 + WAVES + 2 * len(ENDS))
_PROFILE = (1, 1 + WAVES + 2 * len(ENDS))
_EACH = (1 + WAVES + 2 * len(ENDS), None)

PARTS = (
    Part("none"),
    Part("single"),
    Part("none", "plain", _FLAT),
    Part("paired", usual=0.03),
    Part("none", "curved", _FLAT, 0.03),
    Part("single", "plain", _FLAT, 0.03),
    Part("single", "curved", _FLAT, 0.003),
    Part("paired", "plain", _FLAT, 0.0003),
    Part("none", "plain", _WAVES, 0.03),
    Part("none", "plain", _ENDS, 0.03),
    Part("single", "plain", _PROFILE, 0.003),
    Part("none", "plain", _EACH, 0.003),
    Part("none", "curved", _EACH, 0.001),
    Part("single", "plain", _EACH, 0.001),
)
"""The model: main effects are free, all else is shrunk."""


@dataclasses.dataclass(frozen=True, eq=False)
class QualityModel:
    """Coefficients of the logarithm of a quantity: `whole` (Q,) and `layered` (Q, J, P).

    Q counts 1, the coordinates of the network and their products. `errors` (n,) are the logarithms of the values over
    their predictions when each was left out of the fit.

    >>> from tradewind import spaces
    >>> space = spaces.get("hwgpt-s")
    >>> seen, new = space.sample_many(40, seed=0), space.sample_many(100, seed=1)
    >>> def loss(archs): return 40.0 * (archs.d_model * archs.layer_sum("mlp_ratio")) ** -0.1
    >>> model = fit_quality_model(space, seen, loss(seen))
    >>> bool(np.abs(model.predict(new) / loss(new) - 1).max() < 0.01)
    True
    """

    basis: Basis
    whole: np.ndarray
    layered: np.ndarray
    errors: np.ndarray

    def predict(self, archs: Sequence[Architecture]) -> np.ndarray:
        """Expected values, (N,)."""
        batch = ArchitectureBatch.of(archs)
        network = self.basis.products(batch, batch.n_layer)
        sums = self.basis.sums(batch)
        return np.asarray(np.exp(network @ self.whole + np.einsum("nq,qjp,njp->n", network, self.layered, sums)))

    def layerwise(self, name: str) -> LayerwiseQuality:
        """The model taken apart into layers for an exact search, under the name of its objective."""
        return LayerwiseQuality(self, name)


@dataclasses.dataclass(frozen=True, eq=False)
class LayerwiseQuality:
    """A quality model as a `core.layerwise.Layerwise` objective for networks of `n_layer` layers.

    What a layer is worth depends on the depth, so every depth is searched by itself (`at_depth`).
    """

    model: QualityModel
    name: str
    n_layer: int | None = None

    def at_depth(self, n_layer: int) -> LayerwiseQuality:
        """The same for networks of one depth only."""
        return dataclasses.replace(self, n_layer=n_layer)

    def terms(self, options: ArchitectureBatch) -> tuple[LayerTerm, ...]:
        """One term, the layers' part of the logarithm; raises `UsageError` where no depth was named."""
        basis, depth = self.model.basis, self._depth()
        weights = np.einsum("q,qjp->jp", self._known(options, depth), self.model.layered)
        layers = basis.layers(options)[:, 0, :]
        return (LayerTerm(self.name, "sum", (basis.positions(depth) @ weights.T)[:depth] @ layers.T),)

    def value(self, options: ArchitectureBatch, n_layer: int, totals: Mapping[str, np.ndarray]) -> np.ndarray:
        """Values of S networks of `n_layer` layers from the totals of their layers, (S,)."""
        if n_layer != self._depth():
            raise UsageError(f"{self.name} was asked at {n_layer} layers but taken apart for {self.n_layer}")
        return np.asarray(np.exp(self._known(options, n_layer) @ self.model.whole + totals[self.name]))

    def _depth(self) -> int:
        if self.n_layer is None:
            raise UsageError(f"{self.name} differs from depth to depth; name one with at_depth")
        return self.n_layer

    def _known(self, options: ArchitectureBatch, depth: int) -> np.ndarray:
        return self.model.basis.products(options[:1], np.array([depth]))[0]


def fit_quality_model(space: Any, archs: Sequence[Architecture], values: Sequence[float] | np.ndarray) -> QualityModel:
    """Fit a model to n positive values of architectures of a space; deterministic.

    Raises `UsageError` for fewer than four values or for values that are not positive.
    """
    found = np.asarray(values, dtype=float)
    if len(found) < FEWEST:
        raise UsageError(f"{len(found)} values cannot be learnt from; give at least {FEWEST}")
    if not np.all(np.isfinite(found) & (found > 0)):
        raise UsageError(f"a quality model needs positive values; the smallest is {found.min()}")
    basis, batch = Basis.of_space(space), ArchitectureBatch.of(archs)
    network, sums = basis.products(batch, batch.n_layer), basis.sums(batch)
    columns = [part.columns(basis, network, sums) for part in PARTS]
    used = [i for i, each in enumerate(columns) if each.shape[1]]
    parts, columns = [PARTS[i] for i in used], [columns[i] for i in used]
    logs = np.log(found)
    centre, spread = float(logs.mean()), max(float(logs.std()), 1e-9)
    coefficients, errors = _robust(parts, columns, (logs - centre) / spread)
    whole, layered = np.zeros(network.shape[1]), np.zeros((network.shape[1], *sums.shape[1:]))
    whole[0] = centre
    for part, each in zip(parts, coefficients, strict=True):
        place = (part.rows(basis), *part.of_layers(basis)) if part.layer else (part.rows(basis),)
        table = layered if part.layer else whole
        table[place] += spread * each.reshape(table[place].shape)
    return QualityModel(basis, whole, layered, spread * errors)


def weighted_features(space: Any, archs: Sequence[Architecture]) -> np.ndarray:
    """The model's features times the usual size of their coefficients, (N, F); main effects are as large as 1."""
    basis, batch = Basis.of_space(space), ArchitectureBatch.of(archs)
    network, sums = basis.products(batch, batch.n_layer), basis.sums(batch)
    return np.column_stack([np.sqrt(part.usual or 1.0) * part.columns(basis, network, sums) for part in PARTS])


def _robust(
    parts: Sequence[Part], columns: Sequence[np.ndarray], target: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """Coefficients of each block, and the error of each row when it is left out (n,)."""
    weights = np.ones(len(target))
    for _ in range(ROUNDS):
        root = np.sqrt(weights)
        blocks = [
            Block(each * root[:, None], part.usual is not None, part.usual)
            for part, each in zip(parts, columns, strict=True)
        ]
        ridge = Ridge(blocks, evidence_penalties(blocks, target * root))
        coefficients = ridge.fit(target * root)
        residual = target - sum(each @ c for each, c in zip(columns, coefficients, strict=True))
        scale = max(1.4826 * float(np.median(np.abs(residual))), 1e-9)
        weights = np.minimum(1.0, HUBER * scale / np.maximum(np.abs(residual), 1e-12))
    answers = ridge.fit(np.diag(root))
    leverage = sum(np.einsum("np,pn->n", each, a) for each, a in zip(columns, answers, strict=True))
    return coefficients, residual / np.maximum(1.0 - leverage, 1e-3)

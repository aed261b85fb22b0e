"""The parts of an additive model: what one gene does alone, what it does in the company of another, and of all.

Each part is a product of how combinations of outer genes resemble each other and of features of the layers, so its
weights can be drawn, and explained by measurements, without a matrix over architectures.

Symbols: N members, R rows, U kinds of row that a part tells apart, F features, D depths, Q contrasts, B place
functions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache

import numpy as np

from tradewind.predictors.additive_features import LayerFeatures, Written

SMOOTH = 0.5
"""Length over which outer genes resemble each other, scaled to 0..1."""

NEAR_DEPTH = 0.25
"""Length over which depths resemble each other, those of the space spanning 1."""


@dataclasses.dataclass(frozen=True, eq=False)
class Alike:
    """How rows resemble each other: `kind` (R,) of each and the covariance of kinds, (U, U)."""

    kind: np.ndarray
    covariance: np.ndarray

    @cached_property
    def root(self) -> np.ndarray:
        """A square root of the covariance, which may be singular."""
        values, vectors = np.linalg.eigh(self.covariance)
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """Weights (U, F) on features of the "level", the "slopes" or the "profiles": what `order` genes do together.

    `mask` (Q,) are the contrasts it weighs; for "level", `depth` (D, F) are features of depths.
    """

    what: str
    rows: Alike
    order: int
    mask: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, dtype=bool))
    depth: np.ndarray | None = None

    def features(self, at: Written) -> np.ndarray:
        """(N, F)."""
        if self.depth is not None:
            return self.depth[at.depth]
        found = at.sums[:, self.mask] if self.what == "slopes" else at.placed[:, :, self.mask]
        return np.asarray(found.reshape(len(at), -1))

    def covariance(self, at: Written) -> np.ndarray:
        """Of members, (N, N)."""
        kind, features = self.rows.kind[at.row], self.features(at)
        return np.asarray(self.rows.covariance[np.ix_(kind, kind)] * (features @ features.T))

    def explained(self, at: Written, alpha: np.ndarray) -> np.ndarray:
        """Weights (U, F) of the function Σ_n alpha_n covariance(·, n)."""
        return np.asarray((self.rows.covariance[:, self.rows.kind[at.row]] * alpha) @ self.features(at))

    def drawn(self, rng: np.random.Generator, places: int) -> np.ndarray:
        """Weights (U, F) from the prior."""
        count = self.depth.shape[1] if self.depth is not None else int(np.count_nonzero(self.mask))
        shape = (len(self.rows.root), count * (places if self.what == "profiles" else 1))
        return np.asarray(self.rows.root @ rng.normal(size=shape))

    def put(self, into: Mapping[str, np.ndarray], weights: np.ndarray) -> None:
        """Add weights (U, F) to the array of rows that they belong to."""
        rows, found = weights[self.rows.kind], into[self.what]
        if self.depth is not None:
            found += rows @ self.depth.T
        else:
            found[..., self.mask] += rows.reshape(*found.shape[:-1], -1)


@lru_cache(maxsize=4)
def parts_of(features: LayerFeatures) -> tuple[Part, ...]:
    """The parts of a space's model: of outer genes and depth, then of layers."""
    return (*_levels(features), *_layers(features))


def _rows(features: LayerFeatures) -> tuple[Alike, list[Alike], list[Alike], Alike | None]:
    """All rows alike; along a line of each outer gene; near in one; near in all."""
    outer = features.outer
    shared = Alike(np.zeros(len(outer), dtype=int), np.ones((1, 1)))
    lines, near = [], []
    for column in outer.T:
        levels, kind = np.unique(column, return_inverse=True)
        if len(levels) < 2:
            continue
        centred = levels - levels.mean()
        lines.append(Alike(kind, np.outer(centred, centred)))
        if len(levels) > 2:
            near.append(Alike(kind, _smooth(levels[:, None], SMOOTH)))
    together = Alike(np.arange(len(outer)), _smooth(outer, SMOOTH)) if lines else None
    return shared, lines, near, together


def _smooth(points: np.ndarray, length: float) -> np.ndarray:
    distance = ((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2)
    return np.asarray(np.exp(-distance / (2 * length**2)))


def _levels(features: LayerFeatures) -> Iterator[Part]:
    shared, lines, near, together = _rows(features)
    depths = features.depths
    for rows in (*lines, *near):
        yield Part("level", rows, 1, depth=np.ones((len(depths), 1)))
    if together:
        yield Part("level", together, 2, depth=np.ones((len(depths), 1)))
    if len(depths) < 2:
        return
    tilt = depths[:, None]
    uneven = Alike(np.arange(len(depths)), _smooth(tilt, NEAR_DEPTH)).root
    yield Part("level", shared, 1, depth=tilt)
    for rows in lines:
        yield Part("level", rows, 2, depth=tilt)
    yield Part("level", shared, 2, depth=uneven)
    if together:
        yield Part("level", together, 3, depth=uneven)


def _layers(features: LayerFeatures) -> Iterator[Part]:
    shared, lines, _, together = _rows(features)
    for g in sorted(set(features.field.tolist())):
        mask = features.field == g
        for order, what in enumerate(("slopes", "profiles"), 1):
            yield Part(what, shared, order, mask)
            for rows in lines:
                yield Part(what, rows, min(order + 1, 3), mask)
            if together:
                yield Part(what, together, 3, mask)

"""The basis of the quality model: what a layer has, where it stands, and what holds for the whole network.

Any space of layered architectures is described by coordinates from -1 to 1: those of the whole network (width, depth,
flags) and those of each layer (heads, inner size). A feature is a product of three parts, each of which may be left
out: something of the whole network, something of a layer, and a weight for the layer's position; the last two are
summed over the layers. So with the network's own part fixed, every feature is a sum over layers.

Symbols: N architectures, Z coordinates of the network, J functions of a layer, L deepest, P weights of a position.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from tradewind.core import ArchitectureBatch
from tradewind.core.architecture import family

WAVES = 4
"""Cosines over the relative position; the scale k^-1.5 makes one prior variance favour smooth profiles."""
ENDS = (0.7, 2.0, 5.0)
"""Decay lengths, in layers, of what is special about the last layers and about the first."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """A dimension's choices as a coordinate from -1 to 1: logarithms of positive numbers, or one name against the rest.

    >>> Scale("d_inner", (128, 256, 512)).of(np.array([128, 256, 512])).tolist()
    [-1.0, 0.0, 1.0]
    >>> Scale("block", ("plain", "gated"), "gated").of(np.array(["gated", "plain"])).tolist()
    [1.0, -1.0]
    """

    name: str
    choices: tuple[Any, ...]
    against: str | None = None

    @classmethod
    def of_dimension(cls, dimension: Any) -> Iterator[Scale]:
        """One scale for numbers; for names one for each but the first."""
        if isinstance(dimension.choices[0], str):
            yield from (cls(dimension.name, dimension.choices, name) for name in dimension.choices[1:])
        elif len(dimension.choices) > 1:
            yield cls(dimension.name, dimension.choices)

    def of(self, values: np.ndarray) -> np.ndarray:
        """Coordinates of values of any shape; values beyond the choices go beyond -1 and 1."""
        if self.against is not None:
            return np.where(values == self.against, 1.0, -1.0)
        known = np.array(self.choices, dtype=float)
        found = np.asarray(values, dtype=float)
        if known.min() > 0:
            known, found = np.log(known), np.log(np.maximum(found, 1e-9))
        return np.asarray(2.0 * (found - known.min()) / np.ptp(known) - 1.0)


@dataclasses.dataclass(frozen=True)
class Basis:
    """Coordinates of a space's architectures; `whole` and `layered` hold the dimensions that have a choice.

    >>> from tradewind import spaces
    >>> basis = Basis.of_space(spaces.get("hwgpt-s"))
    >>> [scale.name for scale in basis.whole], [scale.name for scale in basis.layered], basis.deepest
    (['n_layer', 'd_model', 'bias'], ['n_head', 'mlp_ratio'], 12)
    """

    whole: tuple[Scale, ...]
    layered: tuple[Scale, ...]
    deepest: int

    @classmethod
    def of_space(cls, space: Any) -> Basis:
        """The basis of an architecture space."""
        scales = [(d.per_layer, scale) for d in space.dimensions for scale in Scale.of_dimension(d)]
        whole = tuple(scale for per_layer, scale in scales if not per_layer)
        return cls(whole, tuple(scale for per_layer, scale in scales if per_layer), max(space.depths))

    def network(self, archs: ArchitectureBatch, n_layer: np.ndarray) -> np.ndarray:
        """Coordinates of the whole network, (N, Z), for given depths (N,)."""
        columns = []
        for scale in self.whole:
            column = n_layer if scale.name == "n_layer" else _column(archs, scale)
            columns.append(scale.of(column[:, 0] if column.ndim == 2 else column))
        return np.column_stack(columns) if columns else np.empty((len(archs), 0))

    def products(self, archs: ArchitectureBatch, n_layer: np.ndarray) -> np.ndarray:
        """1, the coordinates of the network and their products in pairs, nought on average, (N, 1 + Z + Z(Z+1)/2)."""
        network = self.network(archs, n_layer)
        first, second = np.tril_indices(network.shape[1])
        pairs = network[:, first] * network[:, second] - np.where(first == second, 2 / 3, 0.0)
        return np.column_stack([np.ones(len(archs)), network, pairs])

    def layers(self, archs: ArchitectureBatch) -> np.ndarray:
        """Functions of each layer, (N, columns, J): coordinates, then squares, then products; rows past the end count.

        Whoever sums over layers gives those past an architecture's end no weight (`positions` has none there).
        """
        live = np.arange(archs.columns["n_head"].shape[1]) < archs.n_layer[:, None]
        plain = [scale.of(np.where(live, _column(archs, scale), scale.choices[0])) for scale in self.layered]
        square = [each**2 - 2 / 3 for each, scale in zip(plain, self.layered, strict=True) if scale.against is None]
        product = [plain[i] * plain[j] for i in range(len(plain)) for j in range(i)]
        return np.stack([*plain, *square, *product], axis=2) if plain else np.empty((*live.shape, 0))

    @cached_property
    def _weights(self) -> dict[int, np.ndarray]:
        return {}

    def positions(self, depth: int) -> np.ndarray:
        """Weights of the layers of a network of a depth, (L, P), none past its end: 1, waves, ends, one a layer."""
        if depth not in self._weights:
            index = np.arange(depth)
            place = (index + 0.5) / depth
            columns = [np.ones(depth)]
            columns += [np.cos(np.pi * k * place) / k**1.5 for k in range(1, WAVES + 1)]
            columns += [np.exp(-(depth - 1 - index) / length) for length in ENDS]
            columns += [np.exp(-index / length) for length in ENDS]
            table = np.zeros((self.deepest, len(columns) + self.deepest))
            table[:depth, : len(columns)] = np.column_stack(columns)
            table[index, len(columns) + index] = 1.0
            self._weights[depth] = table / self.deepest
        return self._weights[depth]

    def sums(self, archs: ArchitectureBatch) -> np.ndarray:
        """Functions of the layers times weights of their positions, summed over the layers, (N, J, P)."""
        values = self.layers(archs)
        width = min(values.shape[1], self.deepest)
        weights = np.stack([self.positions(int(depth))[:width] for depth in archs.n_layer])
        return np.einsum("nlj,nlp->njp", values[:, :width], weights)


def _column(archs: ArchitectureBatch, scale: Scale) -> np.ndarray:
    named = scale.name in family(archs.family).named_fields()
    return archs.names(scale.name) if named else archs.columns[scale.name]

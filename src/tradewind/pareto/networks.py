"""Architectures that are built when they are looked at: a large frontier is mostly counted, compared and sampled.

Symbols: N networks, L layers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from tradewind.core import Architecture, ArchitectureBatch


class Networks(Sequence[Architecture]):
    """A sequence of architectures, each known by the options of its layers.

    `blocks` holds options of one layer and rows of choices among them (N_i, L_i); `order` says which rows, counted
    through all blocks, the sequence consists of.
    """

    def __init__(self, blocks: Sequence[tuple[ArchitectureBatch, np.ndarray]], order: np.ndarray) -> None:
        self._blocks = blocks
        self._order = order
        self._starts = np.cumsum([0, *(len(choices) for _, choices in blocks)])

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, key: int) -> Architecture: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Architecture, ...]: ...
    def __getitem__(self, key: Any) -> Any:
        places = range(len(self))[key]
        return tuple(self.take(places)) if isinstance(key, slice) else self.take([places])[0]

    def __iter__(self) -> Iterator[Architecture]:
        return iter(self.take(range(len(self))))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def take(self, places: Iterable[int]) -> list[Architecture]:
        """The architectures at some places, in their order: faster than one after the other."""
        rows = self._order[np.fromiter(places, dtype=np.int64)]
        block = np.searchsorted(self._starts, rows, side="right") - 1
        found: list[Any] = [None] * len(rows)
        for index in np.unique(block).tolist():
            options, choices = self._blocks[index]
            mine = np.flatnonzero(block == index)
            for place, network in zip(
                mine.tolist(), networks_of(options, choices[rows[mine] - self._starts[index]]), strict=True
            ):
                found[place] = network
        return found


def networks_of(options: ArchitectureBatch, choices: np.ndarray) -> list[Architecture]:
    """The architectures whose layers are the chosen rows of `options`, `choices` (N, L)."""
    first = options[0]
    shared = {field.name: getattr(first, field.name) for field in dataclasses.fields(first)}
    names = first.per_layer_fields()
    named = first.named_fields()
    columns = [(options.names(name) if name in named else options.columns[name])[choices, 0].tolist() for name in names]
    # Layers of members of the space, which are valid: checking each again takes most of the time of a large frontier.
    return [
        type(first).of_valid({**shared, **{name: tuple(cells) for name, cells in zip(names, layers, strict=True)}})
        for layers in zip(*columns, strict=True)
    ]

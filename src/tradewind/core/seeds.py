"""Random streams that depend on nothing but a seed and a path of names, so that any part of a run can be replayed."""

from __future__ import annotations

import hashlib

import numpy as np

_JUMP = 210306068529402873165736369884012333109
"""How far numpy's `PCG64.jumped` goes: 2^128 over the golden ratio."""


def derive(seed: int, *path: int | str) -> int:
    """A 128-bit integer that is a pure function of `seed` and `path`.

    >>> derive(0, "ask", 3) == derive(0, "ask", 3) != derive(0, "ask", 4)
    True
    """
    text = "\x1f".join([str(int(seed)), *(f"{type(p).__name__}:{p}" for p in path)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def generator(seed: int, *path: int | str) -> np.random.Generator:
    """A numpy generator for one purpose, e.g. ``generator(seed, "mutate", evaluation_index)``.

    Two different paths give independent streams; the same path gives the same stream on every platform.
    """
    return np.random.Generator(np.random.PCG64(derive(seed, *path)))


class Streams:
    """Generators for the indices of one purpose, each a pure function of seed, path and index; quick to come by.

    The index-th stream begins where ``PCG64.jumped(index)`` does, a golden-ratio multiple of the period ahead: of a
    million streams any two lie 2^106 draws apart or more. One generator serves all, set to one stream at a time.

    >>> streams = Streams(0, "breed")
    >>> streams.at(7).random() == streams.at(7).random() != streams.at(8).random()
    True
    """

    def __init__(self, seed: int, *path: int | str) -> None:
        self._bits = np.random.PCG64(derive(seed, *path))
        self._start = self._bits.state
        self._generator = np.random.Generator(self._bits)

    def at(self, index: int) -> np.random.Generator:
        """The generator, at the beginning of a stream."""
        self._bits.state = self._start
        self._bits.advance(index * _JUMP % 2**128)
        return self._generator

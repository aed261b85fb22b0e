"""Members of a space as vectors of choice indices and back, for algorithms of other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np

from tradewind.core import Architecture, Space, UsageError
from tradewind.spaces import ArchitectureSpace, genes


class Vectors:
    """A space with a fixed number of genes, each an index into its choices; symbols: G genes.

    Genes of layers that a member has not got repeat its last layer: so a vector is a pure function of the member, and
    what breeds with it finds something sensible there. Raises `UsageError` for a space that is not made of genes.

    >>> from tradewind import spaces
    >>> vectors = Vectors(spaces.get("gpt2", n_layer="2..3", d_model="128,192", d_inner="512,576", n_head="2,4"))
    >>> vectors.sizes.tolist(), vectors.candidate(np.array([1, 0, 1, 1, 0, 0, 0, 1])).d_inner
    ([2, 2, 2, 2, 2, 2, 2, 2], (576, 512, 512))
    """

    def __init__(self, space: Space) -> None:
        if not isinstance(space, ArchitectureSpace):
            raise UsageError(f"{space.name} has no genes that other libraries know; search it with our own algorithms")
        self.space = space
        self.genes = genes(space)
        self.sizes = np.array([len(gene.choices) for gene in self.genes])
        self._layered = sum(dimension.per_layer for dimension in space.dimensions)
        self._last = np.maximum(self.sizes - 1, 1)

    def of(self, candidate: Architecture) -> np.ndarray:
        """The indices of a member, int64 (G,)."""
        found = np.rint(self.space.encode(candidate) * self._last).astype(np.int64)
        absent = self._layered * (self.space.depths[-1] - candidate.n_layer)
        if absent:
            present = len(found) - absent
            found[present:] = np.resize(found[present - self._layered : present], absent)
        return found

    def candidate(self, indices: Any) -> Architecture:
        """The member of indices (G,); numbers between them are rounded, what the rules refuse is repaired."""
        return self.space.decode(np.asarray(indices, dtype=np.float64) / self._last)

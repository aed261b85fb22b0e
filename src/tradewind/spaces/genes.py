"""A space as named genes, each with its choices: how its members look to libraries that know vectors and parameters.

Genes stand in the order of `ArchitectureSpace.encode`: depth, the dimensions of the whole architecture, then layer by
layer up to the deepest.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tradewind.core import Architecture
from tradewind.spaces.dimension import DEPTH, Choice
from tradewind.spaces.space import ArchitectureSpace


@dataclasses.dataclass(frozen=True)
class Gene:
    """One place where members differ: a dimension, in one `layer` if it has one value a layer."""

    dimension: str
    choices: tuple[Choice, ...]
    layer: int | None = None

    @property
    def name(self) -> str:
        """The dimension's name, with a number that counts layers from 0: ``n_head_03``."""
        return self.dimension if self.layer is None else f"{self.dimension}_{self.layer:02d}"

    @property
    def step(self) -> int:
        """The even distance of whole numbers; 0 where the choices are other than that.

        >>> Gene("d_model", (128, 192, 256)).step, Gene("bias", (False, True)).step
        (64, 0)
        """
        steps = {int(b) - int(a) for a, b in zip(self.choices, self.choices[1:], strict=False) if type(a) is int}
        return steps.pop() if len(steps) == 1 else 0


def genes(space: ArchitectureSpace) -> tuple[Gene, ...]:
    """Every gene of a space, those of all layers that its deepest member has.

    >>> from tradewind import spaces
    >>> [gene.name for gene in genes(spaces.get("gpt2", n_layer="1..2"))]
    ['n_layer', 'd_model', 'd_inner_00', 'n_head_00', 'd_inner_01', 'n_head_01']
    """
    whole = [d for d in space.dimensions if not d.per_layer]
    layered = [d for d in space.dimensions if d.per_layer]
    return (
        *(Gene(d.name, d.choices) for d in whole),
        *(Gene(d.name, d.choices, layer) for layer in range(space.depths[-1]) for d in layered),
    )


def gene_values(space: ArchitectureSpace, candidate: Architecture) -> dict[str, Choice]:
    """The values of a member by gene name; layers that it has not got are left out.

    >>> from tradewind import spaces
    >>> space = spaces.get("gpt2", n_layer=2, d_model=128)
    >>> gene_values(space, space.baselines()[1].replace(d_inner=(256, 320)))
    {'n_layer': 2, 'd_model': 128, 'd_inner_00': 256, 'n_head_00': 8, 'd_inner_01': 320, 'n_head_01': 8}
    """
    found: dict[str, Choice] = {}
    for gene in genes(space):
        if gene.dimension == DEPTH:
            found[gene.name] = candidate.n_layer
        elif gene.layer is None or gene.layer < candidate.n_layer:
            value: Any = getattr(candidate, gene.dimension)
            if isinstance(value, tuple):  # one value a layer, or one that all layers share
                value = value[gene.layer or 0]
            found[gene.name] = value
    return found

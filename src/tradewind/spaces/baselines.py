"""The scaled transformer that a search is compared with: homogeneous architectures of growing depth.

Source: LiteTransformerSearch (Javaheripi et al. 2022, arXiv 2203.02094, released profiling code): Transformer-XL of
d_model 512, d_inner 2048, 8 heads, div_val 4, 1..16 layers; GPT-2 of d_model 1024, d_inner 2048, 1..15 layers. The
paper's GPT-2 has 12 heads, which do not divide 1024 in a GPT-2 proper: ours has 8 (head size 128; neither parameters
nor FLOPs of the projections depend on it). Its d_embed 784 has no counterpart either: ours is d_model.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from tradewind.core import Architecture
from tradewind.core.architecture import family

if TYPE_CHECKING:
    from tradewind.spaces.space import ArchitectureSpace


@dataclasses.dataclass(frozen=True)
class Baseline:
    """Field values of one layer of the published baseline; `least_width` is the largest d_model of its full space.

    A space whose largest d_model was narrowed below `least_width` is compared with a baseline of its own width instead,
    d_inner in the same proportion.
    """

    values: tuple[tuple[str, Any], ...]
    least_width: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data: ``{"values": {...}, "least_width": ...}``."""
        return {"values": dict(self.values), "least_width": self.least_width}

    def at_width(self, width: int) -> dict[str, Any]:
        """The values for a space whose largest d_model is `width`."""
        values = dict(self.values)
        if width < self.least_width:
            values["d_inner"] = values["d_inner"] * width // values["d_model"]
            values["d_model"] = width
            values["n_head"] = max(h for h in range(1, values["n_head"] + 1) if width % h == 0)
        return values


def scaled(space: ArchitectureSpace) -> list[Architecture]:
    """The baselines of a space, shallow to deep, with the space's constants.

    With a published baseline: 1 to the largest depth, which may lie outside the space. Without one (HW-GPT, a space of
    one's own): the largest choice of every dimension, for each depth of the space.

    >>> from tradewind import spaces
    >>> [arch.n_layer for arch in spaces.get("hwgpt-s").baselines()]
    [10, 11, 12]
    >>> spaces.get("gpt2", n_layer="2..3", d_model="128..256").baselines()[0].d_inner
    (512,)
    """
    t = space.tables
    if space.baseline is None:
        row = t.nearest_row(t.digits.max(axis=0))
        code = t.repair(row, t.code_digits[-1:])
        return [t.build(row, code.repeat(depth)) for depth in t.depths]
    per_layer = family(space.family).per_layer_fields()
    width = max(key[t.fields.index("d_model")] for key in t.keys)
    values = space.baseline.at_width(width) | space.constants
    return [
        Architecture.from_dict(
            {"family": space.family}
            | {name: [value] * depth if name in per_layer else value for name, value in values.items()}
        )
        for depth in range(1, t.max_depth + 1)
    ]

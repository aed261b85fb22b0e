"""The six spaces of HW-GPT-Bench (Sukthanker et al. 2024, arXiv 2405.10299, released configurations).

Three widths, three depths, three head counts and three MLP ratios a layer, bias on or off; head size 64 whatever the
width, so no rule ties the dimensions. The release pads the per-layer lists to the largest depth; here an architecture
has the layers it has, so sizes count networks: sum over widths, biases and depths L of 9^L.
"""

from __future__ import annotations

from functools import partial

from tradewind.spaces.dimension import DEPTH, Dimension
from tradewind.spaces.space import ArchitectureSpace

_SHAPES = {
    "hwgpt-s": ((192, 384, 768), (10, 11, 12), (4, 8, 12), (2, 3, 4)),
    "hwgpt-m": ((256, 512, 1024), (22, 23, 24), (8, 12, 16), (2, 3, 4)),
    "hwgpt-l": ((320, 640, 1280), (34, 35, 36), (8, 16, 20), (2, 3, 4)),
    "hwgpt-s-wide": ((192, 384, 768), (3, 6, 12), (4, 8, 12), (1, 2, 4)),
    "hwgpt-m-wide": ((256, 512, 1024), (6, 12, 24), (4, 8, 16), (1, 2, 4)),
    "hwgpt-l-wide": ((320, 640, 1280), (9, 18, 36), (5, 10, 20), (1, 2, 4)),
}
"""Choices of d_model, n_layer, n_head and mlp_ratio."""


def hwgpt(name: str) -> ArchitectureSpace:
    """The space of that name; `network` is the profiled one unless set to ``intended``."""
    widths, depths, heads, ratios = _SHAPES[name]
    wide = ", wide choices (no published measurements)" if name.endswith("wide") else ""
    return ArchitectureSpace(
        name=name,
        family="hwgpt",
        dimensions=(
            Dimension(DEPTH, depths),
            Dimension("d_model", widths),
            Dimension("bias", (False, True)),
            Dimension("n_head", heads, per_layer=True),
            Dimension("mlp_ratio", ratios, per_layer=True),
        ),
        fixed=(("network", "profiled"), ("vocab_size", 50254), ("context", 1024)),
        description=f"HW-GPT-Bench, scale {name.split('-')[1]}{wide}",
    )


SPACES = {name: partial(hwgpt, name) for name in _SHAPES}

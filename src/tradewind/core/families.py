"""The families of decoder-only language models that Tradewind knows.

Sources: GPT-2 (Radford et al. 2019) and Transformer-XL (Dai et al. 2019, arXiv 1901.02860) with per-layer heads and
inner sizes as in LiteTransformerSearch (Javaheripi et al. 2022, arXiv 2203.02094); HW-GPT (Sukthanker et al. 2024,
arXiv 2405.10299).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

from tradewind.core.architecture import Architecture, per_layer
from tradewind.core.blocks import BLOCKS, Block
from tradewind.core.errors import InvalidArchitectureError

_CODES = {name: code for code, name in enumerate(BLOCKS)}


def _of_blocks(count: Callable[[Block], int], inner: bool = False) -> tuple[tuple[int, ...], bool]:
    return tuple(int(count(block)) for block in BLOCKS.values()), inner


_PASSES = {"relu": 1, "squared-relu": 2}
"""How often an activation reads and writes the inner values."""

DERIVED: Mapping[str, tuple[tuple[int, ...], bool]] = {
    "convolutions": _of_blocks(lambda block: block.convolved),
    "gated": _of_blocks(lambda block: block.gated),
    "gated_inner": _of_blocks(lambda block: block.gated, inner=True),
    "pre_norm_live": _of_blocks(lambda block: (2 + block.gated) * (not block.post_norm), inner=True),
    "post_norm_live": _of_blocks(lambda block: (2 + block.gated) * block.post_norm, inner=True),
    "rectified_inner": _of_blocks(lambda block: _PASSES.get(block.activation, 0), inner=True),
    "gelu_inner": _of_blocks(lambda block: block.activation == "gelu", inner=True),
}
"""Per-layer numbers that follow from a layer's block: one for each block, and whether it counts once an inner unit."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GPT2(Architecture):
    """GPT-2: pre-LayerNorm, learned positions, biased linear layers, GELU, tied plain softmax.

    `context` is the number of learned positions. Head size is d_model / n_head, so n_head must divide d_model.
    `block` names what each layer is made of (`tradewind.core.blocks`); GPT-2's own is ``gelu``, in every layer if none
    is given.

    >>> GPT2(d_model=64, n_head=(2,), d_inner=(128,)).block
    ('gelu',)
    """

    family: ClassVar[str] = "gpt2"
    d_inner: tuple[int, ...] = per_layer()
    vocab_size: int = 50257
    context: int = 1024
    block: tuple[str, ...] = per_layer(BLOCKS)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The parts of each layer."""
        return tuple(BLOCKS[name] for name in self.block)

    def layer_column(self, name: str) -> tuple[int, ...]:
        """A per-layer field of numbers, or one of `DERIVED`."""
        if name not in DERIVED:
            return super().layer_column(name)
        weights, inner = DERIVED[name]
        found = [weights[_CODES[b]] for b in self.block]
        return tuple(w * f for w, f in zip(found, self.d_inner, strict=True)) if inner else tuple(found)

    @classmethod
    def derived(cls, name: str, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """One of `DERIVED` for the columns of a batch, int64 (N, layers)."""
        if name not in DERIVED:
            return super().derived(name, columns)
        weights, inner = DERIVED[name]
        codes = columns["block"]
        if not codes.shape[1]:
            return weights[0] * columns["d_inner"] if inner else codes
        found = np.array(weights)[codes]
        return found * columns["d_inner"] if inner else found

    def _check(self) -> None:
        _heads_divide_width(self)
        self._at_least_one("d_inner")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformerXL(Architecture):
    """Transformer-XL: post-LayerNorm, relative positions, segment memory, adaptive embedding and softmax.

    `context` is the segment length in training, `mem_len` the number of remembered positions. The vocabulary is cut at
    `cutoffs` into clusters; cluster k has embedding size d_embed // div_val**k. `d_embed` 0 stands for d_model and is
    stored as d_model. Weights are tied between embedding and softmax; `tie_projs` says so for the projections of the
    clusters after the first (which is never tied), as in the released configurations. Where there is one cluster, or no
    projection to tie, `div_val` is stored as 1 and `tie_projs` as True, since they change nothing.

    >>> TransformerXL(d_model=64, n_head=(2,), d_inner=(128,)).d_embed
    64
    """

    family: ClassVar[str] = "transformer-xl"
    d_inner: tuple[int, ...] = per_layer()
    d_embed: int = 0
    div_val: int = 4
    cutoffs: tuple[int, ...] = (19997, 39997, 199997)
    vocab_size: int = 267735
    context: int = 192
    mem_len: int = 192
    tie_projs: bool = True

    def __post_init__(self) -> None:
        if not self.d_embed or self.d_embed == -1:
            object.__setattr__(self, "d_embed", self.d_model)
        super().__post_init__()
        if not self.cutoffs:
            object.__setattr__(self, "div_val", 1)
        if not self.cutoffs or (self.div_val == 1 and self.d_embed == self.d_model):
            object.__setattr__(self, "tie_projs", True)

    def _check(self) -> None:
        _heads_divide_width(self)
        for name in ("d_inner", "d_embed", "div_val"):
            self._at_least_one(name)
        if self.mem_len < 0:
            raise InvalidArchitectureError(f"{self.family}: mem_len is {self.mem_len}; it must be at least 0")
        edges = (0, *self.cutoffs, self.vocab_size)
        if any(a >= b for a, b in itertools.pairwise(edges)):
            raise InvalidArchitectureError(
                f"{self.family}: cutoffs {list(self.cutoffs)} must rise and stay between 1 and vocab_size "
                f"{self.vocab_size} - 1"
            )
        if self.d_embed // self.div_val ** len(self.cutoffs) < 1:
            raise InvalidArchitectureError(
                f"{self.family}: d_embed {self.d_embed} divided by div_val {self.div_val} {len(self.cutoffs)} times "
                "leaves no dimension for the last cluster; use a larger d_embed or a smaller div_val"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class HWGPT(Architecture):
    """HW-GPT: parallel residual, partial rotary positions, head size 64 whatever the width.

    `network` tells which of the two networks of the release is meant: `profiled` (gated SiLU MLP, untied head, rotary
    fraction 0.25), on which the hardware was measured, or `intended` (GELU MLP, tied head, rotary fraction 0.5), the
    supernet whose perplexity was reported. `bias` is that of the linear layers; LayerNorms always have one.

    >>> HWGPT(d_model=192, n_head=(4, 8), mlp_ratio=(2, 3)).d_inner
    (384, 576)
    """

    family: ClassVar[str] = "hwgpt"
    head_size: ClassVar[int] = 64
    mlp_ratio: tuple[int, ...] = per_layer()
    bias: bool = False
    network: str = "profiled"
    vocab_size: int = 50254
    context: int = 1024

    @property
    def d_inner(self) -> tuple[int, ...]:
        """Inner sizes mlp_ratio · d_model, one a layer."""
        return tuple(ratio * self.d_model for ratio in self.mlp_ratio)

    def _check(self) -> None:
        self._at_least_one("mlp_ratio")
        if self.network not in ("profiled", "intended"):
            raise InvalidArchitectureError(
                f"{self.family}: network is {self.network!r}; it must be 'profiled' or 'intended'"
            )


def _heads_divide_width(arch: Architecture) -> None:
    for layer, heads in enumerate(arch.n_head):
        if arch.d_model % heads:
            raise InvalidArchitectureError(
                f"{arch.family}: n_head {heads} of layer {layer} does not divide d_model {arch.d_model}"
            )

"""The blocks that a layer of the gpt2 family may be: what parts each is made of, and what these mean for counting.

Sources: So et al. 2021 (Primer), arXiv 2109.08668, figures 4 and 5 and appendix A.2; Shazeer 2020, arXiv 2002.05202
(SwiGLU); Zhang and Sennrich 2019, arXiv 1910.07467 (RMSNorm). In the paper's words: ``vanilla`` is the pre-norm ReLU
Transformer, ``transformer++`` has RMSNorm and SwiGLU, ``primer-ez`` squared ReLU and multi-DConv-head attention, and
``primer`` also queries made from keys and the feed-forward's norm behind it. (Primer's own norm is LayerNorm written
otherwise, so it is no part here.) The others insert one part into vanilla or leave one out of Primer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

KERNEL = 3
"""Taps of the depthwise convolutions after the projections of attention."""


@dataclasses.dataclass(frozen=True)
class Block:
    """The parts of one layer.

    `activation` is ``gelu`` (tanh form), ``relu``, ``squared-relu`` or ``swiglu`` (a gated feed-forward of three
    matrices without biases); `norm` is ``layer`` or ``rms``; `convolution`: a causal depthwise convolution after the
    projections of attention; `shared_qk`: queries are a map of the keys before their convolution;
    `post_norm`: the feed-forward's norm stands behind it instead of before.

    >>> BLOCKS["primer-ez"].convolved, BLOCKS["primer"].convolved, BLOCKS["gelu"].convolved
    (3, 2, 0)
    """

    activation: str = "relu"
    norm: str = "layer"
    convolution: bool = False
    shared_qk: bool = False
    post_norm: bool = False

    @property
    def gated(self) -> bool:
        """Whether the feed-forward has a gate."""
        return self.activation == "swiglu"

    @property
    def convolved(self) -> int:
        """How many of attention's projections are convolved: queries made from keys have no kernel of their own."""
        return (2 if self.shared_qk else 3) * self.convolution


_PRIMER = Block("squared-relu", convolution=True, shared_qk=True, post_norm=True)

BLOCKS: Mapping[str, Block] = MappingProxyType(
    {
        "gelu": Block("gelu"),
        "vanilla": Block(),
        "squared-relu": Block("squared-relu"),
        "mdha": Block(convolution=True),
        "primer-ez": Block("squared-relu", convolution=True),
        "primer": _PRIMER,
        "transformer++": Block("swiglu", norm="rms"),
        "shared-qk": Block(shared_qk=True),
        "post-norm": Block(post_norm=True),
        "primer-without-squared-relu": dataclasses.replace(_PRIMER, activation="relu"),
        "primer-without-mdha": dataclasses.replace(_PRIMER, convolution=False),
        "primer-without-shared-qk": dataclasses.replace(_PRIMER, shared_qk=False),
        "primer-without-post-norm": dataclasses.replace(_PRIMER, post_norm=False),
    }
)
"""The blocks by name; the first is GPT-2's own."""

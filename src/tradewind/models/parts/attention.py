"""Attention with Primer's changes: depthwise convolutions after the projections, and queries made from keys.

Source: So et al. 2021 (Primer), arXiv 2109.08668, section 4 and appendix A.2, and the released T5 code.

Letters: B batch, T tokens, D width, H heads, S head size.
"""

from __future__ import annotations

from torch import Tensor, nn

from tradewind.core.blocks import Block
from tradewind.models.attention import Attention
from tradewind.models.cache import LayerCache
from tradewind.models.depthwise import HeadConvolution


class MultiDConvHeadAttention(Attention):
    """MDHA: `Attention` whose queries, keys and values are convolved along the tokens, one kernel a head and channel.

    A drop-in for causal self-attention, (B, T, D) -> (B, T, D). One convolution of 3·D channels does all three.

    >>> import torch
    >>> attention = MultiDConvHeadAttention(d_model=16, n_head=2)
    >>> tuple(attention(torch.zeros(1, 5, 16)).shape), tuple(attention.convolution.weight.shape)
    ((1, 5, 16), (48, 3))
    """

    def __init__(self, d_model: int, n_head: int) -> None:
        super().__init__(d_model, n_head)
        self.convolution = HeadConvolution(3 * d_model)

    def projections(
        self, x: Tensor, past: LayerCache | None, documents: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values after their convolution, three of (B, H, T, S)."""
        return self._heads(self.convolution(self.qkv(x), past, documents))


class SharedQueryKeyAttention(Attention):
    """Attention whose queries are a map (D x D) of the keys; rows of `kv` are k, v of all heads in turn.

    With `convolution` keys and values are convolved afterwards, as in Primer.
    """

    def __init__(self, d_model: int, n_head: int, convolution: bool = False) -> None:
        nn.Module.__init__(self)
        self.n_head = n_head
        self.kv = nn.Linear(d_model, 2 * d_model)
        self.query = nn.Linear(d_model, d_model)
        self.convolution = HeadConvolution(2 * d_model) if convolution else None
        self.out = nn.Linear(d_model, d_model)

    def projections(
        self, x: Tensor, past: LayerCache | None, documents: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, three of (B, H, T, S)."""
        rows = self.kv(x)
        query = self.query(rows[..., : x.shape[-1]]).unflatten(-1, (self.n_head, -1)).transpose(1, 2)
        if self.convolution is not None:
            rows = self.convolution(rows, past, documents)
        keys, values = rows.unflatten(-1, (2, self.n_head, -1)).permute(2, 0, 3, 1, 4)
        return query, keys, values


def attention_of(block: Block, d_model: int, n_head: int) -> Attention:
    """The attention of a block."""
    if block.shared_qk:
        return SharedQueryKeyAttention(d_model, n_head, block.convolution)
    return (MultiDConvHeadAttention if block.convolution else Attention)(d_model, n_head)

"""The two networks of HW-GPT-Bench: the one that was profiled and the one that was meant.

Source: Sukthanker et al. 2024, arXiv 2405.10299, and its code. Both are GPT-NeoX-like: one residual sum a layer,
x + attention(norm1 x) + mlp(norm2 x), rotary positions on part of each head, head size 64 whatever the width,
LayerNorms with bias, an output layer without.

profiled   gated SiLU MLP of three matrices, own output layer, a quarter of each head rotated
intended   GELU (exact) MLP of two matrices, output layer tied to the embedding, half of each head rotated

Dropout, where asked for, acts on what attention and MLP add to the residual stream. The release configures 0.1 and
applies none.

Letters: B batch, T tokens, D width, H heads, S = 64 head size, F = ratio · D inner size, V vocabulary.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from tradewind.core import HWGPT
from tradewind.models.attention import causal_attention
from tradewind.models.base import LanguageModel, embedding_table
from tradewind.models.cache import Cache, LayerCache
from tradewind.models.feed_forward import FeedForward, GatedFeedForward
from tradewind.models.rotary import rotary_table, rotate

ROTARY_FRACTION = {"profiled": 0.25, "intended": 0.5}


class RotaryAttention(nn.Module):
    """Causal self-attention, (B, T, D) -> (B, T, D); rows of `qkv` are q, k, v of head 0, then of head 1, ..."""

    def __init__(self, d_model: int, n_head: int, head_size: int, bias: bool) -> None:
        super().__init__()
        self.n_head = n_head
        self.qkv = nn.Linear(d_model, 3 * n_head * head_size, bias=bias)
        self.out = nn.Linear(n_head * head_size, d_model, bias=bias)

    def forward(self, x: Tensor, table: tuple[Tensor, Tensor], past: LayerCache | None = None) -> Tensor:
        """Attend to the tokens, at the positions of `table`, and to those in `past`, which they join."""
        heads = self.qkv(x).unflatten(-1, (self.n_head, 3, -1))  # B T H 3 S
        query, keys, values = heads.permute(3, 0, 2, 1, 4)  # 3 x B H T S
        query, keys = rotate(query, table), rotate(keys, table)
        if past is not None:
            keys, values = past.append(keys, values)
        return self.out(causal_attention(query, keys, values).transpose(1, 2).flatten(2))


class ParallelBlock(nn.Module):
    """One layer: x + attention(norm(x)) + mlp(norm(x)), each with its own norm."""

    def __init__(self, arch: HWGPT, layer: int, dropout: float) -> None:
        super().__init__()
        d_model, d_inner = arch.d_model, arch.d_inner[layer]
        self.attention_norm = nn.LayerNorm(d_model)
        self.attention = RotaryAttention(d_model, arch.n_head[layer], arch.head_size, arch.bias)
        self.mlp_norm = nn.LayerNorm(d_model)
        self.mlp = (
            GatedFeedForward(d_model, d_inner, arch.bias)
            if arch.network == "profiled"
            else FeedForward(d_model, d_inner, nn.GELU(), arch.bias)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, table: tuple[Tensor, Tensor], past: LayerCache | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        attended = self.attention(self.attention_norm(x), table, past)
        return x + self.dropout(attended) + self.dropout(self.mlp(self.mlp_norm(x)))


class HWGPTModel(LanguageModel):
    """HW-GPT; positions are rotary, so inputs longer than `arch.context` work too."""

    arch: HWGPT

    def __init__(self, arch: HWGPT, dropout: float = 0.0) -> None:
        super().__init__(arch)
        self.token_embedding = embedding_table(arch.vocab_size, arch.d_model)
        self.layers = nn.ModuleList(ParallelBlock(arch, i, dropout) for i in range(arch.n_layer))
        self.final_norm = nn.LayerNorm(arch.d_model)
        if arch.network == "profiled":
            self.output = nn.Linear(arch.d_model, arch.vocab_size, bias=False)

    def hidden(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, T) -> (B, T, D)."""
        start = cache.filled if cache is not None else 0
        x = self.token_embedding(tokens)
        rotated = int(self.arch.head_size * ROTARY_FRACTION[self.arch.network])
        table = rotary_table(start, start + tokens.shape[1], rotated, like=x)
        for i, layer in enumerate(self.layers):
            x = layer(x, table, cache.layers[i] if cache is not None else None)
        return self.final_norm(x)

    def head(self, hidden: Tensor) -> Tensor:
        """(B, T, D) -> logits (B, T, V)."""
        return F.linear(hidden, self.output_weight())

    def output_weight(self) -> Tensor:
        """That of the token embedding, or of the output layer where it has its own."""
        tied = self.arch.network == "intended"
        return self.token_embedding.weight if tied else self.output.weight

    def make_cache(self, batch: int, length: int) -> Cache:
        """An empty cache; see the base class."""
        heads = [(h, self.arch.head_size) for h in self.arch.n_head]
        return Cache(heads, batch, length, self.device, self.dtype)

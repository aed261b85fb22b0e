"""GPT-2 with per-layer heads and inner sizes.

Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; per-layer sizes as in Javaheripi et
al. 2022, arXiv 2203.02094. Equal to Hugging Face's GPT2LMHeadModel at homogeneous shapes, where Conv1D holds the
transpose of our linear weights. Dropout, where asked for, acts on the embedding and on what each sublayer adds to the
residual stream, never on attention weights, which keeps the fused kernel.

Letters: B batch, T tokens, D width, H heads, S = D / H head size, F inner size, V vocabulary, L layers.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from tradewind.core import GPT2, UsageError
from tradewind.models.attention import causal_attention
from tradewind.models.base import LanguageModel, embedding_table
from tradewind.models.cache import Cache, LayerCache
from tradewind.models.feed_forward import FeedForward


class Attention(nn.Module):
    """Multi-head causal self-attention, (B, T, D) -> (B, T, D); rows of `qkv` are q, k, v of all heads in turn."""

    def __init__(self, d_model: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor, past: LayerCache | None = None) -> Tensor:
        """Attend to the tokens themselves and, if given, to those in `past`, which they join."""
        heads = self.qkv(x).unflatten(-1, (3, self.n_head, -1))  # B T 3 H S
        query, keys, values = heads.permute(2, 0, 3, 1, 4)  # 3 x B H T S
        if past is not None:
            keys, values = past.append(keys, values)
        return self.out(causal_attention(query, keys, values).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """One pre-norm layer: x + attention(norm(x)), then x + mlp(norm(x)), with the tanh form of GELU."""

    def __init__(self, d_model: int, n_head: int, d_inner: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(d_model)
        self.attention = Attention(d_model, n_head)
        self.mlp_norm = nn.LayerNorm(d_model)
        self.mlp = FeedForward(d_model, d_inner, nn.GELU(approximate="tanh"))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, past: LayerCache | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        x = x + self.dropout(self.attention(self.attention_norm(x), past))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class GPT2Model(LanguageModel):
    """GPT-2: learned positions, pre-norm layers, output layer tied to the token embedding and without bias."""

    arch: GPT2

    def __init__(self, arch: GPT2, dropout: float = 0.0) -> None:
        super().__init__(arch)
        self.token_embedding = embedding_table(arch.vocab_size, arch.d_model)
        self.position_embedding = embedding_table(arch.context, arch.d_model)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            Block(arch.d_model, h, f, dropout) for h, f in zip(arch.n_head, arch.d_inner, strict=True)
        )
        self.final_norm = nn.LayerNorm(arch.d_model)

    def hidden(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, T) -> (B, T, D); raises `UsageError` past the last learned position (`arch.context`)."""
        start = cache.filled if cache is not None else 0
        stop = start + tokens.shape[1]
        if stop > self.arch.context:
            raise UsageError(
                f"{stop} tokens exceed the {self.arch.context} learned positions of this architecture; "
                "shorten the input or use an architecture with a larger context"
            )
        x = self.dropout(self.token_embedding(tokens) + self.position_embedding.weight[start:stop])
        for i, layer in enumerate(self.layers):
            x = layer(x, cache.layers[i] if cache is not None else None)
        return self.final_norm(x)

    def head(self, hidden: Tensor) -> Tensor:
        """(B, T, D) -> logits (B, T, V)."""
        return F.linear(hidden, self.token_embedding.weight)

    def make_cache(self, batch: int, length: int) -> Cache:
        """An empty cache; see the base class."""
        heads = [(h, self.arch.d_model // h) for h in self.arch.n_head]
        return Cache(heads, batch, length, self.device, self.dtype)

    def initial(self, name: str) -> tuple[float, float]:
        """Standard deviation 0.02, for the 2L maps into the residual stream divided by √(2L)."""
        if name.endswith(("attention.out.weight", "mlp.down.weight")):
            return 0.0, 0.02 / math.sqrt(2 * self.arch.n_layer)
        return super().initial(name)

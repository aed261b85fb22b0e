"""GPT-2 with per-layer heads, inner sizes and blocks.

Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; per-layer sizes as in Javaheripi et
al. 2022, arXiv 2203.02094. Equal to Hugging Face's GPT2LMHeadModel at homogeneous shapes, where Conv1D holds the
transpose of our linear weights. Dropout, where asked for, acts on the embedding and on what each sublayer adds to the
residual stream, never on attention weights, which keeps the fused kernel. A layer's block may be another one than
GPT-2's (`tradewind.core.blocks`); embeddings and the final LayerNorm are the same around all of them.

Letters: B batch, T tokens, D width, H heads, S = D / H head size, F inner size, V vocabulary, L layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from tradewind.core import GPT2, UsageError
from tradewind.core.blocks import KERNEL, Block
from tradewind.models import fused
from tradewind.models.base import LanguageModel, embedding_table
from tradewind.models.cache import Cache, LayerCache
from tradewind.models.feed_forward import FeedForward, GatedFeedForward
from tradewind.models.parts.activations import SquaredReLU
from tradewind.models.parts.attention import attention_of

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "gelu": lambda: nn.GELU(approximate="tanh"),
    "relu": nn.ReLU,
    "squared-relu": SquaredReLU,
}
_NORMS: dict[str, Callable[[int], nn.Module]] = {"layer": nn.LayerNorm, "rms": lambda width: nn.RMSNorm(width, 1e-6)}


class GPT2Block(nn.Module):
    """One layer: x + attention(norm(x)), then x + mlp(norm(x)), or with a post-norm x + norm(mlp(x))."""

    def __init__(self, d_model: int, n_head: int, d_inner: int, dropout: float, block: Block) -> None:
        super().__init__()
        self.attention_norm = _NORMS[block.norm](d_model)
        self.attention = attention_of(block, d_model, n_head)
        self.mlp_norm = _NORMS[block.norm](d_model)
        self.mlp = feed_forward_of(block, d_model, d_inner)
        self.dropout = nn.Dropout(dropout)
        self.post_norm = block.post_norm

    def forward(self, x: Tensor, past: LayerCache | None = None, documents: Tensor | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D); `past` and `documents` as in `Attention`."""
        if past is None and documents is None and fused.usable(x, self):
            parts: Any = self
            x = fused.attend(x, parts.attention_norm, parts.attention)
            return fused.feed_forward(x, parts.mlp_norm, parts.mlp)
        x = x + self.dropout(self.attention(self.attention_norm(x), past, documents))
        if self.post_norm:
            return x + self.dropout(self.mlp_norm(self.mlp(x)))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


def feed_forward_of(block: Block, d_model: int, d_inner: int) -> nn.Module:
    """The feed-forward of a block, (B, T, D) -> (B, T, D)."""
    if block.gated:
        return GatedFeedForward(d_model, d_inner, bias=False)
    return FeedForward(d_model, d_inner, _ACTIVATIONS[block.activation]())


class GPT2Model(LanguageModel):
    """GPT-2: learned positions, pre-norm layers, output layer tied to the token embedding and without bias."""

    arch: GPT2

    def __init__(self, arch: GPT2, dropout: float = 0.0) -> None:
        super().__init__(arch)
        self.token_embedding = embedding_table(arch.vocab_size, arch.d_model)
        self.position_embedding = embedding_table(arch.context, arch.d_model)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            GPT2Block(arch.d_model, h, f, dropout, block)
            for h, f, block in zip(arch.n_head, arch.d_inner, arch.blocks, strict=True)
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

    def output_weight(self) -> Tensor:
        """That of the token embedding."""
        return self.token_embedding.weight

    def make_cache(self, batch: int, length: int) -> Cache:
        """An empty cache; see the base class."""
        heads = [(h, self.arch.d_model // h) for h in self.arch.n_head]
        rows = [(KERNEL, block.convolved * self.arch.d_model) for block in self.arch.blocks]
        return Cache(heads, batch, length, self.device, self.dtype, rows)

    def initial(self, name: str) -> tuple[float, float]:
        """Standard deviation 0.02, for the 2L maps into the residual stream divided by √(2L)."""
        if name.endswith(("attention.out.weight", "mlp.down.weight")):
            return 0.0, 0.02 / math.sqrt(2 * self.arch.n_layer)
        return super().initial(name)

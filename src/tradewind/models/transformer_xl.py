"""Transformer-XL with per-layer heads and inner sizes, adaptive embedding and adaptive softmax.

Source: Dai et al. 2019, arXiv 1901.02860: relative attention (section 3.3), segment memory (section 3.2). Post-norm;
the biases u and v (r_w_bias and r_r_bias in the code) are each layer's own; per-layer sizes as in Javaheripi et al.
2022, arXiv 2203.02094. Score of query i for key j <= i:

    (q_i + u) · k_j + (q_i + v) · W_R R_(i-j),   divided by √S

A position sees all earlier ones of its segment and all of the memory: distances are not clamped and the span is not cut
to equal length (clamp_len = -1, same_length = False in the original code). Dropout, where asked for, acts where the
original has it: embeddings, position codes, attention output, both linear maps of the FFN, final states.

Letters: B batch, T tokens, D width, H heads, S = D / H head size, F inner size, M memory, C = M + T positions seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tradewind.core import TransformerXL, UsageError, unknown
from tradewind.models.adaptive import AdaptiveVocabulary
from tradewind.models.base import LanguageModel, precise
from tradewind.models.cache import Cache, LayerCache
from tradewind.models.feed_forward import FeedForward


def position_codes(count: int, d_model: int, like: Tensor) -> Tensor:
    """Sinusoids R of the distances count-1, ..., 1, 0: (C, D), sines first, then cosines."""
    distance = torch.arange(count - 1, -1, -1, device=like.device, dtype=precise(like.dtype))
    exponent = torch.arange(0, d_model, 2, device=like.device, dtype=precise(like.dtype)) / d_model
    angle = torch.outer(distance, 10_000.0**-exponent)
    return torch.cat([angle.sin(), angle.cos()], -1)[:, :d_model].to(like.dtype)


def by_distance(scores: Tensor) -> Tensor:
    """Turn columns that mean distances C-1 .. 0 into columns that mean keys 0 .. C-1: (..., T, C) -> (..., T, C).

    Row i (of the last T positions) moves left by T-1-i. Read flat, with one spare entry a row, that is a single offset
    (Dai et al., appendix B). Entries of keys after the query are meaningless and must be masked.
    """
    new = scores.shape[-2]
    return F.pad(scores, (1, 0)).flatten(-2)[..., new:].reshape(scores.shape)


class RelativeCache(Cache):
    """Also holds, for each layer, the keys of the distances length-1 .. 0, (H, length, S).

    They depend on nothing but the weights, so a decoded token costs no projection of position codes.
    """

    def __init__(self, relative: Sequence[Tensor], batch: int) -> None:
        first = relative[0]
        heads = [(keys.shape[0], keys.shape[2]) for keys in relative]
        super().__init__(heads, batch, first.shape[1], first.device, first.dtype)
        self.relative = relative


class RelativeAttention(nn.Module):
    """Causal self-attention with relative positions, (B, T, D) -> (B, T, D); rows of `qkv` are q, k, v in turn."""

    def __init__(self, d_model: int, n_head: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.relative = nn.Linear(d_model, d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)
        self.content_bias = nn.Parameter(torch.empty(n_head, d_model // n_head))
        self.position_bias = nn.Parameter(torch.empty(n_head, d_model // n_head))

    def forward(
        self, x: Tensor, relative: Tensor, memory: Tensor | None = None, past: LayerCache | None = None
    ) -> Tensor:
        """Attend to the tokens and to what came before: hidden states `memory` (B, M, D), or `past`, which they join.

        `relative` are the `relative_keys` of the distances C-1 .. 0, (H, C, S).
        """
        query, keys, values = self._split(self.qkv(x), 3)
        if past is not None:
            keys, values = past.append(keys, values)
        elif memory is not None:
            known = F.linear(memory, self.qkv.weight[x.shape[2] :])
            old_keys, old_values = self._split(known, 2)
            keys, values = torch.cat([old_keys, keys], 2), torch.cat([old_values, values], 2)
        scale = query.shape[-1] ** -0.5
        moved = (query + self.position_bias.unsqueeze(1)) * scale
        scores = by_distance(moved @ relative.transpose(1, 2))  # B H T C
        new, seen = scores.shape[-2:]
        if new > 1:
            future = torch.ones(new, seen, dtype=torch.bool, device=x.device).triu(seen - new + 1)
            scores.masked_fill_(future, float("-inf"))
        query = query + self.content_bias.unsqueeze(1)
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=scores)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def relative_keys(self, codes: Tensor) -> Tensor:
        """W_R R, (C, D) -> (H, C, S)."""
        return self.relative(codes).unflatten(-1, self.position_bias.shape).transpose(0, 1)

    def _split(self, x: Tensor, parts: int) -> Tensor:
        """(B, T, parts · D) -> (parts, B, H, T, S)."""
        return x.view(*x.shape[:2], parts, *self.position_bias.shape).permute(2, 0, 3, 1, 4)


class Block(nn.Module):
    """One post-norm layer: norm(x + attention(x)), then norm(x + mlp(x))."""

    def __init__(self, d_model: int, n_head: int, d_inner: int, dropout: float) -> None:
        super().__init__()
        self.attention = RelativeAttention(d_model, n_head)
        self.attention_norm = nn.LayerNorm(d_model)
        self.mlp = FeedForward(d_model, d_inner, nn.ReLU(), dropout=dropout)
        self.mlp_norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, relative: Tensor, memory: Tensor | None = None, past: LayerCache | None = None
    ) -> Tensor:
        """(B, T, D) -> (B, T, D); arguments as for `RelativeAttention`."""
        x = self.attention_norm(x + self.dropout(self.attention(x, relative, memory, past)))
        return self.mlp_norm(x + self.dropout(self.mlp(x)))


class TransformerXLModel(LanguageModel):
    """Transformer-XL. `forward` and `head` give log-probabilities, since the softmax is adaptive.

    Text longer than a segment is read with `segment`, which hands on the memory. Decoding with a cache sees everything
    that the cache holds, so it equals the forward over the whole text.
    """

    arch: TransformerXL

    def __init__(self, arch: TransformerXL, dropout: float = 0.0) -> None:
        super().__init__(arch)
        self.vocabulary = AdaptiveVocabulary(arch)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            Block(arch.d_model, h, f, dropout) for h, f in zip(arch.n_head, arch.d_inner, strict=True)
        )

    def hidden(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, T) -> (B, T, D)."""
        if cache is None:
            return self._run(tokens, None, None)
        if not isinstance(cache, RelativeCache):
            raise UsageError("this cache lacks relative positions; make one with the model's own make_cache")
        x = self.dropout(self.vocabulary.embed(tokens))
        seen = cache.filled + tokens.shape[1]
        for layer, past, relative in zip(self.layers, cache.layers, cache.relative, strict=True):
            x = layer(x, relative[:, -seen:], past=past)
        return self.dropout(x)

    def segment(self, tokens: Tensor, memory: Sequence[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        """Hidden states of a segment (B, T, D), and the memory for the next one.

        Memory is the input of each layer at the last positions, at most `arch.mem_len`: L tensors (B, M, D) without
        gradient. None means that the text starts here.
        """
        inputs: list[Tensor] = []
        hidden = self._run(tokens, memory, inputs)
        before = memory or [x[:, :0] for x in inputs]
        both = [torch.cat([m, x], 1) for m, x in zip(before, inputs, strict=True)]
        return hidden, [x[:, max(0, x.shape[1] - self.arch.mem_len) :] for x in both]

    def forward(self, tokens: Tensor, logits: str = "all", memory: Sequence[Tensor] | None = None) -> Tensor:
        """(B, T) -> log-probabilities (B, T, V) or (B, 1, V), given the memory of the segment before."""
        if logits not in ("all", "last"):
            raise unknown("choice of logits", logits, ("all", "last"))
        hidden = self._run(tokens, memory, None)
        return self.head(hidden if logits == "all" else hidden[:, -1:])

    def _run(self, tokens: Tensor, memory: Sequence[Tensor] | None, inputs: list[Tensor] | None) -> Tensor:
        """(B, T) -> (B, T, D); the input of each layer, without gradient, is added to `inputs`, if given."""
        x = self.dropout(self.vocabulary.embed(tokens))
        seen = tokens.shape[1] + (memory[0].shape[1] if memory else 0)
        codes = self.dropout(position_codes(seen, self.arch.d_model, like=x))
        for i, layer in enumerate(self._blocks()):
            if inputs is not None:
                inputs.append(x.detach())
            x = layer(x, layer.attention.relative_keys(codes), memory=memory[i] if memory else None)
        return self.dropout(x)

    def head(self, hidden: Tensor) -> Tensor:
        """(B, T, D) -> log-probabilities (B, T, V)."""
        return self.vocabulary.log_probabilities(hidden)

    def head_loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Mean nats per token; scores only the clusters that the targets need, in float32."""
        return self.vocabulary.loss(hidden.flatten(0, 1), targets.flatten())

    @torch.no_grad()
    def make_cache(self, batch: int, length: int) -> Cache:
        """An empty cache with the relative keys of all distances up to `length`; valid for the present weights."""
        codes = position_codes(length, self.arch.d_model, like=self.vocabulary.bias)
        return RelativeCache([layer.attention.relative_keys(codes) for layer in self._blocks()], batch)

    def _blocks(self) -> list[Block]:
        return cast("list[Block]", list(self.layers))

    def initial(self, name: str) -> tuple[float, float]:
        """Those of the original code: deviation 0.02, 0.01 for projections; norm weights 1 ± 0.02."""
        if "_projections." in name:
            return 0.0, 0.01
        if name.endswith(("content_bias", "position_bias")):
            return 0.0, 0.02
        if name.endswith(("vocabulary.bias", "cluster_bias")):
            return 0.0, 0.0
        return (1.0, 0.02) if name.endswith("norm.weight") else super().initial(name)

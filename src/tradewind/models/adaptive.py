"""Adaptive input embedding and adaptive softmax over one set of tied tables.

Sources: adaptive softmax, Grave et al. 2017, arXiv 1609.04309; adaptive input, Baevski and Auli 2019, arXiv 1809.10853;
parameter layout and scaling of AdaptiveEmbedding and ProjectedAdaptiveLogSoftmax in the code of Dai et al. 2019,
arXiv 1901.02860.

The vocabulary, sorted by frequency, is cut into K clusters. The head of the softmax holds the words of cluster 0 and
one entry for each other cluster; log p(word of cluster k) = log p(cluster k) + log p(word | cluster k).

Letters: B batch, T tokens, N = B·T, D width, V vocabulary, E_k = d_embed // div_val**k, V_k words of cluster k.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tradewind.core import TransformerXL
from tradewind.models.base import precise


class AdaptiveVocabulary(nn.Module):
    """Embeds tokens and scores hidden states with the same tables, V_k x E_k.

    A table of width E reaches the model's width D through a projection D x E, one for the embedding and one for the
    softmax. With `tie_projs` clusters after the first use the embedding's in both. With `div_val` 1 there is one table,
    one embedding projection, and none of any kind if d_embed = D.
    """

    def __init__(self, arch: TransformerXL) -> None:
        super().__init__()
        self.edges = (0, *arch.cutoffs, arch.vocab_size)
        self.scale = math.sqrt(arch.d_model)
        widths = [arch.d_embed // arch.div_val**k for k in range(self.n_cluster)]
        own = widths[:1] if arch.tie_projs else widths
        table_edges: tuple[int, ...] = self.edges
        if arch.div_val == 1:
            table_edges, widths = (0, arch.vocab_size), widths[:1]
            if arch.d_embed == arch.d_model:
                own = []
        sizes = [stop - start for start, stop in itertools.pairwise(table_edges)]
        self.tables = _parameters(zip(sizes, widths, strict=True))
        self.embedding_projections = _parameters((arch.d_model, width) for width in widths if own)
        self.softmax_projections = _parameters((arch.d_model, width) for width in own)
        self.bias = nn.Parameter(torch.empty(arch.vocab_size))
        if arch.cutoffs:
            self.cluster_weight = nn.Parameter(torch.empty(len(arch.cutoffs), arch.d_embed))
            self.cluster_bias = nn.Parameter(torch.empty(len(arch.cutoffs)))

    @property
    def n_cluster(self) -> int:
        """Number of clusters K."""
        return len(self.edges) - 1

    def embed(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, D), scaled by √D.

        Every token is looked up in every table and masked, so that shapes and time do not depend on which words come.
        """
        if len(self.tables) == 1:
            x = F.embedding(tokens, self.tables[0])
            return self.scale * (F.linear(x, self.embedding_projections[0]) if self.embedding_projections else x)
        total: Tensor | None = None
        for k, (start, stop) in enumerate(itertools.pairwise(self.edges)):
            inside = ((tokens >= start) & (tokens < stop)).unsqueeze(-1)  # B T 1
            x = F.embedding((tokens - start).clamp(0, stop - start - 1), self.tables[k]) * inside  # B T E_k
            x = F.linear(x, self.embedding_projections[k])
            total = x if total is None else total + x
        assert total is not None
        return self.scale * total

    def log_probabilities(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., V), normalised over the whole vocabulary."""
        head = F.log_softmax(self._head(hidden), -1)
        tails = [
            F.log_softmax(self._tail(k, hidden), -1) + head[..., -k].unsqueeze(-1) for k in range(1, self.n_cluster)
        ]
        return torch.cat([head[..., : self.edges[1]], *tails], -1)

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Mean nats per token from (N, D) and (N,); a cluster's words are scored only for the targets in it."""
        cluster = torch.zeros_like(targets)
        for start in self.edges[1:-1]:
            cluster = cluster + (targets >= start)
        entry = torch.where(cluster == 0, targets, self.edges[1] + self.n_cluster - 1 - cluster)
        total = _surprise(self._head(hidden), entry)
        for k in range(1, self.n_cluster):
            rows = (cluster == k).nonzero().squeeze(1)
            total = total + _surprise(self._tail(k, hidden[rows]), targets[rows] - self.edges[k])
        return total / targets.numel()

    def _head(self, hidden: Tensor) -> Tensor:
        """(..., D) -> scores (..., V_0 + K - 1): words of cluster 0, then cluster K-1 down to cluster 1.

        That is the original code's order of clusters, in which its weights are stored.
        """
        narrow = self._narrow(0, hidden)
        words = self._words(0, narrow)
        if self.n_cluster == 1:
            return words
        return torch.cat([words, F.linear(narrow, self.cluster_weight, self.cluster_bias)], -1)

    def _tail(self, k: int, hidden: Tensor) -> Tensor:
        """(..., D) -> scores (..., V_k) of the words of cluster k > 0, given that cluster."""
        return self._words(k, self._narrow(k, hidden))

    def _words(self, k: int, narrow: Tensor) -> Tensor:
        """(..., E_k) -> scores (..., V_k)."""
        start, stop = self.edges[k], self.edges[k + 1]
        table = self.tables[k] if len(self.tables) > 1 else self.tables[0][start:stop]
        return F.linear(narrow, table, self.bias[start:stop])

    def _narrow(self, k: int, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., E_k) through the softmax's projection of cluster k."""
        if not self.softmax_projections:
            return hidden
        own = k < len(self.softmax_projections)
        shared = self.embedding_projections[min(k, len(self.embedding_projections) - 1)]
        return hidden @ (self.softmax_projections[k] if own else shared)


def _surprise(scores: Tensor, targets: Tensor) -> Tensor:
    """Sum of -log softmax at the targets, (N, V), (N,) -> scalar."""
    return F.cross_entropy(scores.to(precise(scores.dtype)), targets, reduction="sum")


def _parameters(shapes: Iterable[tuple[int, int]]) -> nn.ParameterList:
    return nn.ParameterList(nn.Parameter(torch.empty(shape)) for shape in shapes)

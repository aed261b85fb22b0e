"""Closed forms of Transformer-XL with adaptive embedding and softmax: parameters, operations, cache, activations.

Sources: Dai et al. 2019, arXiv 1901.02860 (block, relative positions); Grave et al. 2017, arXiv 1609.04309 (adaptive
softmax); Javaheripi et al. 2022, arXiv 2203.02094 (per-layer heads and inner sizes).

Symbols: L layers, d = d_model, f_i = d_inner and h_i = heads of layer i, V = vocab_size; K = len(cutoffs) + 1 clusters
of the vocabulary, cluster k (from 0) of size s_k and embedding size e_k = d_embed // div_val**k; B batch, T tokens, O
positions whose log-probabilities are computed, C tokens in the cache.

Parameter layout, that of the classic AdaptiveEmbedding and ProjectedAdaptiveLogSoftmax. It reproduces the published
total of every Transformer-XL row of LiteTransformerSearch:

attention (a layer)    qkv (3d x d), relative keys (d x d), output (d x d), no biases; r_w_bias and r_r_bias (d each)
                       are the layer's own: 5d² + 2d
ffn (a layer)          d x f_i and f_i x d with biases: 2·d·f_i + f_i + d
norms (a layer)        two LayerNorms: 4d; post-norm, so no final one
token_embedding        tables s_k x e_k, shared with the softmax. div_val 1: one table V x d_embed
embedding_projections  e_k x d for each cluster, the first too, even if e_0 = d. div_val 1: one d_embed x d, or none if
                       d_embed = d
softmax_projections    the first cluster always has its own e_0 x d; clusters after the first share the embedding's
                       (`tie_projs`) or have their own e_k x d. div_val 1: the same with e_k = d_embed (the shared one
                       is the single projection of the embedding), or none at all if d_embed = d
head                   one bias a word (V), cluster weights (K - 1) x d_embed and cluster biases (K - 1)

Operations of a forward without memory, as our modules do it:

blocks                 4d² + 2·d·f_i a token and layer; relative keys d² a distance and layer, whatever the batch;
                       content scores, position scores and values d each a token, layer and key, over the whole T x T
                       square
embedding              every token passes through every embedding projection
softmax                a full distribution at each position: every softmax projection (a shared one costs what an own
                       one does), all s_k·e_k, and the cluster weights

Activations alive at once in a forward without gradients, B times the largest of: shifting the position scores
T(5d + h(2T + 1)) (input, qkv 3, biased query, scores before and after) or the output of attention T(8d + h(T + 1)), for
max h; the feed-forward's ReLU T(2d + 2·max f); the first cluster's look-up 2·T·d_embed (before and after masking, which
a single table does not need); the log-probabilities T·d + O(2V + K - 1) (head and tails, then joined). In the blocks
2·T·d for position codes and relative keys come on top, whatever the batch. Left out: the causal mask (one byte a pair
of positions), the kernels' own buffers, the allocator's overhead.
"""

from __future__ import annotations

import itertools

import numpy as np

from tradewind.costs.gpt2 import matrices
from tradewind.costs.statistics import Count, Shapes, indicator, largest, layer_max, layer_sum, scalar


def decoder_components(shapes: Shapes) -> dict[str, Count]:
    """Parameters of the blocks: L(5d² + 7d) + Σ(2·d·f_i + f_i) in all.

    >>> from tradewind.core import TransformerXL
    >>> decoder_components(TransformerXL(d_model=64, n_head=(2,) * 5, d_inner=(710, 1021, 1683, 1053, 1748)))
    {'attention': 103040, 'ffn': 802055, 'norms': 1280}
    """
    layers, d, inner = scalar(shapes, "n_layer"), scalar(shapes, "d_model"), layer_sum(shapes, "d_inner")
    return {
        "attention": layers * (5 * d * d + 2 * d),
        "ffn": (2 * d + 1) * inner + layers * d,
        "norms": 4 * layers * d,
    }


def embedding_components(shapes: Shapes) -> dict[str, Count]:
    """Parameters of the adaptive embedding and softmax, laid out as told above."""
    d, embed = scalar(shapes, "d_model"), scalar(shapes, "d_embed")
    untied = 1 - scalar(shapes, "tie_projs")
    plain = _undivided(shapes)
    projected = 1 - plain * indicator(d == embed)
    clusters = _clusters(shapes)
    table = sum(size * width for size, width in clusters)
    later = sum(indicator(size > 0) * width for size, width in clusters[1:])
    return {
        "token_embedding": table,
        "embedding_projections": projected * d * (embed + (1 - plain) * later),
        "softmax_projections": projected * d * (embed + untied * later),
        "head": scalar(shapes, "vocab_size") + _later_clusters(shapes) * (embed + 1),
    }


def macs(shapes: Shapes, batch: int, seq_len: int, outputs: int) -> Count:
    """Multiply-accumulates of one forward without memory: B(T·blocks + 3LdT² + T·embedding + O·softmax) + TLd²."""
    layers, d = scalar(shapes, "n_layer"), scalar(shapes, "d_model")
    embedding, softmax = _vocabulary(shapes)
    a_sequence = seq_len * (matrices(shapes) + embedding) + 3 * layers * d * seq_len**2 + outputs * softmax
    return batch * a_sequence + seq_len * layers * d * d


def decode_macs(shapes: Shapes, batch: int, context: int) -> Count:
    """Multiply-accumulates to decode one token: B(blocks + 3Ld(C+1) + embedding + softmax).

    The relative keys come from the cache, and the whole cache is seen, longer than `mem_len` or not.
    """
    scores = 3 * scalar(shapes, "n_layer") * scalar(shapes, "d_model") * (context + 1)
    return batch * (matrices(shapes) + scores + sum(_vocabulary(shapes)))


def cache_elements(shapes: Shapes, batch: int, context: int) -> Count:
    """Numbers in a cache of C tokens: keys and values 2·B·L·d·C, and relative keys L·d·C that the batch shares."""
    return (2 * batch + 1) * context * scalar(shapes, "n_layer") * scalar(shapes, "d_model")


def activation_elements(shapes: Shapes, batch: int, seq_len: int, outputs: int) -> Count:
    """Numbers alive at the peak of one forward, as derived above."""
    d, heads = scalar(shapes, "d_model"), layer_max(shapes, "n_head")
    shift = 5 * d + heads * (2 * seq_len + 1)
    attended = 8 * d + heads * (seq_len + 1)
    feed_forward = 2 * d + 2 * layer_max(shapes, "d_inner")
    blocks = batch * largest(shift, attended, feed_forward) + 2 * d
    later = _later_clusters(shapes)
    masked = indicator(later > 0) * (1 - _undivided(shapes))
    look_up = batch * (1 + masked) * scalar(shapes, "d_embed")
    head = seq_len * d + outputs * (2 * scalar(shapes, "vocab_size") + later)
    return largest(seq_len * blocks, seq_len * look_up, batch * head)


def _vocabulary(shapes: Shapes) -> tuple[Count, Count]:
    """Multiply-accumulates of the embedding a token, and of the softmax a position."""
    parts, clusters = embedding_components(shapes), _clusters(shapes)
    d, embed = scalar(shapes, "d_model"), scalar(shapes, "d_embed")
    projected = indicator(parts["embedding_projections"] > 0)
    softmax: Count = 0
    for k, (size, width) in enumerate(clusters):
        projection: Count = projected * d * width
        beside: Count = projection + (embed if k else 0)
        softmax = softmax + size * width + indicator(size > 0) * beside
    return parts["embedding_projections"], softmax


def _undivided(shapes: Shapes) -> Count:
    """1 where all clusters have one embedding size, hence one table."""
    return indicator(shapes.div_val == 1)  # type: ignore[union-attr]


def _later_clusters(shapes: Shapes) -> Count:
    """K - 1, the clusters after the first."""
    return sum(indicator(size > 0) for size, _ in _clusters(shapes)[1:])


def _clusters(shapes: Shapes) -> list[tuple[Count, Count]]:
    """Size and embedding size of each cluster; where rows have unlike numbers of them, the missing have size 0."""
    vocab, embed, div_val = (scalar(shapes, name) for name in ("vocab_size", "d_embed", "div_val"))
    cutoffs = shapes.cutoffs  # type: ignore[union-attr]
    ends: list[Count] = list(cutoffs)
    if isinstance(cutoffs, np.ndarray):
        ends = [np.where(column > 0, column, vocab) for column in cutoffs.T]
    edges: list[Count] = [0, *ends, vocab]
    return [(end - start, embed // div_val**k) for k, (start, end) in enumerate(itertools.pairwise(edges))]

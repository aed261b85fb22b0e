"""Closed forms of GPT-2 with per-layer heads, inner sizes and blocks: parameters, operations, cache, activations.

Sources: Radford et al. 2019 (GPT-2's own block); Javaheripi et al. 2022, arXiv 2203.02094 (per-layer heads and inner
sizes, decoder parameters as the proxy of quality); So et al. 2021, arXiv 2109.08668 (the other blocks). The number of
heads appears nowhere: the head size is d / h_i.

Symbols: L layers, d = d_model, f_i = d_inner of layer i, V = vocab_size, P = learned positions (`context`); B batch,
T tokens, O positions whose logits are computed, C tokens in the cache. Derivations, a layer unless said otherwise:

attention  qkv (d x 3d) and output (d x d) with biases: 4d² + 4d
ffn        d x f_i and f_i x d with biases: 2·d·f_i + f_i + d
norms      two LayerNorms: 4d, and 2d once for the final one
embeddings V·d, shared with the output layer, and P·d for the positions, once
operations the four matrices of attention 4d² and the two of the feed-forward 2·d·f_i a token; scores and values 2·T·d
           a token over T keys (the whole T x T square, as PyTorch's counter has it); logits V·d a position, once
activation what our modules keep alive at once in one forward without gradients, B times the largest of: attention's
           output projection 7·T·d (input, its norm, qkv 3, attended, output); the feed-forward's GELU T(3d + 2·max f)
           (layer input, stream, norm, f twice); logits T·d + O·V. Attention scores are never stored: the fused kernel
           tiles them. Left out: the kernels' own buffers and the allocator's overhead

Where a block is not GPT-2's own (`core.blocks`), c_i of the projections of attention are convolved with K taps, and g_i
is 1 for a gated feed-forward with RMSNorm:

attention  a kernel a channel: K·d·c_i more. Queries made from keys have the d x d that they would have from the input
ffn        three matrices without biases: d·f_i - f_i - d more where g_i is 1
norms      RMSNorm has no bias: 2d less where g_i is 1
operations K·d·c_i more a token for the convolutions (as PyTorch's counter has it), d·f_i more where g_i is 1
cache      K rows of c_i·d before the convolution, whatever the context
activation the convolution T·d(5 + 2c) + (K - 1)·c·d (input, its norm, rows, padded rows, output, and queries if made
           from keys) for max c_i; feed-forwards T(3d + (2 + g_i)·f_i), or with a post-norm T(2d + 2·f_i)
"""

from __future__ import annotations

from tradewind.core.blocks import KERNEL
from tradewind.costs.statistics import Count, Shapes, has_names, largest, layer_max, layer_sum, scalar


def decoder_components(shapes: Shapes) -> dict[str, Count]:
    """Parameters of the blocks and the final LayerNorm: L(4d² + 9d) + Σ(2·d·f_i + f_i) + 2d in all.

    >>> from tradewind.core import GPT2
    >>> sum(decoder_components(GPT2(d_model=512, n_head=(2, 2), d_inner=(1920, 1920))).values())
    6043392
    """
    layers, d, inner = scalar(shapes, "n_layer"), scalar(shapes, "d_model"), layer_sum(shapes, "d_inner")
    attention, ffn, norms = layers * (4 * d * d + 4 * d), (2 * d + 1) * inner + layers * d, 4 * layers * d + 2 * d
    if has_names(shapes, "block"):
        gated = layer_sum(shapes, "gated")
        attention = attention + KERNEL * d * layer_sum(shapes, "convolutions")
        ffn = ffn + (d - 1) * layer_sum(shapes, "gated_inner") - d * gated
        norms = norms - 2 * d * gated
    return {"attention": attention, "ffn": ffn, "norms": norms}


def embedding_components(shapes: Shapes) -> dict[str, Count]:
    """Parameters of the token embedding (the output layer is the same matrix) and of the learned positions."""
    d = scalar(shapes, "d_model")
    return {
        "token_embedding": scalar(shapes, "vocab_size") * d,
        "position_embedding": scalar(shapes, "context") * d,
    }


def macs(shapes: Shapes, batch: int, seq_len: int, outputs: int) -> Count:
    """Multiply-accumulates of one forward: B(T·matrices + 2LdT² + O·V·d)."""
    layers, d = scalar(shapes, "n_layer"), scalar(shapes, "d_model")
    head = outputs * scalar(shapes, "vocab_size") * d
    return batch * (seq_len * matrices(shapes) + 2 * layers * d * seq_len**2 + head)


def decode_macs(shapes: Shapes, batch: int, context: int) -> Count:
    """Multiply-accumulates to decode one token, which sees itself too: B(matrices + 2Ld(C+1) + V·d)."""
    layers, d = scalar(shapes, "n_layer"), scalar(shapes, "d_model")
    return batch * (matrices(shapes) + 2 * layers * d * (context + 1) + scalar(shapes, "vocab_size") * d)


def cache_elements(shapes: Shapes, batch: int, context: int) -> Count:
    """Numbers in a key-value cache of C tokens: B·d(2·L·C + K·Σc_i)."""
    layers, d = scalar(shapes, "n_layer"), scalar(shapes, "d_model")
    rows = KERNEL * layer_sum(shapes, "convolutions") if has_names(shapes, "block") else 0
    return batch * d * (2 * context * layers + rows)


def activation_elements(shapes: Shapes, batch: int, seq_len: int, outputs: int) -> Count:
    """Numbers alive at the peak of one forward without gradients: B·max(7Td, T(3d + 2 max f), Td + O·V), or as told."""
    d = scalar(shapes, "d_model")
    head = seq_len * d + outputs * scalar(shapes, "vocab_size")
    if not has_names(shapes, "block"):
        feed_forward = seq_len * (3 * d + 2 * layer_max(shapes, "d_inner"))
        return batch * largest(7 * seq_len * d, feed_forward, head)
    convolved = layer_max(shapes, "convolutions")
    convolution = d * (seq_len * (5 + 2 * convolved) + (KERNEL - 1) * convolved)
    before = seq_len * (3 * d + layer_max(shapes, "pre_norm_live"))
    behind = seq_len * (2 * d + layer_max(shapes, "post_norm_live"))
    return batch * largest(7 * seq_len * d, convolution, before, behind, head)


def matrices(shapes: Shapes) -> Count:
    """Weights of the blocks' matrices and kernels that each token passes once: 4Ld² + 2dΣf_i, or as told above."""
    layers, d = scalar(shapes, "n_layer"), scalar(shapes, "d_model")
    plain = 4 * layers * d * d + 2 * d * layer_sum(shapes, "d_inner")
    if not has_names(shapes, "block"):
        return plain
    return plain + d * layer_sum(shapes, "gated_inner") + KERNEL * d * layer_sum(shapes, "convolutions")

"""Closed forms of the two HW-GPT networks: parameters, operations, cache, and the released profiler's FLOPs.

Source: Sukthanker et al. 2024, arXiv 2405.10299, and its released measurements. The `profiled` network (hardware
figures) has a gated MLP of three matrices and an untied output layer, the `intended` one (the supernet, perplexities) a
plain MLP of two and a tied one. Attention is h_i heads of 64 wide whatever the width of the stream.

Symbols: e = d_model, L layers, h_i heads and m_i MLP ratio of layer i, H = Σh_i, M = Σm_i, b bias (0 or 1), g 1 for the
gated network and 0 for the other, V = vocab_size; B batch, T tokens, O positions whose logits are computed, C tokens in
the cache. Derivations, a layer unless said otherwise:

attention  qkv (e x 192·h) and output (64·h x e): 256·e·h + b(192·h + e)
ffn        (2 + g) matrices e x m·e: (2 + g)·e²·m + b((1 + g)·m·e + e)
norms      two LayerNorms, which always have a bias: 4e, and 2e once for the final one
embeddings V·e, and V·e again for the untied output layer, which has no bias
operations the matrices above, each used once a token; scores and values 128·T·h a token over T keys (the whole T x T
           square); logits V·e a position. Rotary positions are elementwise and not counted
activation what our modules keep alive at once in one forward without gradients, B times the largest of: attention's
           output T(2e + 384h + max(e, 64h)) (input, its norm, qkv 192h, rotated q and k 128h, attended 64h, then that
           with its heads joined or the output) for max h; the feed-forward's product T(4e + (2+g)·e·max m); logits
           T·e + O·V. Left out: the rotary tables, the kernels' own buffers and the allocator's overhead
"""

from __future__ import annotations

import numpy as np

from tradewind.core import UsageError
from tradewind.costs.statistics import Count, Shapes, indicator, largest, layer_max, layer_sum, scalar

PROFILED_BATCH = {"s": 8, "m": 4, "l": 1}
"""Batch at which each scale of the benchmark was profiled."""

PROFILED_LENGTH = 1024
"""Tokens a sequence in every released measurement."""


def decoder_components(shapes: Shapes) -> dict[str, Count]:
    """Parameters of the blocks and the final LayerNorm.

    >>> from tradewind.core import HWGPT
    >>> sum(decoder_components(HWGPT(d_model=192, n_head=(4, 4), mlp_ratio=(2, 2))).values())
    837504
    """
    e, layers, bias = scalar(shapes, "d_model"), scalar(shapes, "n_layer"), scalar(shapes, "bias")
    heads, ratios, gated = layer_sum(shapes, "n_head"), layer_sum(shapes, "mlp_ratio"), _gated(shapes)
    return {
        "attention": 256 * e * heads + bias * (192 * heads + layers * e),
        "ffn": (2 + gated) * e * e * ratios + bias * ((1 + gated) * e * ratios + layers * e),
        "norms": 4 * layers * e + 2 * e,
    }


def embedding_components(shapes: Shapes) -> dict[str, Count]:
    """Parameters of the token embedding and of the output layer (0 where it is tied)."""
    table = scalar(shapes, "vocab_size") * scalar(shapes, "d_model")
    return {"token_embedding": table, "head": _gated(shapes) * table}


def macs(shapes: Shapes, batch: int, seq_len: int, outputs: int) -> Count:
    """Multiply-accumulates of one forward: B(T(256eH + (2+g)e²M) + 128HT² + O·V·e)."""
    scores = 128 * layer_sum(shapes, "n_head") * seq_len**2
    return batch * (seq_len * _matrices(shapes) + scores + outputs * _table(shapes))


def decode_macs(shapes: Shapes, batch: int, context: int) -> Count:
    """Multiply-accumulates to decode one token: B(256eH + (2+g)e²M + 128H(C+1) + V·e)."""
    scores = 128 * layer_sum(shapes, "n_head") * (context + 1)
    return batch * (_matrices(shapes) + scores + _table(shapes))


def cache_elements(shapes: Shapes, batch: int, context: int) -> Count:
    """Numbers in a key-value cache of C tokens: 128·B·H·C."""
    return 128 * batch * context * layer_sum(shapes, "n_head")


def activation_elements(shapes: Shapes, batch: int, seq_len: int, outputs: int) -> Count:
    """Numbers alive at the peak of one forward: see above."""
    e, heads = scalar(shapes, "d_model"), layer_max(shapes, "n_head")
    attention = 2 * e + 384 * heads + largest(e, 64 * heads)
    feed_forward = 4 * e + (2 + _gated(shapes)) * e * layer_max(shapes, "mlp_ratio")
    head = seq_len * e + outputs * scalar(shapes, "vocab_size")
    return batch * largest(seq_len * attention, seq_len * feed_forward, head)


def profiler_macs(shapes: Shapes, batch: int) -> Count:
    """Multiply-accumulates as the released profiler counted them: no attention scores or values.

    B·1024(256eH + 3e²M + V·e). `batch` is that of the scale, `PROFILED_BATCH`. Raises `UsageError` for the `intended`
    network, which was never profiled.
    """
    if not np.all(_gated(shapes)):
        raise UsageError("only the 'profiled' network was profiled; ask for flops or macs of the 'intended' one")
    return batch * PROFILED_LENGTH * (_matrices(shapes) + _table(shapes))


def profiler_flops(shapes: Shapes, batch: int) -> Count:
    """The `flops` column of the released tables: 2·MACs + B·1024(eM + 5e(2L+1)), exact on every row.

    The second term is the activations' and LayerNorms' elementwise operations. Shapes and errors as `profiler_macs`.

    >>> from tradewind.core import HWGPT
    >>> arch = HWGPT(d_model=192, n_head=(4,) * 10, mlp_ratio=(2,) * 10)
    >>> profiler_macs(arch, PROFILED_BATCH["s"]), profiler_flops(arch, PROFILED_BATCH["s"])
    (113268228096, 226733064192)
    """
    e = scalar(shapes, "d_model")
    elementwise = e * layer_sum(shapes, "mlp_ratio") + 5 * e * (2 * scalar(shapes, "n_layer") + 1)
    return 2 * profiler_macs(shapes, batch) + batch * PROFILED_LENGTH * elementwise


def _gated(shapes: Shapes) -> Count:
    return indicator(shapes.network == "profiled")  # type: ignore[union-attr]


def _matrices(shapes: Shapes) -> Count:
    """Weights of the blocks' matrices, each used once a token."""
    e = scalar(shapes, "d_model")
    wide = (2 + _gated(shapes)) * e * e * layer_sum(shapes, "mlp_ratio")
    return 256 * e * layer_sum(shapes, "n_head") + wide


def _table(shapes: Shapes) -> Count:
    """Weights of the output layer, V·e."""
    return scalar(shapes, "vocab_size") * scalar(shapes, "d_model")

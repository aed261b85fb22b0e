"""Physical features of a network's cost on a device: what a linear model of latency, memory or energy is made of.

Each feature counts one kind of work, so that a fitted coefficient reads as a price (milliseconds a multiply-accumulate
of that kind) and is never negative. Features are sums over layers plus parts that belong to the whole network, which
lets an exact search price partial networks.

Symbols: B batch, T tokens, C cached tokens, L layers, d width, O positions whose logits are computed.
"""

from __future__ import annotations

from typing import Any

from tradewind import costs
from tradewind.core import ArchitectureBatch, Workload, unknown
from tradewind.costs.statistics import Count, has_names, layer_sum, scalar

QUANTITIES = ("latency_ms", "decode_latency_ms", "peak_memory_mb", "energy_wh")
"""Quantities of a device that have features."""


_COUNTED = {
    "fixed": "forward", "layers": "layer", "biased layers": "layer", "attention matrices": "multiply-accumulate",
    "feed-forward matrices": "multiply-accumulate", "scores": "multiply-accumulate",
    "output layer": "multiply-accumulate", "decoder weights": "MB", "embedding weights": "MB", "activations": "MB",
    "convolved rows": "row",
}  # fmt: skip
"""What a feature counts; the others count elements that are passed over."""
_READ = ("attention matrices", "feed-forward matrices", "output layer")
"""Features that count the weights that are read where one token is decoded."""


def counted(quantity: str, feature: str) -> str:
    """What the price of a feature is paid for, one of it.

    >>> counted("latency_ms", "feed-forward matrices"), counted("decode_latency_ms", "feed-forward matrices")
    ('multiply-accumulate', 'weight')
    """
    if quantity == "decode_latency_ms" and feature in _READ:
        return "weight"
    return "network" if quantity == "peak_memory_mb" and feature == "fixed" else _COUNTED.get(feature, "element")


def features(quantity: str, archs: ArchitectureBatch, workload: Workload) -> dict[str, Count]:
    """The features of a quantity, each (N,) or 1 for the fixed part; all non-negative.

    Raises `UsageError` for a quantity without a physical model.

    >>> from tradewind.core import GPT2
    >>> batch = ArchitectureBatch.of([GPT2(d_model=64, n_head=(2, 2), d_inner=(128, 192))])
    >>> sorted(features("decode_latency_ms", batch, Workload()))[:3]
    ['attention matrices', 'cache', 'convolved rows']
    """
    if quantity not in QUANTITIES:
        raise unknown("modelled quantity", quantity, QUANTITIES)
    if quantity == "peak_memory_mb":
        return _memory(archs, workload)
    return _decode(archs, workload) if quantity == "decode_latency_ms" else _prefill(archs, workload)


def _prefill(archs: ArchitectureBatch, load: Workload) -> dict[str, Count]:
    """Work of one forward over B x T tokens; energy is spent on the same work."""
    tokens, pairs = load.batch * load.seq_len, load.batch * load.seq_len**2
    outputs = load.batch * (load.seq_len if load.logits == "all" else 1)
    layers, width = scalar(archs, "n_layer"), scalar(archs, "d_model")
    attention, feed_forward, inner, attended = _layer_work(archs)
    inner, rectified, gated, convolved = _block_work(archs, inner)
    return {
        "fixed": 1,
        "layers": layers,
        "norms and residuals": layers * width * tokens,
        "heads' elements": attended * tokens,
        "biases": _bias_elements(archs) * tokens,
        "biased layers": layers * _biased(archs),
        "attention matrices": attention * tokens,
        "feed-forward matrices": feed_forward * tokens,
        "activation function": inner * tokens,
        "rectifiers": rectified * tokens,
        "gates": gated * tokens,
        "convolutions": convolved * width * tokens,
        "scores": attended * pairs,
        "softmax": layer_sum(archs, "n_head") * pairs,
        "output layer": costs.embedding_params(archs) * outputs,
    }


def _decode(archs: ArchitectureBatch, load: Workload) -> dict[str, Count]:
    """Work to decode one token a sequence: mostly reading weights and cache."""
    attention, feed_forward, _, attended = _layer_work(archs)
    cached = load.batch * (load.context + 1)
    return {
        "fixed": 1,
        "layers": scalar(archs, "n_layer"),
        "attention matrices": attention,
        "feed-forward matrices": feed_forward,
        "convolved rows": _block_work(archs, 0)[3],
        "cache": attended * cached,
        "softmax": layer_sum(archs, "n_head") * cached,
        "output layer": costs.embedding_params(archs),
    }


def _memory(archs: ArchitectureBatch, load: Workload) -> dict[str, Any]:
    """Megabytes (10^6 bytes) of weights and activations."""
    return {
        "fixed": 1,
        "decoder weights": costs.decoder_params(archs) * (load.bytes_per_element / 1e6),
        "embedding weights": costs.embedding_params(archs) * (load.bytes_per_element / 1e6),
        "activations": costs.evaluate("activation_mb", archs, load),
    }


def _biased(archs: ArchitectureBatch) -> Count:
    """1 where the linear layers have biases that others of the family lack, 0 where all networks are alike."""
    return scalar(archs, "bias") if archs.family == "hwgpt" else 0


def _bias_elements(archs: ArchitectureBatch) -> Count:
    """Elements a token to which the linear layers add a bias that others of the family lack."""
    if archs.family != "hwgpt":
        return 0
    heads, inner = 192 * layer_sum(archs, "n_head"), 2 * scalar(archs, "d_model") * layer_sum(archs, "mlp_ratio")
    return _biased(archs) * (heads + inner + 2 * scalar(archs, "n_layer") * scalar(archs, "d_model"))


def _layer_work(archs: ArchitectureBatch) -> tuple[Count, Count, Count, Count]:
    """Multiply-accumulates a token in attention's and the feed-forward's matrices, inner units, attended width."""
    layers, d = scalar(archs, "n_layer"), scalar(archs, "d_model")
    if archs.family == "hwgpt":
        inner, attended = d * layer_sum(archs, "mlp_ratio"), 64 * layer_sum(archs, "n_head")
        return 4 * d * attended, 3 * d * inner, inner, attended
    matrices = 5 if archs.family == "transformer-xl" else 4
    inner = layer_sum(archs, "d_inner")
    gated = layer_sum(archs, "gated_inner") if has_names(archs, "block") else 0
    return matrices * layers * d * d, d * (2 * inner + gated), inner, layers * d


def _block_work(archs: ArchitectureBatch, inner: Count) -> tuple[Count, Count, Count, Count]:
    """What blocks change beside their matrices: units with GELU, passes of rectifiers and gates, convolved projections.

    Where all blocks are the usual one, the units are `inner`.
    """
    if not has_names(archs, "block"):
        return inner, 0, 0, 0
    names = ("gelu_inner", "rectified_inner", "gated_inner", "convolutions")
    gelu, rectified, gated, convolved = (layer_sum(archs, name) for name in names)
    return gelu, rectified, gated, convolved

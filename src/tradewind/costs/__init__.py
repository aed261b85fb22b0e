"""Closed-form costs: parameters, operations, key-value cache and activations, for one architecture or for many.

Every function takes an Architecture and gives a Python number, or takes an ArchitectureBatch (or a non-empty sequence
of architectures of one family) and gives an array of shape (N,). No torch, no data, no device: pure functions.
"""

from tradewind.costs.formulas import (
    activation_bytes,
    components,
    decode_flops,
    decoder_params,
    embedding_params,
    flops,
    kv_cache_bytes,
    macs,
    params,
)
from tradewind.costs.quality import quality
from tradewind.costs.quantities import evaluate, quantities

__all__ = [
    "activation_bytes",
    "components",
    "decode_flops",
    "decoder_params",
    "embedding_params",
    "evaluate",
    "flops",
    "kv_cache_bytes",
    "macs",
    "params",
    "quality",
    "quantities",
]

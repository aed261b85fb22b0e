"""The closed forms under one name for every family; each family's file holds its formulas and their derivation.

Counting rules, the same for all families (those of `torch.utils.flop_counter`): operations are those of the matrix
products, attention's scores and values over the whole T x T square included; elementwise work, normalisation, softmax
and look-ups are not counted; FLOPs = 2 · MACs. Python integers are exact; arrays are int64, and a count that does not
fit is a `UsageError`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Concatenate, ParamSpec, Protocol, cast, overload

import numpy as np

from tradewind.core import Architecture, ArchitectureBatch, Workload, unknown
from tradewind.costs import gpt2, hwgpt, transformer_xl
from tradewind.costs.exact import may_overflow, one_by_one
from tradewind.costs.statistics import Count, Shapes

P = ParamSpec("P")

_FAMILIES: dict[str, ModuleType] = {"gpt2": gpt2, "transformer-xl": transformer_xl, "hwgpt": hwgpt}


class Formula(Protocol[P]):
    """A number for an Architecture, an array of shape (N,) for many."""

    @overload
    def __call__(self, archs: Architecture, /, *args: P.args, **kwargs: P.kwargs) -> int: ...
    @overload
    def __call__(self, archs: Sequence[Architecture], /, *args: P.args, **kwargs: P.kwargs) -> np.ndarray: ...


def _formula(function: Callable[Concatenate[Shapes, P], Count]) -> Formula[P]:
    """Let a function of Shapes take any sequence of architectures."""

    @functools.wraps(function)
    def counted(archs: Architecture | Sequence[Architecture], /, *args: P.args, **kwargs: P.kwargs) -> Count:
        shapes = _shapes(archs)
        if type(shapes) is ArchitectureBatch and may_overflow(shapes, (*args, *kwargs.values())):
            return one_by_one(function.__name__, lambda arch: function(arch, *args, **kwargs), shapes)
        return function(shapes, *args, **kwargs)

    return cast(Formula[P], counted)


@_formula
def decoder_params(archs: Shapes) -> Count:
    """Parameters without embeddings and output layer, LiteTransformerSearch's proxy of quality (arXiv 2203.02094).

    Attention, feed-forward and normalisation, the final LayerNorm included where the family has one.

    >>> from tradewind.core import GPT2
    >>> decoder_params(GPT2(d_model=512, n_head=(2, 2), d_inner=(1920, 1920)))
    6043392
    """
    return sum(_family(archs).decoder_components(archs).values())


@_formula
def embedding_params(archs: Shapes) -> Count:
    """Parameters of embeddings and output layer; a matrix that both share counts once.

    >>> from tradewind.core import GPT2
    >>> embedding_params(GPT2(d_model=512, n_head=(2, 2), d_inner=(1920, 1920)))
    26255872
    """
    return sum(_family(archs).embedding_components(archs).values())


@_formula
def params(archs: Shapes) -> Count:
    """All parameters, tied ones once: `decoder_params` + `embedding_params`.

    >>> from tradewind.core import HWGPT
    >>> params(HWGPT(d_model=192, n_head=(4,) * 10, mlp_ratio=(2,) * 10))
    23483520
    """
    return decoder_params(archs) + embedding_params(archs)


@overload
def components(archs: Architecture) -> dict[str, int]: ...
@overload
def components(archs: Sequence[Architecture]) -> dict[str, np.ndarray]: ...
def components(archs: Architecture | Sequence[Architecture]) -> Any:
    """Parameters by component; they add up to `params`.

    Every family has `attention`, `ffn` and `norms` (together `decoder_params`) and `token_embedding`; the others depend
    on the family (see its file).

    >>> from tradewind.core import GPT2
    >>> components(GPT2(d_model=64, n_head=(2,), d_inner=(128,)))["attention"]
    16640
    """
    shapes = _shapes(archs)
    family = _family(shapes)
    return family.decoder_components(shapes) | family.embedding_components(shapes)


@_formula
def macs(archs: Shapes, batch: int = 1, seq_len: int = 192, logits: str = "all") -> Count:
    """Multiply-accumulates of one forward over `batch` x `seq_len` tokens; `logits` as in `Workload`.

    Causal attention is counted as the full square, as kernels without a causal shortcut compute it. Transformer-XL is
    counted without memory. Raises `UsageError` for a batch or length below 1.

    >>> from tradewind.core import GPT2
    >>> macs(GPT2(d_model=64, n_head=(2,), d_inner=(128,)), seq_len=10)
    32504960
    """
    load = Workload(batch=batch, seq_len=seq_len, logits=logits)
    return _family(archs).macs(archs, batch, seq_len, seq_len if load.logits == "all" else 1)


@_formula
def flops(archs: Shapes, batch: int = 1, seq_len: int = 192, logits: str = "all") -> Count:
    """Floating-point operations of one forward: 2 · `macs`, equal to `torch.utils.flop_counter`'s count of our models.

    >>> from tradewind.core import GPT2
    >>> flops(GPT2(d_model=64, n_head=(2,), d_inner=(128,)), seq_len=10)
    65009920
    """
    return 2 * macs(archs, batch, seq_len, logits)


@_formula
def decode_flops(archs: Shapes, context: int, batch: int = 1) -> Count:
    """Floating-point operations to decode one token after `context` cached ones (it also sees itself).

    >>> from tradewind.core import GPT2
    >>> decode_flops(GPT2(d_model=64, n_head=(2,), d_inner=(128,)), context=9)
    6500992
    """
    Workload(batch=batch, context=context)
    return 2 * _family(archs).decode_macs(archs, batch, context)


@_formula
def kv_cache_bytes(archs: Shapes, context: int, batch: int = 1, dtype: str = "float32") -> Count:
    """Bytes of the key-value cache that holds `context` tokens.

    >>> from tradewind.core import GPT2
    >>> kv_cache_bytes(GPT2(d_model=64, n_head=(2, 2), d_inner=(128, 128)), context=100, dtype="float16")
    51200
    """
    load = Workload(batch=batch, context=context, dtype=dtype)
    return load.bytes_per_element * _family(archs).cache_elements(archs, batch, context)


@_formula
def activation_bytes(
    archs: Shapes, batch: int = 1, seq_len: int = 192, dtype: str = "float32", logits: str = "all"
) -> Count:
    """Estimate of the peak of one forward without gradients, beyond the weights, of our modules run eagerly.

    It is the largest set of tensors alive at once, each family's derived in its file, and equals what torch's
    dispatcher sees. Left out: buffers inside kernels, the allocator's rounding and caches, the tokens. In six trials
    with networks of four layers on a CPU the resident set peaked 12 to 43 MB above the estimate.

    >>> from tradewind.core import GPT2
    >>> activation_bytes(GPT2(d_model=64, n_head=(2,), d_inner=(128,)), seq_len=10, logits="last")
    203588
    """
    load = Workload(batch=batch, seq_len=seq_len, dtype=dtype, logits=logits)
    outputs = seq_len if logits == "all" else 1
    return load.bytes_per_element * _family(archs).activation_elements(archs, batch, seq_len, outputs)


def _family(shapes: Shapes) -> ModuleType:
    if shapes.family not in _FAMILIES:
        raise unknown("family with closed forms", shapes.family, _FAMILIES)
    return _FAMILIES[shapes.family]


def _shapes(archs: Architecture | Sequence[Architecture]) -> Shapes:
    return archs if isinstance(archs, Architecture) else ArchitectureBatch.of(archs)

"""Where each weight of a sub-network lies in the shared weights, family by family.

Everywhere a sub-network keeps the first entries: channels of the residual stream, inner neurons, heads.

gpt2, transformer-xl   The head size is the width over the number of heads, so width, heads and head size cannot be cut
                       one by one. With D, H, S = D / H of the shared layer and d, h, s = d / h of the sub-network's: if
                       s <= S and h <= H, its head i is the first s places of the shared head i (with s = S: the first
                       h heads, whole; with h = H: every head, narrower). Otherwise its heads are larger than the shared
                       ones, and take the first d places in order, each joining neighbours. The rows of queries, keys
                       and values and the columns of the output map are cut alike. A head count alone (d = D) changes
                       no weight, only how places are grouped.
transformer-xl         The map of position codes reads sines and cosines of d / 2 frequencies, 10000^(-2i/d). A narrower
                       network has fewer in the same range, so its column i is the shared column of the nearest
                       frequency not below, floor(i·D/d). Every cluster of the vocabulary has its own table and
                       projections, of which the first d_embed / div_val^k columns are kept.
hwgpt                  The head size is 64 whatever the width: the first h heads, whole, q, k and v together, as stored.

Source of slicing: Yu and Huang 2019, arXiv 1903.05134 (slimmable networks); HAT, arXiv 2005.14187; for GPTs Sukthanker
et al. 2024, arXiv 2405.10299. Joining and narrowing heads and the choice of frequencies are ours.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from tradewind.core import GPT2, HWGPT, Architecture, TransformerXL, UsageError
from tradewind.models.supernet.axes import Axis

Axes = tuple[Axis, ...]
"""One axis a dimension of a weight."""


def cuts(full: Architecture, arch: Architecture, layers: Sequence[int]) -> dict[str, tuple[str, Axes]]:
    """For each weight of `arch`, the name of the shared weight and how it is cut.

    `layers` are the shared layers that the sub-network's layers use, in their order. Raises `UsageError` for an
    architecture that is no part of `full`.
    """
    check(full, arch, layers)
    if isinstance(full, GPT2) and isinstance(arch, GPT2):
        return _gpt2(full, arch, layers)
    if isinstance(full, HWGPT) and isinstance(arch, HWGPT):
        return _hwgpt(full, arch, layers)
    if isinstance(full, TransformerXL) and isinstance(arch, TransformerXL):
        return _transformer_xl(full, arch, layers)
    raise UsageError(f"there is no supernet of {full.family}; there are those of gpt2, hwgpt and transformer-xl")


_EQUAL = {
    "gpt2": ("vocab_size",),
    "hwgpt": ("vocab_size", "network"),
    "transformer-xl": ("vocab_size", "cutoffs", "div_val", "tie_projs"),
}
"""Fields in which a sub-network must equal the whole."""
_AT_MOST = {
    "gpt2": ("d_model", "n_layer", "context"),
    "hwgpt": ("d_model", "n_layer", "bias"),
    "transformer-xl": ("d_model", "n_layer", "d_embed"),
}


def check(full: Architecture, arch: Architecture, layers: Sequence[int]) -> None:
    """Raise `UsageError` unless the weights of `arch` are part of those of `full`."""
    if full.family != arch.family or full.family not in _EQUAL:
        raise UsageError(f"a supernet of {full.family} holds no {arch.family} network; give one of {full.family}")
    for name in _EQUAL[full.family]:
        mine, theirs = getattr(full, name), getattr(arch, name)
        if mine != theirs:
            raise UsageError(f"the supernet has {name} {mine}, the architecture {theirs}; it must be the same")
    for name in _AT_MOST[full.family]:
        mine, theirs = getattr(full, name), getattr(arch, name)
        if theirs > mine:
            raise UsageError(f"the supernet holds networks of {name} up to {mine}; the architecture has {theirs}")
    for name, (usual, *_) in full.named_fields().items():
        for other in {*getattr(full, name), *getattr(arch, name)} - {usual}:
            raise UsageError(f"supernets are of {name} {usual}; one of these architectures has {other}")
    per_layer = ("n_head", "d_inner") if isinstance(full, HWGPT) else ("d_inner",)
    for name in per_layer:
        for i, (layer, theirs) in enumerate(zip(layers, getattr(arch, name), strict=True)):
            mine = getattr(full, name)[layer]
            if theirs > mine:
                raise UsageError(
                    f"the supernet holds networks of {name} up to {mine} in layer {i}; the architecture has {theirs}"
                )
    if isinstance(full, TransformerXL) and isinstance(arch, TransformerXL) and _projected(full) != _projected(arch):
        raise UsageError(
            "some architectures project their embedding and some do not (d_embed equal to d_model and div_val 1), so "
            "they share no weights; fix d_embed to 0 (the width) or to a size below the smallest width"
        )


def heads(full: Architecture, arch: Architecture, layer: int, i: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Nested sizes of the width of attention, shared and kept, of layer `i`, which uses the shared `layer`."""
    if isinstance(full, HWGPT):
        return (full.n_head[layer], full.head_size), (arch.n_head[i], full.head_size)
    n_full, n_kept = full.n_head[layer], arch.n_head[i]
    size_full, size_kept = full.d_model // n_full, arch.d_model // n_kept
    if n_kept <= n_full and size_kept <= size_full:
        return (n_full, size_full), (n_kept, size_kept)
    return (full.d_model,), (arch.d_model,)


def _gpt2(full: GPT2, arch: GPT2, layers: Sequence[int]) -> dict[str, tuple[str, Axes]]:
    width = Axis.first(full.d_model, arch.d_model)
    found = _named(
        "",
        "",
        {
            "token_embedding.weight": (Axis.first(full.vocab_size, arch.vocab_size), width),
            "position_embedding.weight": (Axis.first(full.context, arch.context), width),
        }
        | _norms(width, "final_norm"),
    )
    for i, layer in enumerate(layers):
        all_heads, own_heads = heads(full, arch, layer, i)
        qkv, out = Axis((3, *all_heads), (3, *own_heads)), Axis(all_heads, own_heads)
        inner = Axis.first(full.d_inner[layer], arch.d_inner[i])
        parts = (
            _linear("attention.qkv", qkv, width)
            | _linear("attention.out", width, out)
            | _linear("mlp.up", inner, width)
            | _linear("mlp.down", width, inner)
            | _norms(width, "attention_norm", "mlp_norm")
        )
        found |= _named(f"layers.{i}.", f"layers.{layer}.", parts)
    return found


def _hwgpt(full: HWGPT, arch: HWGPT, layers: Sequence[int]) -> dict[str, tuple[str, Axes]]:
    width, words = Axis.first(full.d_model, arch.d_model), Axis.first(full.vocab_size, arch.vocab_size)
    gated = full.network == "profiled"
    parts = {"token_embedding.weight": (words, width)} | _norms(width, "final_norm")
    found = _named("", "", parts | ({"output.weight": (words, width)} if gated else {}))
    for i, layer in enumerate(layers):
        (n_full, size), (n_kept, _) = heads(full, arch, layer, i)
        qkv = Axis.first(3 * size * n_full, 3 * size * n_kept)
        out = Axis.first(size * n_full, size * n_kept)
        inner = Axis.first(full.d_inner[layer], arch.d_inner[i])
        parts = (
            _linear("attention.qkv", qkv, width, arch.bias)
            | _linear("attention.out", width, out, arch.bias)
            | _linear("mlp.up", inner, width, arch.bias)
            | (_linear("mlp.gate", inner, width, arch.bias) if gated else {})
            | _linear("mlp.down", width, inner, arch.bias)
            | _norms(width, "attention_norm", "mlp_norm")
        )
        found |= _named(f"layers.{i}.", f"layers.{layer}.", parts)
    return found


def _transformer_xl(full: TransformerXL, arch: TransformerXL, layers: Sequence[int]) -> dict[str, tuple[str, Axes]]:
    width, codes = Axis.first(full.d_model, arch.d_model), _frequencies(full.d_model, arch.d_model)
    found = _named("", "", _vocabulary(full, arch, width))
    for i, layer in enumerate(layers):
        all_heads, own_heads = heads(full, arch, layer, i)
        qkv, one = Axis((3, *all_heads), (3, *own_heads)), Axis(all_heads, own_heads)
        inner = Axis.first(full.d_inner[layer], arch.d_inner[i])
        parts: dict[str, Axes] = (
            {
                "attention.qkv.weight": (qkv, width),
                "attention.relative.weight": (one, codes),
                "attention.out.weight": (width, one),
                "attention.content_bias": (one,),
                "attention.position_bias": (one,),
            }
            | _linear("mlp.up", inner, width)
            | _linear("mlp.down", width, inner)
            | _norms(width, "attention_norm", "mlp_norm")
        )
        found |= _named(f"layers.{i}.", f"layers.{layer}.", parts)
    return found


def _vocabulary(full: TransformerXL, arch: TransformerXL, width: Axis) -> dict[str, Axes]:
    edges = (0, *full.cutoffs, full.vocab_size)
    if full.div_val == 1:
        sizes, shrink = [full.vocab_size], [1]
    else:
        sizes = [stop - start for start, stop in itertools.pairwise(edges)]
        shrink = [full.div_val**k for k in range(len(sizes))]
    embeddings = [Axis.first(full.d_embed // s, arch.d_embed // s) for s in shrink]
    found: dict[str, Axes] = {"vocabulary.bias": (Axis.first(full.vocab_size, arch.vocab_size),)}
    for k, (size, embedding) in enumerate(zip(sizes, embeddings, strict=True)):
        found[f"vocabulary.tables.{k}"] = (Axis.first(size, size), embedding)
    if full.cutoffs:
        clusters = Axis.first(len(full.cutoffs), len(full.cutoffs))
        found |= {"vocabulary.cluster_weight": (clusters, embeddings[0]), "vocabulary.cluster_bias": (clusters,)}
    if _projected(full):
        clusters_projected = range(len(edges) - 1)
        for k in range(len(embeddings)):
            found[f"vocabulary.embedding_projections.{k}"] = (width, embeddings[k])
        for k in clusters_projected if not full.tie_projs else (0,):
            found[f"vocabulary.softmax_projections.{k}"] = (width, embeddings[min(k, len(embeddings) - 1)])
    return found


def _projected(arch: TransformerXL) -> bool:
    return arch.div_val != 1 or arch.d_embed != arch.d_model


def _frequencies(full: int, kept: int) -> Axis:
    """Columns of the sines, then of the cosines, of the frequencies that the narrower codes have (nearly)."""
    if full == kept:
        return Axis.first(full, kept)
    sines, cosines = (full + 1) // 2, full // 2
    first = [i * full // kept for i in range((kept + 1) // 2)]
    second = [sines + min(i * full // kept, cosines - 1) for i in range(kept // 2)]
    return Axis((full,), (kept,), tuple(first + second))


def _linear(name: str, out: Axis, into: Axis, bias: bool = True) -> dict[str, Axes]:
    return {f"{name}.weight": (out, into)} | ({f"{name}.bias": (out,)} if bias else {})


def _norms(width: Axis, *names: str) -> dict[str, Axes]:
    return {f"{name}.{kind}": (width,) for name in names for kind in ("weight", "bias")}


def _named(own: str, shared: str, parts: Mapping[str, Any]) -> dict[str, tuple[str, Axes]]:
    return {own + name: (shared + name, axes) for name, axes in parts.items()}

"""Puts the units of a trained model in order of importance, so that the first ones are the ones to keep.

Units are channels of the residual stream, heads, places inside heads (where the head size follows from the width) and
inner neurons. Permuting them changes no output of the whole model: LayerNorm, sums and products do not care.

The importance of a unit is the sum over batches of |∂loss/∂g| at g = 1, where g multiplies the unit's activation: the
first-order estimate of what its removal costs (Michel et al. 2019, arXiv 1905.10650, for heads; Molchanov et al. 2019,
arXiv 1906.10771). Since g scales the weights that read the unit, ∂loss/∂g = Σ w·∂loss/∂w over them, so gradients of
weights are all it takes. The importance of a layer is the rise of the loss without it.

Letters: L layers, D width, H heads, S head size, F inner size.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from tradewind.core import HWGPT, Architecture, TransformerXL, UsageError
from tradewind.models.base import LanguageModel
from tradewind.models.supernet.supernet import Supernet

Batches = Iterable[tuple[Tensor, Tensor]]
"""Tokens and targets, int64 (B, T) each."""


@dataclasses.dataclass
class Importance:
    """Scores, larger is more important: `width` (D,), `layers` (L,), and a list with an entry a layer of the rest.

    `heads` (H,), `neurons` (F,), and for the places in heads `keys` (of queries and keys) and `values`, (H, S) each.
    """

    width: Tensor
    layers: Tensor
    heads: list[Tensor]
    keys: list[Tensor]
    values: list[Tensor]
    neurons: list[Tensor]


def measure(model: LanguageModel, batches: Batches) -> Importance:
    """The importance of every unit on some batches of text, in evaluation mode; the model is left as it was."""
    model = copy.deepcopy(model).eval()
    arch = model.arch
    sizes = [_head_sizes(arch, i) for i in range(arch.n_layer)]
    found = Importance(
        width=torch.zeros(arch.d_model),
        layers=torch.zeros(arch.n_layer),
        heads=[torch.zeros(size[0]) for size in sizes],
        keys=[torch.zeros(size) for size in sizes],
        values=[torch.zeros(size) for size in sizes],
        neurons=[torch.zeros(inner) for inner in arch.layer_column("d_inner")],
    )
    without = [_without(model, i) for i in range(arch.n_layer)] if arch.n_layer > 1 else []
    count = 0
    for tokens, targets in batches:
        count += 1
        model.zero_grad()
        loss = model.loss(tokens, targets)
        torch.autograd.backward(loss)
        weights = dict(model.named_parameters())
        _add(found, weights, sizes, isinstance(arch, HWGPT))
        with torch.no_grad():
            for i, shorter in enumerate(without):
                found.layers[i] += (shorter(tokens, targets) - loss).item()
    if not count:
        raise UsageError("importance is measured on text; give at least one batch")
    return found


def ranked(model: LanguageModel, importance: Importance) -> Supernet:
    """A supernet of a copy of `model` whose units stand in order of importance; equal to `model` at full size.

    A shallow sub-network drops the least important layers. Ties keep their order.
    """
    arch = model.arch
    new = copy.deepcopy(model)
    weights = dict(new.named_parameters())
    width = _order(importance.width)
    for i in range(arch.n_layer):
        heads, size = _head_sizes(arch, i)
        head = _order(importance.heads[i])
        if isinstance(arch, HWGPT):
            rows = (head[:, None] * 3 * size + torch.arange(3 * size)).flatten()
            values = (head[:, None] * size + torch.arange(size)).flatten()
        else:
            keys = (head[:, None] * size + _order(importance.keys[i])[head]).flatten()
            values = (head[:, None] * size + _order(importance.values[i])[head]).flatten()
            rows = torch.cat([keys, heads * size + keys, 2 * heads * size + values])
            _permute(weights, f"layers.{i}.attention.relative", keys, None)
            for name in ("content_bias", "position_bias"):
                _permute_flat(weights, f"layers.{i}.attention.{name}", keys)
        inner = _order(importance.neurons[i])
        _permute(weights, f"layers.{i}.attention.qkv", rows, width)
        _permute(weights, f"layers.{i}.attention.out", width, values)
        _permute(weights, f"layers.{i}.mlp.up", inner, width)
        _permute(weights, f"layers.{i}.mlp.gate", inner, width)
        _permute(weights, f"layers.{i}.mlp.down", width, inner)
        for norm in ("attention_norm", "mlp_norm"):
            _permute(weights, f"layers.{i}.{norm}", width, None)
    _permute(weights, "final_norm", width, None)
    for name in ("token_embedding", "position_embedding", "output"):
        _permute(weights, name, None, width)
    if isinstance(arch, TransformerXL):
        _permute_vocabulary(weights, arch, width)
    return Supernet(new, _order(importance.layers).tolist())


def _add(found: Importance, weights: Mapping[str, Tensor], sizes: list[tuple[int, int]], rotary: bool) -> None:
    """Add the |gradients| of the gates of one batch."""

    def gate(name: str, dim: int) -> Tensor:
        product = weights[name].detach() * _gradient(weights[name])
        return (product.sum(dim) if product.ndim == 2 else product).cpu().float()

    for name in weights:
        if name.endswith("norm.weight"):
            found.width += (gate(name, 1) + gate(name.removesuffix("weight") + "bias", 1)).abs()
    for i, (heads, size) in enumerate(sizes):
        at = f"layers.{i}"
        values = gate(f"{at}.attention.out.weight", 0).view(heads, size)
        found.heads[i] += values.sum(1).abs()
        found.values[i] += values.abs()
        found.neurons[i] += gate(f"{at}.mlp.down.weight", 0).abs()
        if not rotary:
            part = slice(heads * size, 2 * heads * size)
            keys = gate(f"{at}.attention.qkv.weight", 1)[part]
            if f"{at}.attention.qkv.bias" in weights:
                keys = keys + gate(f"{at}.attention.qkv.bias", 1)[part]
            if f"{at}.attention.relative.weight" in weights:
                keys = keys + gate(f"{at}.attention.relative.weight", 1)
            found.keys[i] += keys.view(heads, size).abs()


def _without(model: LanguageModel, layer: int) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of the model without one layer."""
    arch = model.arch
    others = [i for i in range(arch.n_layer) if i != layer]
    shorter = arch.replace(**{name: tuple(getattr(arch, name)[i] for i in others) for name in arch.per_layer_fields()})
    return Supernet(model, [*others, layer]).at(shorter).loss


def _head_sizes(arch: Architecture, layer: int) -> tuple[int, int]:
    heads = arch.n_head[layer]
    return heads, arch.head_size if isinstance(arch, HWGPT) else arch.d_model // heads


def _gradient(weight: Tensor) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def _order(scores: Tensor) -> Tensor:
    return scores.argsort(dim=-1, descending=True, stable=True)


def _permute_vocabulary(weights: Mapping[str, Tensor], arch: TransformerXL, width: Tensor) -> None:
    if arch.div_val == 1 and arch.d_embed == arch.d_model:
        _put(weights["vocabulary.tables.0"], None, width)
        if arch.cutoffs:
            _put(weights["vocabulary.cluster_weight"], None, width)
    for name, weight in weights.items():
        if "_projections." in name:
            _put(weight, width, None)


def _permute(weights: Mapping[str, Tensor], name: str, rows: Tensor | None, columns: Tensor | None) -> None:
    """Permute a linear map, embedding or norm of that name, bias included, where there is one."""
    if f"{name}.weight" in weights:
        _put(weights[f"{name}.weight"], rows, columns)
    if f"{name}.bias" in weights and rows is not None:
        _put(weights[f"{name}.bias"], rows, None)


def _permute_flat(weights: Mapping[str, Tensor], name: str, places: Tensor) -> None:
    if name in weights:
        _put(weights[name].view(-1), places, None)


@torch.no_grad()
def _put(weight: Tensor, rows: Tensor | None, columns: Tensor | None) -> None:
    value = weight if rows is None else weight[rows.to(weight.device)]
    weight.copy_((value if columns is None else value[:, columns.to(weight.device)]).clone())

"""Puts Primer's parts into a model that exists: Hugging Face's GPT-2, or PyTorch's own Transformer layers.

Parameters that were there stay where they are, under their names; only the kernels of the convolutions are new.

Letters: B batch, T tokens, D width, H heads, S head size.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tradewind.core import UsageError, unknown
from tradewind.models.depthwise import HeadConvolution, causal_depthwise
from tradewind.models.parts.activations import SquaredReLU

PARTS = ("squared-relu", "mdha")
Model = TypeVar("Model", bound=nn.Module)


def primerize(model: Model, parts: Iterable[str] = PARTS, identity: bool = False) -> Model:
    """The same model with Primer-EZ's parts: squared ReLU in its feed-forwards, MDHA as its self-attention.

    Knows ``GPT2LMHeadModel`` and its like of transformers (by `GPT2Attention` and `GPT2MLP`) and every
    ``torch.nn.TransformerEncoderLayer`` and ``TransformerDecoderLayer``, wherever they are in the model; attention over
    another text (cross-attention) stays as it is. MDHA adds 9 · d_model parameters a layer, squared ReLU none. With
    `identity` the kernels start by changing nothing, so with ``parts=["mdha"]`` a trained model computes the same until
    it is trained on; else they start as Primer's.

    Decoding with transformers' caches works, beam search and cropping too; such a cache then also keeps the rows before
    the convolution (2.5 times the memory). Not handled: left padding, whose rows the first two tokens would see.

    Raises `UsageError` for an unknown part, for a model without such layers, and where MDHA is there already.

    >>> layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    >>> before = sum(p.numel() for p in layer.parameters())
    >>> sum(p.numel() for p in primerize(layer).parameters()) - before
    144
    """
    wanted = tuple(parts)
    for part in wanted:
        if part not in PARTS:
            raise unknown("part", part, PARTS)
    attentions, feed_forwards = _places(model)
    found = (attentions if "mdha" in wanted else []) + (feed_forwards if "squared-relu" in wanted else [])
    if not found:
        raise UsageError(
            f"{type(model).__name__} holds no GPT-2 layer of transformers and no torch.nn Transformer layer to put "
            f"{' and '.join(wanted) or 'nothing'} into; build the network with a block of the gpt2 family instead"
        )
    if "mdha" in wanted:
        for attention in attentions:
            if any(isinstance(part, HeadConvolution) for part in attention.modules()):
                raise UsageError("the model has multi-DConv-head attention already; swap it in once")
        for attention in attentions:
            _convolve(attention, identity)
    if "squared-relu" in wanted:
        for feed_forward in feed_forwards:
            _square(feed_forward)
    return model


class ConvolvedMultiheadAttention(nn.MultiheadAttention):
    """``nn.MultiheadAttention`` of a text to itself with convolved projections; made by `primerize`."""

    convolution: HeadConvolution

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, None]:
        """As the class above, without weights: (B, T, D), or (T, B, D), or (T, D) -> the same, and None."""
        if query is not key or key is not value:
            raise UsageError("multi-DConv-head attention reads one text; queries, keys and values must be the same")
        batched = query.unsqueeze(0) if query.ndim == 2 else query
        x = batched if self.batch_first or query.ndim == 2 else batched.transpose(0, 1)
        rows = self.convolution(F.linear(x, self.in_proj_weight, self.in_proj_bias))
        heads = rows.unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)  # 3 x B H T S
        queries, keys, values = heads
        mask = _joined(attn_mask, key_padding_mask, x.shape[0], self.num_heads, x.dtype)
        attended = F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=is_causal and mask is None,
        )
        out = self.out_proj(attended.transpose(1, 2).flatten(2))
        if query.ndim == 2:
            return out.squeeze(0), None
        return out if self.batch_first else out.transpose(0, 1), None


class ConvolvedRows(nn.Module):
    """The joint map to queries, keys and values of transformers' GPT-2 (a ``Conv1D``), then the convolution."""

    weight: Tensor
    bias: Tensor

    def __init__(self, projection: nn.Module, layer: int, identity: bool) -> None:
        super().__init__()
        rows: Any = projection
        self.weight, self.bias = rows.weight, rows.bias
        self.convolution = _like(self.weight, HeadConvolution(self.weight.shape[1], identity=identity))
        self.layer = layer
        self.past: Any = None

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, 3·D); reads and fills the cache that its attention was called with."""
        rows = torch.addmm(self.bias, x.flatten(0, -2), self.weight).unflatten(0, x.shape[:-1])
        if self.past is None:
            return self.convolution(rows)
        kernels, new = self.convolution.weight, rows.shape[1]
        seen, _ = self._layer_of(self.past).update(rows.unsqueeze(1), rows.unsqueeze(1)[..., :0])
        before = seen[:, 0, : seen.shape[2] - new][:, -(kernels.shape[1] - 1) :]
        return causal_depthwise(rows, kernels, F.pad(before, (0, 0, kernels.shape[1] - 1 - before.shape[1], 0)))

    def remember(self, attention: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Before its attention: take the cache of this call."""
        past = kwargs.get("past_key_values", args[1] if len(args) > 1 else None)
        self.past = getattr(past, "self_attention_cache", past)

    def forget(self, attention: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """After its attention."""
        self.past = None

    def _layer_of(self, cache: Any) -> Any:
        """A layer of the cache for the rows, behind those of keys and values, so that it is reordered with them."""
        from transformers.cache_utils import DynamicLayer

        own = getattr(cache, "_convolved", None)
        if own is None:
            own = cache._convolved = {}
        if self.layer not in own:
            own[self.layer] = len(cache.layers)
            cache.layers.append(DynamicLayer())
        return cache.layers[own[self.layer]]


def _places(model: nn.Module) -> tuple[list[nn.Module], list[nn.Module]]:
    """The self-attentions and the holders of activations in a model."""
    attentions: list[nn.Module] = []
    feed_forwards: list[nn.Module] = []
    for module in model.modules():
        name = type(module).__name__
        if isinstance(module, (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)):
            attentions.append(module.self_attn)
            feed_forwards.append(module)
        elif name == "GPT2Attention" and not module.is_cross_attention:
            attentions.append(module)
        elif name == "GPT2MLP":
            feed_forwards.append(module)
    return attentions, feed_forwards


def _convolve(attention: nn.Module, identity: bool) -> None:
    if not isinstance(attention, nn.MultiheadAttention):
        rows = ConvolvedRows(attention.c_attn, attention.layer_idx or 0, identity)  # type: ignore[arg-type]
        attention.c_attn = rows
        attention.register_forward_pre_hook(rows.remember, with_kwargs=True)
        attention.register_forward_hook(rows.forget, always_call=True)
        return
    if not attention._qkv_same_embed_dim or attention.bias_k is not None or attention.add_zero_attn:
        raise UsageError("only self-attention of one width, without bias_k and add_zero_attn, can be convolved")
    weight = attention.in_proj_weight
    attention.convolution = _like(weight, HeadConvolution(weight.shape[0], identity=identity))
    attention.__class__ = ConvolvedMultiheadAttention
    # PyTorch's layers would otherwise compute attention themselves in evaluation, past this module.
    attention._qkv_same_embed_dim = False


def _like(weight: Tensor, convolution: HeadConvolution) -> HeadConvolution:
    """The convolution on the device and in the dtype of a weight, its start exact in that dtype."""
    convolution.to(weight).reset_parameters()
    return convolution


def _square(feed_forward: nn.Module) -> None:
    if isinstance(feed_forward, (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)):
        feed_forward.activation = SquaredReLU()
        feed_forward.activation_relu_or_gelu = 0
    else:
        feed_forward.act = SquaredReLU()


def _joined(mask: Tensor | None, padding: Tensor | None, batch: int, n_head: int, dtype: torch.dtype) -> Tensor | None:
    """Both masks of ``nn.MultiheadAttention`` as one to add to the scores, of a shape that (B, H, T, T) takes."""
    found = None
    for given in (mask, padding):
        if given is None:
            continue
        added = given
        if given.dtype == torch.bool:
            added = torch.zeros(given.shape, dtype=dtype, device=given.device).masked_fill(given, -torch.inf)
        if given is padding:
            added = added.reshape(batch, 1, 1, -1)
        elif added.ndim == 3:
            added = added.unflatten(0, (batch, n_head))
        found = added if found is None else found + added
    return found

"""The two halves of a GPT-2 block as one operation each, for training in float32 on the CPU.

Their numbers are those of the modules; what differs is how often memory is read. Beside the matrix products, which take
three quarters of a step, the plain path spends its time on attention (torch's fused kernel multiplies small tiles), on
the tanh GELU (computed anew in the backward pass, lane by lane) and on passes over activations: copies of q, k and v,
biases, residual sums. Here

- attention multiplies blocks of 128 queries with the keys up to their last one, out of the rows of `qkv` and back into
  them, and keeps the shares for the backward pass (half of B·H·T² numbers);
- the activation's derivative is computed with it while a few rows are in the cache, and takes the place of the values
  that it was computed from, so the backward pass only multiplies by it;
- sums over positions are matrix products, and what a half adds is added by its last product.

The gradients can be differentiated no further: that raises torch's error for a function that is differentiable once.

Letters: B batch, T tokens, N = B·T, D width, H heads, S head size, F inner size, C queries of a block.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tradewind.models.attention import Attention
from tradewind.models.feed_forward import FeedForward

QUERIES = 128
"""Queries of a block of attention."""
SMALLEST, LONGEST = 2**17, 512
"""Scores of a sequence (H·T²) from which, and length up to which, blocks were faster than torch's fused kernel."""
IN_CACHE = 2**18
"""Inner values that are activated at a time: a megabyte for each of four buffers, shared by all threads."""
_SCALE = math.sqrt(2 / math.pi)
"""GELU by tanh (Hendrycks and Gimpel 2016, arXiv 1606.08415): x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))."""
_CUBE = 0.044715 / _SCALE**2

Gradients = tuple[Tensor | None, ...]
_aten: Any = torch.ops.aten


def usable(x: Tensor, block: nn.Module) -> bool:
    """Whether a block of `norm, attention, norm, mlp` may run as `attend` and `feed_forward` on (B, T, D).

    So it is while a plain block of GPT-2 without dropout is trained: in training mode, with a gradient wanted for all,
    in float32 on the CPU, outside autocast, compilation, torch.func and dispatch modes, with no hooks on its parts.
    """
    if not (block.training and torch.is_grad_enabled() and x.requires_grad and type(x) is Tensor):
        return False
    if x.device.type != "cpu" or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
        return False
    if torch._C._functorch.maybe_current_level() is not None or torch._C._len_torch_dispatch_stack():
        return False
    parts: Any = block
    norms, attention, mlp = (parts.attention_norm, parts.mlp_norm), parts.attention, parts.mlp
    if parts.post_norm or parts.dropout.p or type(attention) is not Attention or type(mlp) is not FeedForward:
        return False
    if type(mlp.dropout) is not nn.Identity or type(mlp.activation) is not nn.GELU:
        return False
    if mlp.activation.approximate != "tanh":
        return False
    if any(type(norm) is not nn.LayerNorm for norm in norms):
        return False
    inside = (module for module in block.modules() if module is not block)
    if any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks or m._backward_pre_hooks for m in inside):
        return False
    weights = list(block.parameters())
    return len(weights) == 12 and all(w.requires_grad and w.dtype == x.dtype == torch.float32 for w in weights)


def attend(x: Tensor, norm: nn.LayerNorm, attention: Attention) -> Tensor:
    """The sum x + attention(norm(x)), (B, T, D) -> (B, T, D)."""
    qkv, out = attention.qkv, attention.out
    weights = (norm.weight, norm.bias, qkv.weight, qkv.bias, out.weight, out.bias)
    result: Tensor = _Attend.apply(x, *weights, norm.eps, attention.n_head)  # type: ignore[no-untyped-call]
    return result


def feed_forward(x: Tensor, norm: nn.LayerNorm, mlp: FeedForward) -> Tensor:
    """The sum x + mlp(norm(x)) with the tanh GELU, (B, T, D) -> (B, T, D)."""
    weights = (norm.weight, norm.bias, mlp.up.weight, mlp.up.bias, mlp.down.weight, mlp.down.bias)
    result: Tensor = _FeedForward.apply(x, *weights, norm.eps)  # type: ignore[no-untyped-call]
    return result


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gain: Tensor, shift: Tensor, qkv: Tensor, qkv_bias: Tensor, out: Tensor, bias: Tensor,
        eps: float, n_head: int,
    ) -> Tensor:  # fmt: skip
        batch, length, width = x.shape
        x = x.reshape(-1, width)  # N D
        y, mean, deviation = torch.native_layer_norm(x, (width,), gain, shift, eps)
        rows = torch.addmm(qkv_bias, y, qkv.t())  # N 3·D
        shape = (batch, length, n_head)
        blockwise = n_head * length**2 >= SMALLEST and length <= LONGEST
        mixed, *kept = _blocks_forward(rows, shape) if blockwise else _kernel_forward(rows, shape)
        ctx.save_for_backward(x, gain, shift, mean, deviation, y, qkv, out, rows, mixed, *kept)
        ctx.shape, ctx.blockwise = shape, blockwise
        return (x + bias).addmm_(mixed, out.t()).view(batch, length, width)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Gradients:
        x, gain, shift, mean, deviation, y, qkv, out, rows, mixed, *kept = ctx.saved_tensors
        gradient = gradient.reshape(x.shape)
        backward = _blocks_backward if ctx.blockwise else _kernel_backward
        by_rows = backward(gradient @ out, rows, mixed, kept, ctx.shape)
        by_out = gradient.t() @ mixed, _total(gradient)
        by_qkv = by_rows.t() @ y, _total(by_rows)
        by_x, by_gain, by_shift = _norm_backward(by_rows @ qkv, x, mean, deviation, gain, shift)
        by_x = by_x.add_(gradient).view(*ctx.shape[:2], -1)
        return by_x, by_gain, by_shift, *by_qkv, *by_out, None, None


class _FeedForward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gain: Tensor, shift: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, bias: Tensor,
        eps: float,
    ) -> Tensor:  # fmt: skip
        shape, width = x.shape, x.shape[-1]
        x = x.reshape(-1, width)  # N D
        y, mean, deviation = torch.native_layer_norm(x, (width,), gain, shift, eps)
        inner = torch.addmm(up_bias, y, up.t(), beta=_SCALE, alpha=_SCALE)  # N F
        active = _activate(inner)
        ctx.save_for_backward(x, gain, shift, mean, deviation, y, up, down, inner, active)
        return (x + bias).addmm_(active, down.t(), alpha=0.5 / _SCALE).view(shape)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Gradients:
        x, gain, shift, mean, deviation, y, up, down, slope, active = ctx.saved_tensors
        shape, gradient = gradient.shape, gradient.reshape(x.shape)
        by_down = torch.empty_like(down, memory_format=torch.contiguous_format)
        by_down.addmm_(gradient.t(), active, beta=0, alpha=0.5 / _SCALE)
        by_inner = torch.empty_like(active).addmm_(gradient, down, beta=0, alpha=0.5)
        by_inner.addcmul_(by_inner, slope)
        by_up = by_inner.t() @ y, _total(by_inner)
        by_x, by_gain, by_shift = _norm_backward(by_inner @ up, x, mean, deviation, gain, shift)
        return by_x.add_(gradient).view(shape), by_gain, by_shift, *by_up, by_down, _total(gradient), None


def _activate(inner: Tensor) -> Tensor:
    """Of a = √(2/π)·x, (N, F), a·(1 + t) with t the tanh in GELU; `inner` becomes 2·GELU'(x) - 1.

    With u = a + _CUBE·a³ and t = tanh u, twice the derivative is 1 + t + (1 - t²)·x·u', where x·u' = 3u - 2a.
    """
    active = torch.empty_like(inner)
    rows = max(1, IN_CACHE // inner.shape[1])
    buffers = inner.new_empty(2, min(rows, len(inner)), inner.shape[1])
    one = inner.new_ones(())
    for a, out in zip(inner.split(rows), active.split(rows), strict=True):
        u, t = buffers[:, : len(a)]
        torch.addcmul(one, a, a, value=_CUBE, out=u).mul_(a)
        torch.tanh(u, out=t)
        torch.addcmul(a, a, t, out=out)
        a.lerp_(u, 3.0)
        _aten.tanh_backward.grad_input(a, t, grad_input=a).add_(t)
    return active


def _blocks_forward(rows: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, ...]:
    """Causal attention of `rows` (N, 3·D): the mixed values (N, D), and the shares of each block (B, H, C, keys)."""
    batch, length, n_head = shape
    queries, keys, values = _heads(rows, shape)  # each B H T S
    mixed = rows.new_empty(len(rows), rows.shape[1] // 3)
    target = mixed.view(batch, length, n_head, -1).transpose(1, 2)
    hidden = rows.new_full((QUERIES, QUERIES), -math.inf).triu_(1)
    scale, shares = queries.shape[-1] ** -0.5, []
    for start in range(0, length, QUERIES):
        stop = min(start + QUERIES, length)
        block = rows.new_empty(batch, n_head, stop - start, stop)
        corner, mask = block[..., start:], hidden[: stop - start, : stop - start]
        operands = queries[:, :, start:stop], keys[:, :, :stop].mT, values[:, :, :stop], target[:, :, start:stop]
        for share, square, q, k, v, to in _each(block, corner, *operands):
            torch.baddbmm(share, q, k, beta=0, alpha=scale, out=share)
            square.add_(mask)
            torch.softmax(share, -1, out=share)
            torch.bmm(share, v, out=to)
        shares.append(block)
    return mixed, *shares


def _blocks_backward(
    gradient: Tensor, rows: Tensor, mixed: Tensor, shares: list[Tensor], shape: tuple[int, int, int]
) -> Tensor:
    """The gradient of `rows` (N, 3·D) from that of the mixed values (N, D)."""
    batch, length, n_head = shape
    by_rows = torch.empty_like(rows)
    queries, keys, values = _heads(rows, shape)
    by_queries, by_keys, by_values = _heads(by_rows, shape)
    by_mixed = gradient.view(batch, length, n_head, -1).transpose(1, 2)
    scale = by_mixed.shape[-1] ** -0.5
    for block in reversed(shares):
        stop = block.shape[3]
        start, add = stop - block.shape[2], int(stop < length)  # the last block sees all keys: it writes, others add
        scores = block.new_empty(block.shape[1:])
        here, before = (slice(None), slice(None), slice(start, stop)), (slice(None), slice(None), slice(stop))
        operands = queries[here], keys[before], values[before].mT, by_mixed[here]
        results = by_queries[here], by_keys[before], by_values[before]
        for share, turned, q, k, v, g, by_q, by_k, by_v in _each(block, block.mT, *operands, *results):
            by_v.baddbmm_(turned, g, beta=add)
            torch.bmm(g, v, out=scores)
            _aten._softmax_backward_data.out(scores, share, -1, scores.dtype, grad_input=scores)
            by_q.baddbmm_(scores, k, beta=0, alpha=scale)
            by_k.baddbmm_(scores.mT, q, beta=add, alpha=scale)
    return by_rows


def _each(*batches: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The tensors of one sequence after the other; a sequence's scores stay in the cache."""
    return zip(*(batch.unbind() for batch in batches), strict=True)


def _kernel_forward(rows: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, ...]:
    """The same by torch's fused kernel: the mixed values and what its backward pass asks for."""
    mixed, normaliser = _aten._scaled_dot_product_flash_attention_for_cpu(*_heads(rows, shape), 0.0, True)
    return mixed.transpose(1, 2).reshape(len(rows), -1), normaliser


def _kernel_backward(
    gradient: Tensor, rows: Tensor, mixed: Tensor, kept: list[Tensor], shape: tuple[int, int, int]
) -> Tensor:
    by_mixed, mixed = (t.view(*shape, -1).transpose(1, 2) for t in (gradient, mixed))
    backward = _aten._scaled_dot_product_flash_attention_for_cpu_backward
    found = backward(by_mixed, *_heads(rows, shape), mixed, kept[0], 0.0, True)
    return torch.cat([part.transpose(1, 2).reshape(len(rows), -1) for part in found], 1)


def _heads(rows: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """(N, 3·D) -> views of queries, keys and values, each (B, H, T, S)."""
    batch, length, n_head = shape
    queries, keys, values = rows.view(batch, length, 3, n_head, -1).permute(2, 0, 3, 1, 4)
    return queries, keys, values


def _norm_backward(
    gradient: Tensor, x: Tensor, mean: Tensor, deviation: Tensor, gain: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    found: tuple[Tensor, Tensor, Tensor] = _aten.native_layer_norm_backward(
        gradient, x, x.shape[-1:], mean, deviation, gain, shift, [True] * 3
    )
    return found


def _total(rows: Tensor) -> Tensor:
    """The sum of the rows, (N, D) -> (D,): half the time of torch's sum."""
    return (rows.new_ones(1, len(rows)) @ rows).squeeze(0)

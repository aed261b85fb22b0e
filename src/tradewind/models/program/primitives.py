"""The 39 primitives and the branch operations in torch, one function each; all run on whole batches.

Source: So et al. 2021, arXiv 2109.08668, appendix A.1; meanings as in `tradewind.programs.operations`.

Letters: B batch, G copies, T tokens, C columns, K taps of a kernel, O columns of a convolution's result. Values have
shape (B, T, C) or, in a branch, (B, G, T, C). A weight along T columns is cut to the sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from tradewind.models.depthwise import causal_depthwise


def abs_root(x: Tensor) -> Tensor:
    """√|x|."""
    return x.abs().sqrt()


def log(x: Tensor) -> Tensor:
    """Natural logarithm of |x|, -inf at 0."""
    return x.abs().log()


def recip(x: Tensor) -> Tensor:
    """1/x, and 0 at 0 with a gradient of 0."""
    zero = x == 0
    return torch.where(zero, 0.0, 1 / torch.where(zero, 1.0, x))


def maximum(x: Tensor, constant: float) -> Tensor:
    """max(x, c), entry by entry."""
    return F.relu(x) if constant == 0 else x.clamp(min=constant)


def minimum(x: Tensor, constant: float) -> Tensor:
    """min(x, c), entry by entry."""
    return x.clamp(max=constant)


def cum_prod(x: Tensor) -> Tensor:
    """Product of the rows so far."""
    return x.cumprod(-2)


def cum_sum(x: Tensor) -> Tensor:
    """Sum of the rows so far."""
    return x.cumsum(-2)


def red_mean(x: Tensor) -> Tensor:
    """Mean over the columns, one column left."""
    return x.mean(-1, keepdim=True)


def red_sum(x: Tensor) -> Tensor:
    """Sum over the columns, one column left."""
    return x.sum(-1, keepdim=True)


def red_min(x: Tensor) -> Tensor:
    """Minimum over the columns, one column left."""
    return x.amin(-1, keepdim=True)


def red_max(x: Tensor) -> Tensor:
    """Maximum over the columns, one column left."""
    return x.amax(-1, keepdim=True)


def red_prod(x: Tensor) -> Tensor:
    """Product over the columns, one column left."""
    return x.prod(-1, keepdim=True)


def t_mat_mul(x: Tensor, y: Tensor) -> Tensor:
    """X Yᵀ: (..., T, C), (..., T, C) -> (..., T, T)."""
    return x @ y.mT


def scale(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply each column by its weight, (C,) or (G, C)."""
    return x * weight[..., None, : x.shape[-1]]


def shift(x: Tensor, weight: Tensor) -> Tensor:
    """Add to each column its weight, (C,) or (G, C)."""
    return x + weight[..., None, : x.shape[-1]]


def dense(x: Tensor, weight: Tensor) -> Tensor:
    """X Wᵀ with a weight of (O, C) or (G, O, C)."""
    weight = weight[..., : x.shape[-1]]
    return F.linear(x, weight) if weight.ndim == 2 else x @ weight.mT


def convolution(x: Tensor, weight: Tensor) -> Tensor:
    """Causal convolution along the tokens with a weight of (O, C, K) or (G, O, C, K); the last tap is the present."""
    weight = weight[..., : x.shape[-1], :]
    if weight.ndim == 3:
        return F.conv1d(_padded(x, weight).mT, weight).mT
    copies = weight.shape[0]
    rows = _padded(x, weight).mT.flatten(1, 2)  # B G·C K-1+T
    out = F.conv1d(rows, weight.flatten(0, 1), groups=copies)  # B G·O T
    return torch.unflatten(out, 1, (copies, -1)).mT


def depthwise(x: Tensor, weight: Tensor) -> Tensor:
    """Causal convolution of each column with its own kernel, (C, K) or (G, C, K), one operation for all copies."""
    weight = weight[..., : x.shape[-1], :]
    rows = x if weight.ndim == 2 else x.transpose(1, 2).flatten(2)  # B T G·C
    out = causal_depthwise(rows, weight.reshape(-1, weight.shape[-1]))
    return out if weight.ndim == 2 else torch.unflatten(out, 2, (weight.shape[0], -1)).transpose(1, 2)


def branch_input(x: Tensor, branch: int) -> Tensor:
    """(B, T, C) -> (B, n, T, C), or (B, G, T, C) -> (B, G·n, T, C): each copy n times."""
    return x.unsqueeze(1).expand(-1, branch, -1, -1) if x.ndim == 3 else x.repeat_interleave(branch, 1)


def branch_merge(x: Tensor, branch: int) -> Tensor:
    """(B, n, T, C) -> (B, T, n·C), or (B, G·n, T, C) -> (B, G, T, n·C): the copies of a branch side by side."""
    if x.shape[1] == branch:
        return x.transpose(1, 2).flatten(2)
    return torch.unflatten(x, 1, (-1, branch)).transpose(2, 3).flatten(3)


def _padded(x: Tensor, weight: Tensor) -> Tensor:
    return F.pad(x, (0, 0, weight.shape[-1] - 1, 0))


FUNCTIONS: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        "ADD": torch.add,
        "DIFFERENCE": torch.sub,
        "DIVIDE": torch.div,
        "MULTIPLY": torch.mul,
        "ABS_ROOT": abs_root,
        "SQUARE": torch.square,
        "EXP": torch.exp,
        "LOG": log,
        "C_MUL": torch.mul,
        "ABS": torch.abs,
        "RECIP": recip,
        "SIGN": torch.sign,
        "COS": torch.cos,
        "SIN": torch.sin,
        "TANH": torch.tanh,
        "MAX": maximum,
        "MIN": minimum,
        "SCALE": scale,
        "SHIFT": shift,
        "SIGMOID": torch.sigmoid,
        "MASK": torch.tril,
        "CUM_PROD": cum_prod,
        "CUM_SUM": cum_sum,
        "RED_MEAN": red_mean,
        "RED_SUM": red_sum,
        "RED_MIN": red_min,
        "RED_MAX": red_max,
        "RED_PROD": red_prod,
        "MAT_MUL": torch.matmul,
        "T_MAT_MUL": t_mat_mul,
        "CONV_1X1": dense,
        **dict.fromkeys(("CONV_3X1", "CONV_7X1", "CONV_15X1", "CONV_31X1"), convolution),
        **dict.fromkeys(("DCONV_3X1", "DCONV_7X1", "DCONV_15X1", "DCONV_31X1"), depthwise),
        "BRANCH_INPUT": branch_input,
        "BRANCH_MERGE": branch_merge,
    }
)
"""The function of each operation: inputs, then the weight if there is one, then the constant or branch if any."""

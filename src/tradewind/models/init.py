"""Fills the parameters of a freshly built model: with random weights, or cheaply for timing.

Random weights are drawn in float32 on the CPU, one stream a parameter name, so a seed gives the same model on every
device, and models that share a parameter's name and shape share its values.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tradewind.core import seeds
from tradewind.models.base import TokenModel
from tradewind.models.depthwise import HeadConvolution

BLOCK = 262139
"""Length of the repeated block of cheap weights: a megabyte in float32, which stays in the processor's cache, and a
prime, so that rows of a matrix are not equal."""


@torch.no_grad()
def fill_random(model: TokenModel, seed: int) -> None:
    """Normal weights with the mean and deviation of `model.initial`, a pure function of `seed` and the names."""
    for name, parameter in model.named_parameters():
        mean, std = model.initial(name)
        if not std:
            parameter.fill_(mean)
            continue
        stream = _stream(seed, "weights", name)
        if parameter.device.type == "cpu" and parameter.dtype == torch.float32:
            parameter.normal_(mean, std, generator=stream)
        else:
            parameter.copy_(torch.empty(parameter.shape).normal_(mean, std, generator=stream))
    _fill_kernels(model)


@torch.no_grad()
def fill_cheap(model: TokenModel, seed: int) -> None:
    """Weights of ordinary magnitude at about the speed of touching the memory, for timing only.

    One block of values ±std·(0.5 .. 1.5) is repeated through each parameter, starting elsewhere in each. No value is
    near zero, so none is denormal in any dtype.
    """
    magnitude = torch.empty(BLOCK).uniform_(0.5, 1.5, generator=_stream(seed, "cheap magnitude"))
    sign = torch.empty(BLOCK).bernoulli_(0.5, generator=_stream(seed, "cheap sign")) * 2 - 1
    blocks: dict[tuple[float, float], Tensor] = {}
    for index, (name, parameter) in enumerate(model.named_parameters()):
        mean, std = scale = model.initial(name)
        if not std:
            parameter.fill_(mean)
            continue
        if scale not in blocks:
            block = (mean + std * magnitude * sign).to(parameter)
            blocks[scale] = torch.cat([block, block])
        start = index * 7919 % BLOCK
        block = blocks[scale][start : start + BLOCK]
        flat = parameter.view(-1)
        whole = flat.numel() // BLOCK * BLOCK
        flat[:whole].view(-1, BLOCK).copy_(block)
        flat[whole:] = block[: flat.numel() - whole]
    _fill_kernels(model)


def _fill_kernels(model: TokenModel) -> None:
    """Kernels of convolutions after attention's projections start as Primer's do, whatever the seed."""
    for module in model.modules():
        if isinstance(module, HeadConvolution):
            module.reset_parameters()


def _stream(seed: int, *path: str) -> torch.Generator:
    return torch.Generator().manual_seed(seeds.derive(seed, *path) % 2**63)

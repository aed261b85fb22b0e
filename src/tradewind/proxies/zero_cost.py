"""Proxies that look at an untrained network and one batch of text: no step of training.

Definitions as released with LiteTransformerSearch (Javaheripi et al. 2022, arXiv 2203.02094), which took them from
Abdelfattah et al. 2021, arXiv 2101.08134. Sums run over the weight matrices W of the linear maps inside the layers;
embeddings and output layer are left out. L is the mean loss per token of the batch, g_W = ∂L/∂W. More is better in all.

Letters: B sequences, T tokens, D width, W a weight matrix (out, in).
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tradewind.core import UsageError, unknown
from tradewind.models.base import TokenModel

EPSILON = 1e-5
"""What keeps the logarithms of `jacob_cov` finite."""


@dataclasses.dataclass(frozen=True)
class Score:
    """A proxy's value, more is better, and the processor seconds that it took."""

    value: float
    cpu_seconds: float


def linear_weights(model: nn.Module) -> list[Tensor]:
    """The weights (out, in) of the linear maps inside the layers, in order; raises `UsageError` if there are none."""
    return [module.weight for module in _linears(model)]


def grad_norm(model: TokenModel, inputs: Tensor, targets: Tensor) -> float:
    """Σ_W ‖g_W‖₂ (Abdelfattah et al. 2021, section 3.1)."""
    return sum(float(g.norm()) for g in _gradients(model, inputs, targets))


def snip(model: TokenModel, inputs: Tensor, targets: Tensor) -> float:
    """Σ |W ⊙ g_W|: how much the loss would change if weights were cut (Lee et al. 2019, arXiv 1810.02340)."""
    gradients = _gradients(model, inputs, targets)
    return sum(float((w.detach() * g).abs().sum()) for w, g in zip(linear_weights(model), gradients, strict=True))


def grasp(model: TokenModel, inputs: Tensor, targets: Tensor) -> float:
    """Σ −W ⊙ (H g), H the Hessian of L over all these weights: gradient flow kept (Wang et al. 2020, arXiv 2002.07376).

    H g is the gradient of gᵀ·stop(g), hence differentiated twice, for which attention runs unfused.
    """
    weights = linear_weights(model)
    with sdpa_kernel(SDPBackend.MATH):
        # From the outputs, log-probabilities or not: the model's own loss need not be differentiable twice.
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        gradients = torch.autograd.grad(loss, weights, create_graph=True)
        flow = torch.stack([(g * g.detach()).sum() for g in gradients]).sum()
        products = torch.autograd.grad(flow, weights)
    return -sum(float((w.detach() * hg).sum()) for w, hg in zip(weights, products, strict=True))


def fisher(model: TokenModel, inputs: Tensor, targets: Tensor) -> float:
    """Fisher information of activations (Turner et al. 2020, arXiv 1906.04113), summed over weights.

    For each output channel a of a linear map ½ · mean over tokens of (a · ∂L/∂a)², counted once for each weight of the
    channel.
    """
    calls: list[tuple[int, Tensor]] = []
    with contextlib.ExitStack() as stack:
        for module in _linears(model):
            stack.enter_context(_hook(module, calls))
        loss = model.loss(inputs, targets)
    gradients = torch.autograd.grad(loss, [a for _, a in calls])
    total = 0.0
    for (fan_in, a), g in zip(calls, gradients, strict=True):
        total += fan_in * float((a.detach() * g).flatten(0, -2).square().mean(0).sum()) / 2
    return total


def jacob_cov(model: TokenModel, inputs: Tensor, targets: Tensor) -> float:
    """−Σ_j [log(λ_j + ε) + 1 / (λ_j + ε)], λ the eigenvalues of the correlations between the sequences' Jacobians.

    A sequence's Jacobian is the gradient of its summed outputs with respect to its embedded tokens, T · D numbers; how
    unlike they are tells how well the network tells sequences apart (Mellor et al. 2021, arXiv 2006.04647v1).
    """
    first: Any = _layers(model)[0]
    embedded: list[Tensor] = []

    def catch(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        embedded.append(arguments[0].detach().requires_grad_())
        return embedded[-1], *arguments[1:]

    handle = first.register_forward_pre_hook(catch)
    try:
        (gradient,) = torch.autograd.grad(model(inputs).sum(), embedded)
    finally:
        handle.remove()
    eigenvalues = torch.linalg.eigvalsh(torch.corrcoef(gradient.flatten(1).double()))
    return -float((torch.log(eigenvalues + EPSILON) + 1 / (eigenvalues + EPSILON)).sum())


def synflow(model: TokenModel, inputs: Tensor, targets: Tensor) -> float:
    """Σ |W ⊙ ∂R/∂W|, R the sum of all outputs, with |θ| for every parameter, in float64 (Tanaka et al. 2020).

    arXiv 2006.05467. The input is one and the same token everywhere, so the text does not matter. Outputs are logits,
    or log-probabilities where the softmax is adaptive.
    """
    positive = copy.deepcopy(model).double()
    with torch.no_grad():
        for parameter in positive.parameters():
            parameter.abs_()
    weights = linear_weights(positive)
    gradients = torch.autograd.grad(positive(torch.zeros_like(inputs)).sum(), weights)
    return sum(float((w.detach() * g).abs().sum()) for w, g in zip(weights, gradients, strict=True))


Proxy = Callable[[TokenModel, Tensor, Tensor], float]
PROXIES: dict[str, Proxy] = {
    "grad_norm": grad_norm,
    "snip": snip,
    "grasp": grasp,
    "fisher": fisher,
    "jacob_cov": jacob_cov,
    "synflow": synflow,
}


def score(
    model: TokenModel, inputs: Tensor, targets: Tensor, names: Sequence[str] = tuple(PROXIES)
) -> dict[str, Score]:
    """The values of proxies for a freshly built model on (B, T) tokens, with what each cost; the model is left as is.

    Raises `UsageError` for an unknown name.

    >>> from tradewind import core, models
    >>> model = models.build(core.GPT2(d_model=8, n_head=(2,), d_inner=(16,), vocab_size=10, context=4))
    >>> tokens = torch.arange(8).reshape(2, 4)
    >>> sorted(score(model, tokens, tokens, ["snip", "grasp"]))
    ['grasp', 'snip']
    """
    found = {}
    for name in names:
        if name not in PROXIES:
            raise unknown("zero-cost proxy", name, PROXIES)
        started = time.process_time()
        value = PROXIES[name](model, inputs, targets)
        found[name] = Score(value, time.process_time() - started)
    return found


def _gradients(model: TokenModel, inputs: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(model.loss(inputs, targets), linear_weights(model))


def _layers(model: nn.Module) -> nn.ModuleList:
    layers = getattr(model, "layers", None)
    if not isinstance(layers, nn.ModuleList) or not len(layers):
        raise UsageError(f"{type(model).__name__} has no layers that proxies could look at; give a model of a space")
    return layers


def _linears(model: nn.Module) -> list[nn.Linear]:
    found = [module for module in _layers(model).modules() if isinstance(module, nn.Linear)]
    if not found:
        raise UsageError(f"{type(model).__name__} has no linear maps inside its layers; give a model of a space")
    return found


@contextlib.contextmanager
def _hook(module: nn.Linear, calls: list[tuple[int, Tensor]]) -> Iterator[None]:
    """Meanwhile, note the inputs of a channel and the output of every call."""
    handle = module.register_forward_hook(lambda _module, _inputs, output: calls.append((module.in_features, output)))
    try:
        yield
    finally:
        handle.remove()

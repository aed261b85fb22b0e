"""Each proxy against a slow calculation that shares only the model with it: differences, loops, full Jacobians."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tradewind import models
from tradewind.core import GPT2, HWGPT, Architecture, TransformerXL, UsageError
from tradewind.models.gpt2 import GPT2Model
from tradewind.proxies import zero_cost
from tradewind.proxies.zero_cost import PROXIES, linear_weights, score

TINY = GPT2(d_model=4, n_head=(2,), d_inner=(6,), vocab_size=7, context=5)
GENERATOR = torch.Generator().manual_seed(0)
INPUTS, TARGETS = torch.randint(0, 7, (2, 3, 5), generator=GENERATOR)
XL = TransformerXL(d_model=8, n_head=(2, 4), d_inner=(12, 16), vocab_size=20, cutoffs=(5, 9), div_val=2, context=5)
SHAPES: dict[str, Architecture] = {
    "gpt2": TINY,
    "hwgpt": HWGPT(d_model=8, n_head=(1,), mlp_ratio=(2,), vocab_size=20, context=8),
    "transformer-xl": XL,
}


@pytest.fixture
def model() -> GPT2Model:
    """Float64, with weights large enough that every proxy has digits."""
    built = models.build(TINY, dtype="float64", seed=1)
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            if parameter.ndim == 2:
                parameter.mul_(20 if "embedding" in name else 15)
    assert isinstance(built, GPT2Model)
    return built


def plain_loss(model: nn.Module) -> Tensor:
    return F.cross_entropy(model(INPUTS).flatten(0, 1), TARGETS.flatten())


@torch.no_grad()
def differences(value: Callable[[], float], weight: Tensor, step: float = 1e-6) -> Tensor:
    """Central differences of a function of the model, one weight at a time."""
    slopes, flat = torch.empty_like(weight), weight.view(-1)
    for i in range(flat.numel()):
        kept = float(flat[i])
        flat[i] = kept + step
        above = value()
        flat[i] = kept - step
        below = value()
        flat[i] = kept
        slopes.view(-1)[i] = (above - below) / (2 * step)
    return slopes


def value(name: str, model: nn.Module) -> float:
    return score(model, INPUTS, TARGETS, [name])[name].value  # type: ignore[arg-type]


def test_weights_are_those_of_the_linear_maps(model: GPT2Model) -> None:
    assert [tuple(w.shape) for w in linear_weights(model)] == [(12, 4), (4, 4), (6, 4), (4, 6)]


def test_grad_norm_and_snip(model: GPT2Model) -> None:
    slopes = [differences(lambda: plain_loss(model).item(), w.detach()) for w in linear_weights(model)]
    weights = [w.detach() for w in linear_weights(model)]
    norm = sum(math.sqrt(sum(x * x for x in g.flatten().tolist())) for g in slopes)
    cut = sum(abs(a * b) for w, g in zip(weights, slopes, strict=True) for a, b in zip(
        w.flatten().tolist(), g.flatten().tolist(), strict=True))  # fmt: skip
    assert value("grad_norm", model) == pytest.approx(norm, rel=1e-6)
    assert value("snip", model) == pytest.approx(cut, rel=1e-6)


def test_grasp(model: GPT2Model) -> None:
    """H g as the change of the gradient along g."""
    weights = linear_weights(model)

    def gradient() -> list[Tensor]:
        return [g.clone() for g in torch.autograd.grad(plain_loss(model), weights)]

    g, step = gradient(), 1e-6
    sides = []
    for sign in (1, -1):
        with torch.no_grad():
            for w, along in zip(weights, g, strict=True):
                w.add_(along, alpha=sign * step)
        sides.append(gradient())
        with torch.no_grad():
            for w, along in zip(weights, g, strict=True):
                w.sub_(along, alpha=sign * step)
    products = [(a - b) / (2 * step) for a, b in zip(*sides, strict=True)]
    expected = -sum(float((w.detach() * hg).sum()) for w, hg in zip(weights, products, strict=True))
    assert value("grasp", model) == pytest.approx(expected, rel=1e-5)


def test_fisher(model: GPT2Model) -> None:
    """The derivative of the loss by one channel's output at one token, from a perturbation added to that output."""
    linears = [module for module in model.layers.modules() if isinstance(module, nn.Linear)]
    expected = 0.0
    for module in linears:
        outputs: list[Tensor] = []
        handle = module.register_forward_hook(lambda _m, _i, out, outputs=outputs: outputs.append(out.detach()))
        plain_loss(model)
        handle.remove()
        push = torch.zeros_like(outputs[0])
        handle = module.register_forward_hook(lambda _m, _i, out, push=push: out + push)
        slopes = differences(lambda: plain_loss(model).item(), push)
        handle.remove()
        batch, tokens, channels = push.shape
        for channel in range(channels):
            squares = [
                float(outputs[0][b, t, channel] * slopes[b, t, channel]) ** 2
                for b in range(batch)
                for t in range(tokens)
            ]
            expected += module.in_features * 0.5 * sum(squares) / (batch * tokens)
    assert value("fisher", model) == pytest.approx(expected, rel=1e-5)


def test_jacob_cov(model: GPT2Model) -> None:
    """The network written out from its embedded tokens on, its whole Jacobian, and numpy's eigenvalues."""
    embedded = (model.token_embedding(INPUTS) + model.position_embedding.weight[:5]).detach()

    def outputs(x: Tensor) -> Tensor:
        for layer in model.layers:
            x = layer(x)
        return model.head(model.final_norm(x)).sum((1, 2))

    rows = []
    for row in range(3):
        jacobian = torch.autograd.functional.jacobian(outputs, embedded)[row, row]
        rows.append(jacobian.flatten().tolist())
    eigenvalues = np.linalg.eigvals(np.corrcoef(np.array(rows))).real
    expected = -sum(math.log(v + 1e-5) + 1 / (v + 1e-5) for v in eigenvalues)
    assert value("jacob_cov", model) == pytest.approx(expected, rel=1e-6)


def test_synflow_ignores_text_and_signs(model: GPT2Model) -> None:
    found = value("synflow", model)
    other = score(model, (INPUTS + 1) % 7, TARGETS, ["synflow"])["synflow"].value
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()
    same = torch.zeros_like(INPUTS)
    expected = 0.0
    for weight in linear_weights(model):
        slopes = differences(lambda: model(same).sum().item(), weight.detach())
        expected += float((weight.detach() * slopes).abs().sum())
    assert found == other == pytest.approx(value("synflow", model), rel=1e-12)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("family", SHAPES)
def test_every_proxy_looks_at_every_family_and_leaves_the_model_as_it_was(family: str) -> None:
    model = models.build(SHAPES[family], seed=2)
    before = [parameter.clone() for parameter in model.parameters()]
    first, second = (score(model, INPUTS, TARGETS) for _ in range(2))
    assert list(first) == list(PROXIES)
    assert {n: s.value for n, s in first.items()} == {n: s.value for n, s in second.items()}
    assert all(math.isfinite(s.value) and s.cpu_seconds >= 0 for s in first.values())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model(INPUTS).shape == (3, 5, SHAPES[family].vocab_size)  # no hook is left behind


def test_what_has_no_score_is_refused(model: GPT2Model) -> None:
    with pytest.raises(UsageError, match="unknown zero-cost proxy 'snap': did you mean 'snip'"):
        score(model, INPUTS, TARGETS, ["snap"])
    with pytest.raises(UsageError, match="Linear has no layers"):
        zero_cost.linear_weights(nn.Linear(2, 2))

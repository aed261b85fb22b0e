"""The fused halves of a GPT-2 block against the modules in float64, and when they step aside."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tradewind import models
from tradewind.core import GPT2
from tradewind.models import fused
from tradewind.models.gpt2 import GPT2Model
from tradewind.models.supernet import Supernet

ARCH = GPT2(d_model=32, n_head=(2, 4), d_inner=(40, 96), vocab_size=50, context=300)


def trained(seed: int = 0) -> GPT2Model:
    """A model in training mode whose gains and biases are random too."""
    model = models.build(ARCH, seed=seed)
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn(parameter.shape, generator=stream) * 0.3)
            else:
                parameter.mul_(4)
    assert isinstance(model, GPT2Model)
    return model.train()


def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the fused halves that run from now on."""
    seen: list[str] = []
    for name in ("attend", "feed_forward"):
        run = getattr(fused, name)
        monkeypatch.setattr(fused, name, lambda *a, name=name, run=run: (seen.append(name), run(*a))[1])
    return seen


def gradients(model: nn.Module, tokens: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    model.loss(tokens[:, :-1], tokens[:, 1:]).backward()  # type: ignore[operator]
    return {name: p.grad.double() for name, p in model.named_parameters() if p.grad is not None}


@settings(max_examples=8, deadline=None)
@given(
    batch=st.integers(1, 3),
    length=st.integers(1, 200),
    queries=st.sampled_from([3, 64, 128]),
    smallest=st.sampled_from([0, 2**40]),
    in_cache=st.sampled_from([100, 2**17]),
    seed=st.integers(0, 99),
)
def test_gradients_are_those_of_the_modules(
    batch: int, length: int, queries: int, smallest: int, in_cache: int, seed: int
) -> None:
    """Both ways of attention, blocks that divide the length and that do not, against the plain path in float64."""
    model = trained(seed)
    tokens = torch.randint(50, (batch, length + 1), generator=torch.Generator().manual_seed(seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused, "QUERIES", max(queries, length // 8))
        patch.setattr(fused, "SMALLEST", smallest)
        patch.setattr(fused, "IN_CACHE", in_cache)
        seen = calls(patch)
        found = gradients(model, tokens)
    assert seen == ["attend", "feed_forward"] * 2
    expected = gradients(model.double(), tokens)
    assert found.keys() == expected.keys()
    for name, exact in expected.items():
        error, size = (found[name] - exact).norm().item(), exact.norm().item()
        assert error <= 2e-5 * size + 1e-7, name


def test_the_activation_and_its_slope_are_gelus() -> None:
    x = torch.cat([torch.linspace(-12, 12, 4001), torch.tensor([-1e4, 0.0, 1e4])]).double().requires_grad_()
    expected = nn.functional.gelu(x, approximate="tanh")
    expected.sum().backward()
    inner = (x.detach().float() * fused._SCALE).view(1, -1)
    active = fused._activate(inner)
    torch.testing.assert_close(active.double()[0] * 0.5 / fused._SCALE, expected.detach(), rtol=2e-6, atol=2e-6)
    torch.testing.assert_close((inner.double()[0] + 1) / 2, x.grad, rtol=2e-6, atol=2e-6)


def test_a_sub_network_trains_on_slices() -> None:
    tokens = torch.randint(50, (2, 21), generator=torch.Generator().manual_seed(1))
    small = ARCH.replace(d_model=16, n_head=(2, 4), d_inner=(24, 56))
    single, double = Supernet(trained()), Supernet(trained().double())
    for supernet in (single, double):
        supernet.train()
        supernet.accumulate(supernet.at(small), lambda model: model.loss(tokens[:, :-1], tokens[:, 1:]))
    for (name, a), b in zip(single.named_parameters(), double.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert (a.grad.double() - b.grad).norm() <= 2e-5 * b.grad.norm() + 1e-7, name


@pytest.mark.parametrize(
    "reason",
    [
        "evaluation",
        "no gradient",
        "float64",
        "autocast",
        "dropout",
        "frozen",
        "hook",
        "backward hook",
        "activation",
        "cache",
    ],
)
def test_the_modules_run_where_something_is_unlike_plain_training(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained()
    seen = calls(monkeypatch)
    heard: list[object] = []
    cache = None
    if reason == "evaluation":
        model.eval()
    elif reason == "float64":
        model.double()
    for layer in model.layers:
        if reason == "dropout":
            layer.dropout.p = 0.1
        elif reason == "frozen":
            layer.mlp.up.weight.requires_grad_(False)
        elif reason == "hook":
            layer.mlp.up.register_forward_hook(lambda *a: heard.append(a[0]))
        elif reason == "backward hook":
            layer.mlp.up.register_full_backward_pre_hook(lambda *a: None)
        elif reason == "activation":
            layer.mlp.activation = nn.GELU()
    if reason == "cache":
        cache = model.make_cache(1, 8)
    with (
        torch.set_grad_enabled(reason not in ("no gradient", "cache")),
        torch.autocast("cpu", torch.bfloat16, enabled=reason == "autocast"),
    ):
        model.hidden(torch.zeros(1, 5, dtype=torch.int64), cache)
    assert seen == []
    assert len(heard) == (2 if reason == "hook" else 0)


def test_differentiating_twice_is_refused() -> None:
    model = trained()
    tokens = torch.zeros(1, 6, dtype=torch.int64)
    weight = model.layers[0].mlp.up.weight
    (gradient,) = torch.autograd.grad(model(tokens).square().sum(), weight, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()

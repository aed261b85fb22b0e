from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from tradewind.training import Recipe
from tradewind.training.optimizers import LARGEST_NORM, Lamb, decays, make_optimizer


def slow_lamb(weight: list[float], gradients: list[list[float]], lr: float, decay: float) -> list[float]:
    """Algorithm 2 of arXiv 1904.00962 for one layer, number by number."""
    first, second, eps = 0.9, 0.99, 1e-6
    m, v = [0.0] * len(weight), [0.0] * len(weight)
    for t, gradient in enumerate(gradients, 1):
        m = [first * a + (1 - first) * g for a, g in zip(m, gradient, strict=True)]
        v = [second * a + (1 - second) * g * g for a, g in zip(v, gradient, strict=True)]
        move = [
            a / (1 - first**t) / (math.sqrt(b / (1 - second**t)) + eps) + decay * w
            for a, b, w in zip(m, v, weight, strict=True)
        ]
        norm, length = math.hypot(*weight), math.hypot(*move)
        trust = min(norm, LARGEST_NORM) / length if norm and length else 1.0
        weight = [w - lr * trust * u for w, u in zip(weight, move, strict=True)]
    return weight


@pytest.mark.parametrize("start", [[0.5, -1.0, 2.0], [0.0, 0.0, 0.0], [30.0, 40.0, 1.0]], ids=["plain", "zero", "long"])
def test_lamb_is_the_published_algorithm(start: list[float]) -> None:
    gradients = [[0.1, -0.2, 0.3], [0.3, 0.1, -0.1], [-0.2, 0.0, 0.4]]
    weight = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    other = nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))  # a layer of its own length
    optimizer = Lamb([{"params": [weight, other], "weight_decay": 0.05}], 0.1, (0.9, 0.99))
    for gradient in gradients:
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        other.grad = torch.tensor([0.5, 0.1], dtype=torch.float64)
        optimizer.step()
    assert weight.tolist() == pytest.approx(slow_lamb(start, gradients, 0.1, 0.05), rel=1e-9)
    assert other.tolist() == pytest.approx(slow_lamb([1.0, 2.0], [[0.5, 0.1]] * 3, 0.1, 0.05), rel=1e-9)


@pytest.mark.parametrize("name", ["adamw", "lamb", "adafactor"])
def test_every_optimizer_goes_downhill(name: str) -> None:
    weight, bias = nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.ones(3))
    frozen = nn.Parameter(torch.ones(2), requires_grad=False)
    recipe = Recipe(optimizer=name, learning_rate=0.05)
    optimizer = make_optimizer([("a.weight", weight), ("a.bias", bias), ("b", frozen)], recipe)
    values = []
    for _ in range(30):
        loss = (weight.sum(0) * bias).square().mean()
        values.append(float(loss))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert values[-1] < 0.2 * values[0]
    assert frozen.tolist() == [1.0, 1.0]


def test_only_matrices_decay() -> None:
    assert decays("a.weight", torch.empty(2, 2))
    assert not decays("a.weight", torch.empty(2))
    assert not decays("attention.content_bias", torch.empty(2, 2))
    named = [("a.weight", nn.Parameter(torch.ones(2, 2))), ("norm.weight", nn.Parameter(torch.ones(2)))]
    optimizer = make_optimizer(named, Recipe(weight_decay=0.3))
    assert [(len(g["params"]), g["weight_decay"]) for g in optimizer.param_groups] == [(1, 0.3), (1, 0.0)]

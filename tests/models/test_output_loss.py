"""The blockwise output loss against torch's cross-entropy of all logits at once."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tradewind.models import output_loss as room
from tradewind.models.output_loss import output_loss


def inputs(n: int, d: int, v: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    stream = torch.Generator().manual_seed(0)
    hidden = torch.randn(n, d, generator=stream).to(dtype).requires_grad_()
    weight = torch.randn(v, d, generator=stream).to(dtype).requires_grad_()
    return hidden, weight, torch.randint(v, (n,), generator=stream)


@pytest.mark.parametrize("block", [64 * 11, 100_000])
def test_loss_and_gradients(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 64 positions and a rest, and all in one."""
    monkeypatch.setattr(room, "BLOCK", block)
    hidden, weight, targets = inputs(150, 7, 11)
    loss = output_loss(hidden, weight, targets)
    found = torch.autograd.grad(3 * loss, (hidden, weight))
    plain = F.cross_entropy(hidden @ weight.T, targets)
    expected = torch.autograd.grad(3 * plain, (hidden, weight))
    torch.testing.assert_close(loss, plain, rtol=1e-12, atol=0)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-14)
    with torch.no_grad():
        torch.testing.assert_close(output_loss(hidden, weight, targets), plain, rtol=1e-12, atol=0)


def test_gradients_can_be_differentiated_again() -> None:
    hidden, weight, targets = inputs(5, 3, 4)
    torch.autograd.gradgradcheck(lambda h, w: output_loss(h, w, targets), (hidden, weight))


def test_slices_as_weights() -> None:
    """The weight of a sub-network is a strided view, and only one side may want a gradient."""
    hidden, weight, targets = inputs(20, 6, 9)
    part = weight.detach()[:, :4].requires_grad_()
    found = torch.autograd.grad(output_loss(hidden.detach()[:, :4], part, targets), part)
    expected = torch.autograd.grad(F.cross_entropy(hidden.detach()[:, :4] @ part.T, targets), part)
    torch.testing.assert_close(found, expected)


def test_half_precision_is_summed_in_float32() -> None:
    hidden, weight, targets = inputs(40, 8, 50, torch.bfloat16)
    loss = output_loss(hidden, weight, targets)
    assert loss.dtype == torch.float32
    exact = F.cross_entropy(hidden.float() @ weight.float().T, targets)
    assert loss.item() == pytest.approx(exact.item(), rel=2e-2)
    assert torch.autograd.grad(loss, weight)[0].dtype == torch.bfloat16


def test_under_autocast() -> None:
    hidden, weight, targets = inputs(12, 8, 20, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        loss = output_loss(hidden, weight, targets)
    loss.backward()
    assert loss.item() == pytest.approx(F.cross_entropy(hidden @ weight.T, targets).item(), rel=2e-2)
    assert weight.grad.dtype == torch.float32

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tradewind.models import cross_entropy
from tradewind.models.cross_entropy import linear_cross_entropy


def both(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> list[tuple[torch.Tensor, ...]]:
    """Loss and gradients, blockwise and by torch."""
    found = []
    for function in (linear_cross_entropy, lambda h, w, t: F.cross_entropy(F.linear(h, w), t)):
        h, w = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
        loss = function(h, w, targets)
        (3 * loss).backward()
        found.append((loss.detach(), h.grad, w.grad))
    return found


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 7), st.integers(1, 30), st.integers(0, 10**6))
def test_loss_and_gradients_are_those_of_all_logits(n: int, d: int, v: int, block: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(n, d, generator=generator, dtype=torch.float64) * 3
    weight = torch.randn(v, d, generator=generator, dtype=torch.float64)
    targets = torch.randint(v, (n,), generator=generator)
    kept, cross_entropy.BLOCK_ELEMENTS = cross_entropy.BLOCK_ELEMENTS, block
    try:
        ours, theirs = both(hidden, weight, targets)
    finally:
        cross_entropy.BLOCK_ELEMENTS = kept
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_hopeless_targets_have_a_finite_loss() -> None:
    """The target's share underflows, its logarithm does not."""
    hidden, weight = torch.tensor([[500.0]]), torch.tensor([[1.0], [0.0]])
    ours, theirs = both(hidden, weight, torch.tensor([1]))
    assert ours[0].item() == theirs[0].item() == 500.0
    assert torch.equal(ours[2], theirs[2])


def test_without_gradients_none_are_computed_and_half_precision_is_torchs() -> None:
    hidden, weight, targets = torch.randn(6, 4), torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 4, 0])
    with torch.no_grad():
        assert linear_cross_entropy(hidden, weight, targets).item() == pytest.approx(
            F.cross_entropy(hidden @ weight.t(), targets).item(), rel=1e-6
        )
    low = [x.bfloat16().requires_grad_() for x in (hidden, weight)]
    loss = linear_cross_entropy(*low, targets)
    assert loss.dtype == torch.float32
    loss.backward()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = linear_cross_entropy(hidden, weight.requires_grad_(), targets)
    assert mixed.item() == pytest.approx(loss.item(), rel=1e-2)

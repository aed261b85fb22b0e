"""The causal depthwise convolution against its definition, in pieces, and with packed documents."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.core import UsageError
from tradewind.models import depthwise
from tradewind.models.attention import Attention
from tradewind.models.cache import LayerCache
from tradewind.models.depthwise import HeadConvolution, causal_depthwise, packed_depthwise, runs
from tradewind.models.parts import MultiDConvHeadAttention, SharedQueryKeyAttention

EXACT = {"rtol": 0, "atol": 1e-12}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small rows are convolved as large ones are."""
    monkeypatch.setattr(depthwise, "LARGE", 0)


@pytest.mark.parametrize("large", [0, depthwise.LARGE])
@pytest.mark.parametrize(("length", "taps"), [(1, 3), (2, 3), (9, 3), (5, 7)])
def test_definition(length: int, taps: int, large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depthwise, "LARGE", large)
    rows, kernels = noise(2, length, 4), noise(4, taps, seed=1)
    found = causal_depthwise(rows, kernels)
    for t in range(length):
        expected = sum(kernels[:, taps - 1 - back] * rows[:, t - back] for back in range(min(taps, t + 1)))
        torch.testing.assert_close(found[:, t], expected, **EXACT)


@pytest.mark.parametrize(
    ("batch", "length", "taps"), [(1, 3, 3), (3, 3, 3), (2, 8, 3), (3, 7, 7), (2, 20, 7), (2, 5, 1)]
)
@pytest.mark.usefixtures("joined")
def test_gradients_of_the_joined_sequences(batch: int, length: int, taps: int) -> None:
    rows, kernels = noise(batch, length, 4).requires_grad_(), noise(4, taps, seed=1).requires_grad_()
    assert causal_depthwise(rows, kernels).grad_fn.name() == "_JoinedBackward"
    assert torch.autograd.gradcheck(causal_depthwise, (rows, kernels))
    assert torch.autograd.gradgradcheck(causal_depthwise, (rows, kernels))
    frozen = rows.detach()
    (by_kernels,) = torch.autograd.grad(causal_depthwise(frozen, kernels).sum(), kernels)
    torch.testing.assert_close(by_kernels, torch.autograd.grad(causal_depthwise(rows, kernels).sum(), kernels)[0])


@pytest.mark.usefixtures("joined")
def test_nothing_passes_from_one_sequence_of_a_batch_to_another() -> None:
    rows, kernels = noise(2, 6, 4), noise(4, 3, seed=1)
    rows[0, -1] = torch.nan
    rows.requires_grad_()
    out = causal_depthwise(rows, kernels)
    assert out[1].isfinite().all()
    weights = torch.ones_like(out)
    weights[1, 0] = torch.nan
    (gradient,) = torch.autograd.grad(out, rows, weights)
    assert gradient[0].isfinite().all()


def test_rows_before_take_the_place_of_zeros() -> None:
    rows, kernels = noise(2, 8, 4), noise(4, 3, seed=1)
    found = causal_depthwise(rows[:, 5:], kernels, rows[:, 3:5])
    torch.testing.assert_close(found, causal_depthwise(rows, kernels)[:, 5:], **EXACT)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.sampled_from([2, 3, 7]))
def test_packed_documents_are_convolved_each_by_itself(lengths: list[int], taps: int) -> None:
    rows, kernels = noise(1, sum(lengths), 3), noise(3, taps, seed=1)
    ids = torch.tensor([[i % 2 for i, n in enumerate(lengths) for _ in range(n)]])
    found = packed_depthwise(rows, kernels, runs(ids))
    alone = torch.cat([causal_depthwise(part, kernels) for part in rows.split(lengths, 1)], 1)
    torch.testing.assert_close(found, alone, **EXACT)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.sampled_from(["plain", "mdha", "shared", "shared-mdha"]),
)
def test_nothing_leaks_across_the_border_of_documents(lengths: list[int], kind: str) -> None:
    attention = {
        "plain": lambda: Attention(8, 2),
        "mdha": lambda: MultiDConvHeadAttention(8, 2),
        "shared": lambda: SharedQueryKeyAttention(8, 2),
        "shared-mdha": lambda: SharedQueryKeyAttention(8, 2, convolution=True),
    }[kind]().double()
    x = noise(1, sum(lengths), 8)
    # An id that comes back is another document.
    ids = torch.tensor([[i % 2 for i, n in enumerate(lengths) for _ in range(n)]])
    with torch.no_grad():
        found = attention(x, documents=ids)
        alone = torch.cat([attention(part) for part in x.split(lengths, 1)], 1)
        torch.testing.assert_close(found, alone, **EXACT)
        changed = x.clone()
        changed[:, : lengths[0]] += 1.0
        after = attention(changed, documents=ids)
    assert torch.equal(after[:, lengths[0] :], found[:, lengths[0] :])
    assert not torch.allclose(after[:, : lengths[0]], found[:, : lengths[0]])


def test_documents_and_a_cache_exclude_each_other() -> None:
    cache = LayerCache(torch.empty(1, 2, 4, 4), torch.empty(1, 2, 4, 4), torch.empty(1, 3, 24))
    ids = torch.zeros(1, 2, dtype=torch.int64)
    for attention in (Attention(8, 2), MultiDConvHeadAttention(8, 2)):
        with pytest.raises(UsageError, match="packed documents cannot be read into a cache"):
            attention(torch.zeros(1, 2, 8), cache, ids)
    with pytest.raises(UsageError, match="packed documents"):
        HeadConvolution(24)(torch.zeros(1, 2, 24), cache, ids)


def test_kernels_start_as_primers_or_as_the_identity() -> None:
    assert HeadConvolution(2, identity=True).weight.tolist() == [[0.0, 0.0, 1.0]] * 2
    torch.testing.assert_close(HeadConvolution(1).weight, torch.tensor([[0.5 / 3, 0.5 / 3, 0.5]]))


def test_a_cache_with_rows_takes_back_one_token_and_refuses_more() -> None:
    rows = noise(1, 9, 4)
    cache = LayerCache(torch.zeros(1, 1, 9, 2), torch.zeros(1, 1, 9, 2), torch.empty(1, 3, 4, dtype=torch.float64))
    for t in range(7):
        before = cache.precede(rows[:, t : t + 1])
        expected = torch.cat([torch.zeros(1, 2, 4, dtype=torch.float64), rows], 1)[:, t : t + 2]
        torch.testing.assert_close(before, expected, **EXACT)
        cache.filled = t + 1
    cache.claim(6)
    torch.testing.assert_close(cache.precede(rows[:, 6:7]), rows[:, 4:6], **EXACT)
    cache.filled = 7
    with pytest.raises(UsageError, match="can take back one token"):
        cache.claim(5)
    cache.claim(0)
    assert cache.precede(rows[:, :1]).abs().sum() == 0

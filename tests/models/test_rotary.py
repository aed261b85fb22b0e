"""Rotary positions against explicit complex rotation, and their defining property."""

from __future__ import annotations

import cmath

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tradewind.models.rotary import rotary_table, rotate


@pytest.mark.parametrize("n_dim", [2, 4, 8])
def test_each_pair_turns_by_its_angle(n_dim: int) -> None:
    x = torch.randn(2, 3, 5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = rotate(x, rotary_table(7, 12, n_dim, like=x))
    half = n_dim // 2
    for t in range(5):
        for j in range(half):
            turn = cmath.exp(1j * (7 + t) * 10_000 ** (-2 * j / n_dim))
            turned = torch.complex(x[:, :, t, j], x[:, :, t, j + half]) * turn
            torch.testing.assert_close(found[:, :, t, j], turned.real, rtol=0, atol=1e-12)
            torch.testing.assert_close(found[:, :, t, j + half], turned.imag, rtol=0, atol=1e-12)
    assert torch.equal(found[..., n_dim:], x[..., n_dim:])


@given(st.integers(0, 900), st.integers(0, 900), st.integers(0, 100), st.integers(0, 2**32 - 1))
def test_scores_depend_on_the_distance_only(i: int, j: int, shift: int, seed: int) -> None:
    query, key = torch.randn(2, 1, 16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    def score(at_query: int, at_key: int) -> float:
        turned = [rotate(x, rotary_table(p, p + 1, 8, like=x)) for x, p in ((query, at_query), (key, at_key))]
        return (turned[0] * turned[1]).sum().item()

    assert score(i, j) == pytest.approx(score(i + shift, j + shift), abs=1e-9)

"""The fused causal attention against its definition, position by position."""

from __future__ import annotations

import pytest
import torch

from tradewind.models.attention import causal_attention


@pytest.mark.parametrize(("new", "seen"), [(1, 1), (5, 5), (1, 6), (3, 7)])
def test_definition(new: int, seen: int) -> None:
    stream = torch.Generator().manual_seed(0)
    query = torch.randn(2, 3, new, 4, generator=stream, dtype=torch.float64)
    keys, values = torch.randn(2, 2, 3, seen, 4, generator=stream, dtype=torch.float64)
    found = causal_attention(query, keys, values)
    for i in range(new):
        visible = seen - new + i + 1
        scores = torch.stack([(query[:, :, i] * keys[:, :, j]).sum(-1) / 4**0.5 for j in range(visible)], -1)
        weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
        expected = sum(weights[..., j, None] * values[:, :, j] for j in range(visible))
        torch.testing.assert_close(found[:, :, i], expected, rtol=0, atol=1e-12)

"""The cache keeps what it is given, counts it, and refuses what does not fit."""

from __future__ import annotations

import pytest
import torch

from tradewind.core import UsageError
from tradewind.models import Cache


def test_appended_tokens_come_back_in_order() -> None:
    cache = Cache([(2, 4), (1, 8)], batch=3, length=5, dtype=torch.float64)
    pieces = [torch.rand(2, 3, 1, new, 8, dtype=torch.float64) for new in (2, 1, 2)]
    for keys, values in pieces:
        seen_keys, seen_values = cache.layers[1].append(keys, values)
    assert torch.equal(seen_keys, torch.cat([keys for keys, _ in pieces], 2))
    assert torch.equal(seen_values, torch.cat([values for _, values in pieces], 2))


def test_fill_keeps_what_is_there_and_writes_the_rest() -> None:
    cache = Cache([(2, 4), (2, 7)], batch=1, length=6)
    for layer, size in zip(cache.layers, (4, 7), strict=True):
        layer.keys.fill_(torch.nan)
        layer.values.fill_(torch.nan)
        layer.append(torch.full((1, 2, 2, size), 3.0), torch.full((1, 2, 2, size), 4.0))
    cache.fill(5)
    assert cache.filled == 5
    for layer in cache.layers:
        assert (layer.keys[:, :, :2] == 3).all()
        assert (layer.values[:, :, :2] == 4).all()
        assert layer.keys[:, :, :5].isfinite().all()
        assert layer.keys[:, :, 2:5].abs().max() == 1
        assert layer.keys[:, :, 5:].isnan().all()
    cache.fill(1)
    assert cache.filled == 1


@pytest.mark.parametrize("context", [-1, 7])
def test_fill_within_the_length(context: int) -> None:
    with pytest.raises(UsageError, match="between 0 and the cache's length 6"):
        Cache([(1, 2)], batch=1, length=6).fill(context)


def test_room() -> None:
    cache = Cache([(1, 2)], batch=2, length=6)
    cache.check_room(torch.zeros(2, 6))
    with pytest.raises(UsageError, match="batch 1 but the cache was made for 2"):
        cache.check_room(torch.zeros(1, 1))
    cache.fill(4)
    with pytest.raises(UsageError, match="holds 4 of 6 tokens, so 3 more do not fit"):
        cache.check_room(torch.zeros(2, 3))


@pytest.mark.parametrize(("batch", "length"), [(0, 1), (1, 0)])
def test_an_empty_cache_is_refused(batch: int, length: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        Cache([(1, 2)], batch=batch, length=length)

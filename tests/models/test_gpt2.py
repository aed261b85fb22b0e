"""What GPT-2 refuses; its numbers are compared with Hugging Face's in test_huggingface."""

from __future__ import annotations

import pytest
import torch

from tradewind import models
from tradewind.core import GPT2, UsageError

ARCH = GPT2(d_model=16, n_head=(2,), d_inner=(32,), vocab_size=30, context=8)


def test_positions_end_with_the_context() -> None:
    model = models.build(ARCH)
    assert model(torch.zeros(1, 8, dtype=torch.int64)).shape == (1, 8, 30)
    with pytest.raises(UsageError, match="9 tokens exceed the 8 learned positions"):
        model(torch.zeros(1, 9, dtype=torch.int64))


def test_a_refused_token_leaves_the_cache_as_it_was() -> None:
    model = models.build(ARCH)
    cache = model.make_cache(1, 10)
    model.prefill(torch.zeros(1, 8, dtype=torch.int64), cache)
    with pytest.raises(UsageError, match="learned positions"):
        model.decode(torch.zeros(1, 1, dtype=torch.int64), cache)
    assert cache.filled == 8

"""Batches of absurd sizes: exact where the count fits in 64 bits, told where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind import costs
from tradewind.core import GPT2, HWGPT, Architecture, ArchitectureBatch, TransformerXL, UsageError, Workload
from tradewind.costs.exact import may_overflow

SMALL = GPT2(d_model=64, n_head=(2,), d_inner=(128,))
SIZES = st.integers(0, 30).map(lambda power: 2**power)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    d_model, inner, layers = min(64 * draw(SIZES), 2**30), draw(SIZES), draw(st.integers(1, 3))
    family = draw(st.sampled_from(["gpt2", "transformer-xl", "hwgpt"]))
    if family == "hwgpt":
        return HWGPT(d_model=d_model, n_head=(draw(SIZES),) * layers, mlp_ratio=(min(inner, 8),) * layers)
    if family == "gpt2":
        return GPT2(d_model=d_model, n_head=(4,) * layers, d_inner=(inner,) * layers)
    return TransformerXL(d_model=d_model, n_head=(4,) * layers, d_inner=(inner,) * layers)


@given(architectures(), SIZES, SIZES)
def test_a_batch_counts_as_each_alone_or_says_that_it_cannot(arch: Architecture, batch: int, length: int) -> None:
    load = Workload(batch=batch, seq_len=length)
    for quantity in costs.quantities():
        if quantity == "quality":
            continue
        alone = costs.evaluate(quantity, arch, load)
        # Costs in MB are counts of bytes over 10^6.
        if alone * (1e6 if quantity.endswith("_mb") else 1) >= 2**63:
            with pytest.raises(UsageError, match="more than a table of 64-bit integers holds"):
                costs.evaluate(quantity, [arch, arch], load)
        else:
            assert np.array_equal(costs.evaluate(quantity, [arch, arch], load), [alone, alone])


def test_the_widest_architecture_is_told_by_row() -> None:
    wide = SMALL.replace(d_model=2**31 - 2)
    assert costs.params([SMALL])[0] == costs.params(SMALL)
    with pytest.raises(UsageError, match=r"decoder_params of row 1 is 1\.84e\+19, more than"):
        costs.decoder_params([SMALL, wide])
    assert costs.decoder_params(wide) > 2**63


def test_ordinary_sizes_take_the_fast_way() -> None:
    large = GPT2(d_model=12288, n_head=(96,) * 96, d_inner=(49152,) * 96)
    assert not may_overflow(ArchitectureBatch.of([SMALL, large]), [8, 2048])

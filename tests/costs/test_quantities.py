"""The one entry for every closed-form quantity: names, units and types."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from tests.waiting import PATIENCE

from tradewind import costs
from tradewind.core import GPT2, QUANTITIES, UsageError, Workload

ARCH = GPT2(d_model=64, n_head=(2, 4), d_inner=(128, 256))
LOAD = Workload(batch=2, seq_len=16, context=24, dtype="bfloat16", logits="last")


def test_every_quantity_is_known_and_belongs_to_no_device() -> None:
    assert set(costs.quantities()) <= set(QUANTITIES)
    assert not any(QUANTITIES[name].on_device for name in costs.quantities())
    closed = {"decoder_params", "params", "embedding_params", "flops", "macs", "decode_flops"}
    assert closed | {"kv_cache_mb", "activation_mb"} <= set(costs.quantities())


def test_the_workload_reaches_the_formulas_in_the_right_units() -> None:
    expected = {
        "decoder_params": costs.decoder_params(ARCH),
        "params": costs.params(ARCH),
        "embedding_params": costs.embedding_params(ARCH),
        "flops": costs.flops(ARCH, batch=2, seq_len=16, logits="last"),
        "macs": costs.macs(ARCH, batch=2, seq_len=16, logits="last"),
        "decode_flops": costs.decode_flops(ARCH, context=24, batch=2),
        "kv_cache_mb": costs.kv_cache_bytes(ARCH, context=24, batch=2, dtype="bfloat16") / 1e6,
        "activation_mb": costs.activation_bytes(ARCH, batch=2, seq_len=16, dtype="bfloat16", logits="last") / 1e6,
    }
    assert {name: costs.evaluate(name, ARCH, LOAD) for name in expected} == expected


@pytest.mark.parametrize("quantity", costs.quantities())
def test_one_gives_a_number_and_many_an_array(quantity: str) -> None:
    one = costs.evaluate(quantity, ARCH, LOAD)
    many = costs.evaluate(quantity, [ARCH, ARCH], LOAD)
    assert isinstance(one, (int, float))
    assert many.dtype == (np.int64 if isinstance(one, int) else np.float64)
    assert many.tolist() == [one, one]


def test_a_quantity_without_closed_form_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean 'decoder_params'"):
        costs.evaluate("decoder_param", ARCH)
    with pytest.raises(UsageError, match="unknown closed-form quantity 'latency_ms'"):
        costs.evaluate("latency_ms", ARCH)


def test_counting_never_loads_torch() -> None:
    code = (
        "import sys, tradewind as tw; from tradewind.core import GPT2; "
        "tw.costs.flops(GPT2(d_model=64, n_head=(2,), d_inner=(128,)), seq_len=1024); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)

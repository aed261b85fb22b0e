from __future__ import annotations

import functools

import numpy as np
import pytest

from tradewind.core import GPT2, HWGPT, Architecture, ArchitectureBatch, TransformerXL, UsageError, Workload
from tradewind.costs.layerwise import OfTotals
from tradewind.predictors.features import QUANTITIES, features

OPTIONS: dict[str, list[Architecture]] = {
    "gpt2": [GPT2(d_model=64, n_head=(h,), d_inner=(f,)) for h in (2, 4) for f in (128, 320)],
    "gpt2 with blocks": [
        GPT2(d_model=64, n_head=(2,), d_inner=(f,), block=(block,))
        for f, block in ((128, "gelu"), (192, "primer-ez"), (320, "transformer++"), (128, "primer"))
    ],
    "transformer-xl": [TransformerXL(d_model=64, n_head=(h,), d_inner=(f,)) for h in (2, 4) for f in (128, 320)],
    "hwgpt": [HWGPT(d_model=192, n_head=(h,), mlp_ratio=(m,)) for h in (4, 8) for m in (2, 3)],
}


@pytest.mark.parametrize("family", OPTIONS)
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_features_are_non_negative_and_come_from_totals_of_the_layers(family: str, quantity: str) -> None:
    options = ArchitectureBatch.of(OPTIONS[family])
    load = Workload(seq_len=32)
    whole = ArchitectureBatch.of([*options, *options[1:]])
    named = features(quantity, whole, load)
    assert all(np.all(np.asarray(column) >= 0) for column in named.values())
    for name in named:
        part = functools.partial(lambda archs, name: features(quantity, archs, load)[name], name=name)
        layered = OfTotals(part)
        totals = {term.key: term.values for term in layered.terms(options)}
        expected = np.broadcast_to(np.asarray(part(options), dtype=float), (4,))
        assert np.allclose(np.broadcast_to(layered.value(options, 1, totals), (4,)), expected)


def test_matrices_are_counted_as_the_closed_forms_count_them() -> None:
    from tradewind import costs

    arch = ArchitectureBatch.of([GPT2(d_model=64, n_head=(2, 4), d_inner=(128, 320))])
    load = Workload(batch=2, seq_len=16, logits="last")
    found = features("latency_ms", arch, load)
    inside = found["attention matrices"] + found["feed-forward matrices"] + 2 * found["scores"]
    assert inside == costs.macs(arch, 2, 16, "last") - 2 * 50257 * 64


def test_blocks_have_features_of_their_own() -> None:
    from tradewind import costs

    arch = ArchitectureBatch.of(
        [GPT2(d_model=64, n_head=(2,) * 3, d_inner=(128, 320, 64), block=("gelu", "primer-ez", "transformer++"))]
    )
    load = Workload(seq_len=16, logits="last")
    found = features("latency_ms", arch, load)
    assert {name: int(found[name][0]) // 16 for name in ("activation function", "rectifiers", "gates")} == {
        "activation function": 128,
        "rectifiers": 2 * 320,
        "gates": 64,
    }
    inside = found["attention matrices"] + found["feed-forward matrices"] + 2 * found["scores"]
    assert inside + 3 * found["convolutions"] == costs.macs(arch, 1, 16, "last") - 50257 * 64
    assert int(features("decode_latency_ms", arch, load)["convolved rows"][0]) == 3


def test_unknown_quantity_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'latency_ms'"):
        features("latency", ArchitectureBatch.of(OPTIONS["gpt2"]), Workload())

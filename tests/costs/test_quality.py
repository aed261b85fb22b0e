"""The quality proxy: its formula, what it must and must not depend on, and its rank against decoder parameters."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tradewind import costs
from tradewind.benchmarks import lts
from tradewind.core import GPT2, HWGPT, ArchitectureBatch, TransformerXL
from tradewind.costs.quality import NATS, index

GPT = GPT2(d_model=128, n_head=(2, 4, 8), d_inner=(256, 512, 1024))
XL = TransformerXL(d_model=512, n_head=(8, 8), d_inner=(2048, 1024), d_embed=128)
HW = HWGPT(d_model=192, n_head=(4, 8), mlp_ratio=(2, 3))


def test_formula_by_hand() -> None:
    attention = 3 * (4 * 128**2 + 4 * 128)
    ffn = 2 * 128 * 1792 + 1792 + 3 * 128
    assert costs.quality(GPT) == pytest.approx(0.20 * 0.5 * math.log(attention * ffn))
    attention = 2 * (5 * 512**2 + 2 * 512)
    ffn = 2 * 512 * 3072 + 3072 + 2 * 512
    assert costs.quality(XL) == pytest.approx(0.20 * 0.5 * math.log(attention * ffn * 128 / 512))


@pytest.mark.parametrize("arch", [GPT, XL, HW], ids=lambda arch: arch.family)
def test_one_architecture_and_a_batch_agree(arch) -> None:
    deeper = arch.replace(**{name: getattr(arch, name) * 2 for name in arch.per_layer_fields()})
    values = costs.quality([arch, deeper])
    assert values.shape == (2,)
    assert values.tolist() == [costs.quality(arch), costs.quality(deeper)]
    assert values[1] - values[0] == pytest.approx(NATS * math.log(2))
    assert type(costs.quality(arch)) is float
    assert costs.evaluate("quality", ArchitectureBatch.of([arch])) == pytest.approx([costs.quality(arch)])


def test_more_of_anything_is_never_worse() -> None:
    base = costs.quality(XL)
    assert costs.quality(XL.replace(d_embed=256)) > base
    assert costs.quality(XL.replace(d_inner=(2048, 1088))) > base
    assert costs.quality(XL.replace(d_model=576)) > base
    assert costs.quality(XL.replace(d_embed=512)) == costs.quality(XL.replace(d_embed=1024))


def test_heads_of_a_fixed_width_change_nothing() -> None:
    assert costs.quality(GPT.replace(n_head=(8, 8, 8))) == costs.quality(GPT)


def test_large_tables_do_not_overflow() -> None:
    huge = index(np.array([2**62]), np.array([2**62]), np.array([1]), np.array([1]))
    assert huge == pytest.approx([62 * math.log(2)])


@pytest.mark.data
def test_never_significantly_worse_than_decoder_params_and_better_on_average(data_dir: Path) -> None:
    gains = {name: lts.load(name, data_dir).compare("quality", resamples=300) for name in lts.names()}
    for name, gain in gains.items():
        for metric in ("spearman", "kendall", "common_ratio@10%", "common_ratio@20%"):
            assert gain[metric].high >= 0, (name, metric)
    means = {metric: np.mean([gain[metric].value for gain in gains.values()]) for metric in gains["lts-gpt2-wt103"]}
    assert means["spearman"] == pytest.approx(0.0070, abs=0.0005)
    assert means["common_ratio@10%"] == pytest.approx(0.0593, abs=0.001)
    assert gains["lts-gpt2-wt103"]["common_ratio@10%"].value == pytest.approx(0.4)
    assert gains["lts-xl-wt103"]["spearman"].low > 0

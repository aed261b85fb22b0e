"""HW-GPT's closed forms against the corners of its spaces and every released row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tradewind import costs
from tradewind.core import HWGPT, ArchitectureBatch, UsageError
from tradewind.core.files import read_parquet
from tradewind.costs import hwgpt

# width, layers, heads of the smallest and the largest network of each space; MLP ratios 1 or 2 and 4.
SPACES = {
    "s": ((192, 10, 4, 2), (768, 12, 12, 4)),
    "m": ((256, 22, 8, 2), (1024, 24, 16, 4)),
    "l": ((320, 34, 8, 2), (1280, 36, 20, 4)),
    "s_wide": ((192, 3, 4, 1), (768, 12, 12, 4)),
    "m_wide": ((256, 6, 4, 1), (1024, 24, 16, 4)),
    "l_wide": ((320, 9, 5, 1), (1280, 36, 20, 4)),
}
GELU_TIED = {
    "s": (13_097_472, 123_651_072),
    "m": (30_189_568, 353_771_520),
    "l": (52_334_080, 772_715_520),
    "s_wide": (10_462_464, 123_651_072),
    "m_wide": (15_230_976, 353_771_520),
    "l_wide": (21_623_040, 772_715_520),
}
GELU_UNTIED = {
    "s": (22_746_240, 162_246_144),
    "m": (43_054_592, 405_231_616),
    "l": (68_415_360, 837_040_640),
    "s_wide": (20_111_232, 162_246_144),
    "m_wide": (28_096_000, 405_231_616),
    "l_wide": (37_704_320, 837_040_640),
}
GATED_UNTIED = {
    "s": (23_483_520, 190_594_560),
    "m": (45_938_176, 505_993_216),
    "l": (75_378_560, 1_073_154_560),
    "s_wide": (20_221_824, 190_594_560),
    "m_wide": (28_489_216, 505_993_216),
    "l_wide": (38_625_920, 1_073_154_560),
}
PROFILER_MACS = {
    "s": (113_268_228_096, 1_243_883_765_760),
    "m": (135_373_258_752, 1_860_047_994_880),
    "l": (60_675_194_880, 1_032_236_564_480),
}


def corner(space: str, largest: bool, network: str) -> HWGPT:
    d_model, layers, heads, ratio = SPACES[space][largest]
    return HWGPT(d_model=d_model, n_head=(heads,) * layers, mlp_ratio=(ratio,) * layers, bias=largest, network=network)


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("space", SPACES)
def test_parameters_of_the_corners(space: str, largest: bool) -> None:
    intended = corner(space, largest, "intended")
    assert costs.params(intended) == GELU_TIED[space][largest]
    untied_head = intended.vocab_size * intended.d_model
    assert costs.params(intended) + untied_head == GELU_UNTIED[space][largest]
    assert costs.params(corner(space, largest, "profiled")) == GATED_UNTIED[space][largest]


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("scale", PROFILER_MACS)
def test_profiler_macs_of_the_corners(scale: str, largest: bool) -> None:
    arch = corner(scale, largest, "profiled")
    assert hwgpt.profiler_macs(arch, hwgpt.PROFILED_BATCH[scale]) == PROFILER_MACS[scale][largest]


def test_the_intended_network_was_never_profiled() -> None:
    with pytest.raises(UsageError, match="only the 'profiled' network was profiled"):
        hwgpt.profiler_flops(corner("s", False, "intended"), 8)


def test_a_batch_may_hold_both_networks() -> None:
    pair = [corner("s", True, network) for network in ("profiled", "intended")]
    assert costs.params(pair).tolist() == [costs.params(arch) for arch in pair]
    assert costs.components(pair)["head"].tolist() == [50254 * 768, 0]


@pytest.mark.data
@pytest.mark.parametrize("scale", ["s", "m", "l"])
def test_every_released_row(data_dir: Path, scale: str) -> None:
    rows = read_parquet(data_dir / f"hwgpt_{scale}.parquet")
    archs = ArchitectureBatch.from_arrow(rows, "hwgpt")
    assert len(archs) == 8000
    assert set(archs.bias.tolist()) == {False, True}
    np.testing.assert_array_equal(costs.params(archs), rows.column("params").to_numpy())
    flops = hwgpt.profiler_flops(archs, hwgpt.PROFILED_BATCH[scale])
    np.testing.assert_array_equal(flops, rows.column("flops").to_numpy())


def test_our_operations_are_the_profilers_and_attentions() -> None:
    arch = corner("m", True, "profiled")
    attention = 4 * 1024 * 1024 * 2 * 64 * sum(arch.n_head)
    assert costs.macs(arch, batch=4, seq_len=1024) == PROFILER_MACS["m"][1] + attention

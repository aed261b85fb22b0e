"""Published measurements answer with unit, spread, number and origin, for every row of the tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.benchmarks.released import released_stats

from tradewind.benchmarks import ground_truth, schema
from tradewind.benchmarks.measured import MeasuredTable
from tradewind.core import GPT2, HWGPT, UsageError


@pytest.fixture(scope="module")
def table() -> MeasuredTable:
    rows, scale, _ = schema.checked(ground_truth.table_of(released_stats())[0], "invented")
    return MeasuredTable(scale, rows)


def test_a_latency_is_the_median_with_its_spread_and_workload(table: MeasuredTable) -> None:
    arch = table.architectures[2]
    values = np.array(table.rows["latency_ms.a100"][2].as_py())
    measurement = table.measured(arch, "latency_ms@a100")
    assert measurement.value == pytest.approx(np.median(values))
    assert measurement.spread == pytest.approx(np.subtract(*np.quantile(values, [0.75, 0.25])))
    assert (measurement.unit, measurement.n, measurement.device) == ("ms", 10, "a100")
    assert not measurement.predicted
    assert measurement.method == "published measurement"
    assert measurement.details == {"scale": "s", "network": "profiled", "batch": 8, "seq_len": 1024}


def test_the_details_tell_the_two_networks_and_the_mean_of_cpu_energy(table: MeasuredTable) -> None:
    arch = table.architectures[0]
    assert table.measured(arch, "perplexity").details["network"] == "intended"
    assert table.measured(arch, "perplexity").unit == "perplexity"
    energy = table.measured(arch, "energy_wh@cpu_amd_7452")
    assert (energy.n, energy.spread) == (1, None)
    assert "mean" in energy.details["statistic"]
    assert isinstance(table.measured(arch, "params").value, int)


def test_either_network_finds_the_row(table: MeasuredTable) -> None:
    arch = table.architectures[1]
    assert arch in table
    assert arch.replace(network="intended") in table
    assert table.measured(arch.replace(network="intended"), "flops") == table.measured(arch, "flops")


def test_values_are_the_medians_of_all_rows(table: MeasuredTable) -> None:
    for metric in table.metrics:
        expected = [table.measured(arch, metric).value for arch in table.architectures]
        assert table.values(metric) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arch", "metric", "message"),
    [
        (HWGPT(d_model=768, n_head=(4,) * 12, mlp_ratio=(4,) * 12), "flops", "not among the 6 that were measured"),
        (GPT2(d_model=64, n_head=(2,), d_inner=(128,)), "flops", "family hwgpt"),
        (None, "latency_ms@a1000", "did you mean 'latency_ms@a100'"),
        (None, "latency_ms", "write latency_ms@cpu"),
        (None, "arch_index", "unknown objective"),
        (None, "decoder_params", "unknown published metric"),
    ],
)
def test_what_was_not_measured_is_refused_in_words(arch, metric: str, message: str, table: MeasuredTable) -> None:
    with pytest.raises(UsageError, match=message):
        table.measured(arch or table.architectures[0], metric)
    assert (arch or table.architectures[0]) in table or arch is not None


def test_a_file_of_another_scale_is_refused(table: MeasuredTable, tmp_path: Path) -> None:
    pq.write_table(table.rows, tmp_path / "hwgpt_m.parquet")
    with pytest.raises(UsageError, match="holds scale s, not m"):
        MeasuredTable.load("m", tmp_path)


@pytest.mark.data
@pytest.mark.parametrize("scale", ["s", "m", "l"])
def test_published_anchors(scale: str, data_dir: Path) -> None:
    table = MeasuredTable.load(scale, data_dir)
    assert len(table) == len(table.metrics) * 250
    medians = table.values("latency_ms@h100")
    assert medians.mean() == pytest.approx({"s": 7.960, "m": 11.320, "l": 9.718}[scale], abs=6e-4)
    published = {"s": 8000, "m": 4192, "l": 346}[scale]
    assert int(np.isfinite(table.values("perplexity")).sum()) == published
    last = table.measured(table.architectures[999], "perplexity")
    assert last.ok == (scale == "s")

"""The pipeline on invented measurements, and on the published ones where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tradewind import costs, spaces
from tradewind.benchmarks.hwgpt import load
from tradewind.benchmarks.hwgpt.fidelity import evaluate, scores, warnings_of
from tradewind.benchmarks.hwgpt.fitting import fit_all, fit_and_judge, fit_target
from tradewind.benchmarks.hwgpt.observed import Observed, observed
from tradewind.benchmarks.measured import MeasuredTable
from tradewind.core import UsageError
from tradewind.core.files import write_parquet
from tradewind.predictors.layer_grid import LayerGrid
from tradewind.predictors.layer_predictor import LayerPredictor

N = 1500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of scale s: latency by parameters with two jobs, perplexity by parameters, energy of one observation."""
    batch = spaces.get("hwgpt-s").sample_many(N, seed=0)
    rng = np.random.default_rng(1)
    size = costs.params(batch) / 1e7
    job = np.where(np.arange(N) % 500 < 380, 1.0, 1.2)
    latency = (size * job)[:, None] * np.exp(0.02 * rng.normal(size=(N, 10)))
    columns = {
        "arch_index": np.arange(N, dtype=np.int32),
        "embed_dim": batch.d_model,
        "n_layer": batch.n_layer,
        "n_head": [list(a.n_head) for a in batch],
        "mlp_ratio": [list(a.mlp_ratio) for a in batch],
        "bias": batch.bias,
        "perplexity": np.where(np.arange(N) < 900, 60 * size**-0.2, np.nan),
        "latency_ms.h100": list(latency),
        "energy_wh.cpu_xeon_gold": list(latency[:, :1] / 1e3),
    }
    columns["perplexity"] = pa.array(columns["perplexity"], from_pandas=True, mask=np.isnan(columns["perplexity"]))
    place = tmp_path_factory.mktemp("data")
    write_parquet(place / "hwgpt_s.parquet", pa.table(columns))
    return place


def test_fit_evaluate_and_query_hang_together(folder: Path, tmp_path: Path) -> None:
    columns = ("perplexity", "latency_ms.h100", "energy_wh.cpu_xeon_gold")
    told: list[tuple[str, str]] = []
    written = fit_all(folder, tmp_path, ["s"], columns, keep_held_out=True, progress=lambda *a: told.append(a))
    assert [p.name for p in written] == [f"{column}.json" for column in columns]
    assert told == [("s", column) for column in columns]
    bench = load("hwgpt-s", predictors=tmp_path, data=folder)
    table = evaluate(bench, "perplexity,latency_ms@h100,energy_wh@cpu_xeon_gold,params", "held-out")
    assert list(table) == ["perplexity", "latency_ms@h100", "energy_wh@cpu_xeon_gold"]
    latency = table["latency_ms@h100"]
    assert latency["seen"] is False
    assert latency["kendall_corrected"] > latency["kendall"]
    assert latency["kendall_known_job"] > 0.95
    assert latency["coverage"] == pytest.approx(0.9, abs=0.05)
    for metric, found in table.items():
        kept = LayerPredictor.load(tmp_path / "hwgpt-s" / f"{metric.replace('@', '.')}.json").facts["held_out"]
        assert {k: found[k] for k in kept} == kept
    assert evaluate(bench, "perplexity")["perplexity"]["seen"] is True
    arch = MeasuredTable.load("s", folder).architectures[3]
    assert bench.measured(arch, "latency_ms@h100").n == 10
    with pytest.raises(UsageError, match="unknown choice of rows"):
        evaluate(bench, "perplexity", "heldout")


def test_the_same_data_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    first, second = (fit_all(folder, tmp_path / which, ["s"], ("latency_ms.h100",)) for which in ("a", "b"))
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def column(folder: Path, name: str, scale: str = "s") -> Observed:
    grid = LayerGrid.of_space(spaces.get(f"hwgpt-{scale}"))
    return observed(MeasuredTable.load(scale, folder), grid, (name,))[name]


def test_the_held_out_fifth_does_not_depend_on_other_rows(folder: Path) -> None:
    values = column(folder, "latency_ms.h100")
    assert 0.15 < values.held_out.mean() < 0.25
    some = np.arange(100, 300)
    assert np.array_equal(values[some].held_out, values.held_out[some])
    assert np.array_equal(values[some].folds, values.folds[some])
    assert not np.array_equal(values.held_out[:500], values.folds[:500] == 0)


def test_rows_without_a_value_are_left_out(folder: Path) -> None:
    assert len(column(folder, "perplexity")) == 900
    assert column(folder, "latency_ms.h100").observations.shape == (N, 10)


def test_the_hash_is_of_the_numbers(folder: Path) -> None:
    values = column(folder, "latency_ms.h100")
    assert values.sha256() == column(folder, "latency_ms.h100").sha256()
    changed = values[np.arange(len(values))]
    changed.observations[5, 5] *= 1.01
    assert changed.sha256() != values.sha256()


def test_scores_of_a_perfect_and_of_a_blind_predictor(folder: Path) -> None:
    values = column(folder, "perplexity")
    found = scores(fit_target(values), values, values.held_out)
    assert found["kendall"] > 0.95
    assert found["r2"] > 0.99
    assert found["rows"] == int(values.held_out.sum())


def test_warnings_say_what_is_weak() -> None:
    facts = {
        "rows": 346,
        "noise": {"job": 0.01, "rest": 0.1, "observation": 0.1},
        "held_out": {"kendall": 0.7, "kendall_known_job": 0.72, "half_width": 0.4},
    }
    few, ranks, wide = warnings_of(facts)
    assert "346" in few
    assert "scatter more than architectures differ" in ranks
    assert "±40%" in wide
    facts["held_out"]["kendall_known_job"] = 0.95  # type: ignore[index]
    assert "profiling job" in warnings_of(facts)[1]
    good = {"rows": 8000, "held_out": {"kendall": 0.99, "kendall_known_job": 0.99, "half_width": 0.01}}
    assert warnings_of(good) == []


@pytest.mark.data
@pytest.mark.parametrize(
    ("scale", "name", "bulk_error", "tau"),
    [("l", "latency_ms.h100", 0.3, 0.98), ("s", "perplexity", 0.15, 0.98), ("m", "perplexity", 0.06, 0.985)],
)
def test_fits_to_the_middle_hold_in_the_tails(
    data_dir: Path, scale: str, name: str, bulk_error: float, tau: float
) -> None:
    """Fitted where mean heads and mean ratio lie in the middle 80%, scored where either does not."""
    values = column(data_dir, name, scale)
    archs = values.codes.archs
    away = np.zeros(len(values))
    for field in ("n_head", "mlp_ratio"):
        mean = archs.layer_sum(field) / archs.n_layer
        off = np.abs(mean - np.median(mean))
        away = np.maximum(away, off / np.quantile(off, 0.8))
    tails = away > 1
    predictor = fit_target(values[~tails])
    found = scores(predictor, values, tails)
    assert found["kendall"] > tau
    assert found["median_ape"] < bulk_error


@pytest.mark.data
def test_predictions_of_the_package_agree_with_the_measurements(data_dir: Path) -> None:
    for name in ("hwgpt-s", "hwgpt-m", "hwgpt-l"):
        found = evaluate(load(name, data=data_dir), "perplexity,latency_ms@h100,bfloat16_memory_mb")
        assert found["perplexity"]["kendall"] > 0.98
        assert found["latency_ms@h100"]["kendall"] > 0.99
        assert found["bfloat16_memory_mb"]["kendall"] > 0.98
        assert 0.87 < found["latency_ms@h100"]["coverage"] < 0.93


@pytest.mark.data
def test_a_file_of_the_package_is_made_by_the_pipeline(data_dir: Path) -> None:
    fresh = fit_and_judge(column(data_dir, "latency_ms.h100"))
    kept = load("hwgpt-s").predictor("latency_ms@h100")
    assert fresh.facts == kept.facts
    assert np.allclose(fresh.model.constant, kept.model.constant, rtol=1e-5)

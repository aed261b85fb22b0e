from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tradewind as tw
from tradewind.benchmarks.hwgpt import HWGPTBenchmark, load, names
from tradewind.benchmarks.hwgpt.benchmark import FITTED
from tradewind.benchmarks.hwgpt.targets import METRICS, PREDICTED
from tradewind.core import GPT2, ArchitectureBatch, Evaluator, InvalidArchitectureError, UsageError, parse_objectives
from tradewind.core.files import content_hash
from tradewind.core.layerwise import Layerwise
from tradewind.pareto.exact import exact_frontier


@pytest.fixture(scope="module", params=names())
def bench(request: pytest.FixtureRequest) -> HWGPTBenchmark:
    return load(request.param)


@pytest.fixture(scope="module")
def small() -> HWGPTBenchmark:
    return load("hwgpt-s")


def test_all_files_are_there_and_together_below_two_megabytes() -> None:
    files = sorted(FITTED.rglob("*"))
    assert {p.relative_to(FITTED).as_posix() for p in files if p.is_file()} == {
        f"{name}/{column}.json" for name in names() for column in PREDICTED
    }
    assert sum(p.stat().st_size for p in files if p.is_file()) < 2_000_000


def test_every_file_carries_its_record(bench: HWGPTBenchmark) -> None:
    for column in PREDICTED:
        data = json.loads((FITTED / bench.name / f"{column}.json").read_text())
        assert data["sha256"] == content_hash({k: v for k, v in data.items() if k != "sha256"})
        facts = data["facts"]
        assert facts["fit"]["command"].startswith("tradewind bench fit")
        assert len(facts["fit"]["data_sha256"]) == 64
        assert {"rows", "kendall", "kendall_corrected", "coverage", "median_ape"} <= facts["held_out"].keys()
        assert facts["saw_held_out"]


def test_a_query_answers_with_unit_uncertainty_and_record(bench: HWGPTBenchmark) -> None:
    arch = bench.space.sample(seed=1)
    for metric in METRICS:
        answer = bench.query(arch, metric)
        assert answer.ok
        if metric in ("params", "flops"):
            assert isinstance(answer.value, int)
            assert answer.spread is None
            continue
        assert answer.predicted
        low, high = answer.details["interval_90"]
        assert 0 < low < answer.value < high or "energy" in metric
        assert answer.spread is not None
        assert 0 < answer.spread < 2 * answer.value
        assert answer.details["std_prediction"] < answer.value / 4
        assert answer.device == (metric.partition("@")[2] or None)
        json.dumps(answer.to_dict(), allow_nan=False)


def test_closed_forms_are_those_of_the_profiled_network_for_either(small: HWGPTBenchmark) -> None:
    arch = small.space.sample(seed=2)
    for network in ("profiled", "intended"):
        asked = arch.replace(network=network)
        assert small.query(asked, "params").value == tw.costs.params(arch)
        assert small.query(asked, "perplexity").value == small.query(arch, "perplexity").value


def test_a_batch_gives_what_single_queries_give(bench: HWGPTBenchmark) -> None:
    batch = bench.space.sample_many(20, seed=3)
    table = bench.query_many(batch)
    assert repr(table).endswith(f" and {len(table.mean) - 6} more; see .to_arrow())")
    assert list(table.mean) == list(METRICS)
    for row in (0, 7, 19):
        for metric in METRICS:
            answer = bench.query(batch[row], metric)
            assert table[metric][row] == pytest.approx(answer.value, rel=1e-5)
            if answer.spread is not None:
                assert table.std[metric][row] == pytest.approx(answer.spread, rel=1e-5)


def test_blocks_change_nothing(small: HWGPTBenchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    from tradewind.benchmarks.hwgpt import benchmark

    batch, metrics = small.space.sample_many(50, seed=11), "perplexity,energy_wh@h100,params"
    whole = small.query_many(batch, metrics)
    monkeypatch.setattr(benchmark, "BLOCK", 7)
    parts = small.query_many(batch, metrics)
    assert all(np.array_equal(parts[metric], whole[metric]) for metric in whole.mean)
    assert all(np.allclose(parts.std[metric], whole.std[metric], rtol=1e-12) for metric in whole.std)
    wrong = [*batch, batch[0].replace(d_model=200)]
    with pytest.raises(InvalidArchitectureError, match="row 50: d_model is 200"):
        small.query_many(wrong, metrics)


def test_a_published_table_is_read_by_its_own_column_names(small: HWGPTBenchmark) -> None:
    import pyarrow as pa

    batch = small.space.sample_many(5, seed=4)
    rows = [
        {"embed_dim": a.d_model, "n_head": list(a.n_head), "mlp_ratio": list(a.mlp_ratio), "bias": a.bias, "other": 1}
        for a in batch
    ]
    found = small.query_many(pa.Table.from_pylist(rows), "perplexity,latency_ms@a100,params").to_arrow()
    assert found.column_names == [
        "perplexity", "perplexity.std", "latency_ms.a100", "latency_ms.a100.std", "params",
    ]  # fmt: skip
    assert np.allclose(found["perplexity"].to_numpy(), small.query_many(batch, ["perplexity"])["perplexity"])


def test_physics_more_of_anything_costs_more_and_models_better(bench: HWGPTBenchmark) -> None:
    low, high = bench.space.sample(seed=5), bench.space.sample(seed=5)
    heads, ratios = (bench.space.dimension(name).choices for name in ("n_head", "mlp_ratio"))
    low = low.replace(n_head=(heads[0],) * low.n_layer, mlp_ratio=(ratios[0],) * low.n_layer)
    high = high.replace(n_head=(heads[-1],) * high.n_layer, mlp_ratio=(ratios[-1],) * high.n_layer)
    table = bench.query_many([low, high])
    for metric in METRICS:
        first, second = table[metric]
        rises = metric not in ("perplexity",)
        assert (second > first) == rises, metric


def test_draws_are_seeded_and_scatter_like_observations(small: HWGPTBenchmark) -> None:
    arch = small.space.sample(seed=6)
    drawn = [small.draw(arch, "energy_wh@a100", seed).value for seed in range(300)]
    assert drawn == [small.draw(arch, "energy_wh@a100", seed).value for seed in range(300)]
    low, high = (end[0] for end in small.predict([arch], "energy_wh@a100").interval(0.9, "observation"))
    assert np.mean([low <= value <= high for value in drawn]) == pytest.approx(0.9, abs=0.06)
    assert len(set(drawn)) > 250
    assert small.draw(arch, "params", 0).value == tw.costs.params(arch)


def test_the_evaluator_keeps_the_contract(small: HWGPTBenchmark) -> None:
    archs = [small.space.sample(seed=s) for s in range(4)]
    for draws in (False, True):
        evaluator = small.evaluator("perplexity,latency_ms@h100,params", draws=draws, seed=3)
        assert isinstance(evaluator, Evaluator)
        found = evaluator.evaluate(archs)
        assert found == [evaluator.evaluate([arch])[0] for arch in archs]
        assert found == small.evaluator("perplexity,latency_ms@h100,params", draws=draws, seed=3).evaluate(archs)
        assert [set(f) for f in found] == [{"perplexity", "latency_ms@h100", "params"}] * 4
        assert evaluator.evaluate([]) == []
        assert json.dumps(evaluator.describe(), allow_nan=False)
        evaluator.close()
    clean, noisy = (
        small.evaluator("latency_ms@cpu_xeon_gold", draws=d).evaluate(archs)[0]["latency_ms@cpu_xeon_gold"]
        for d in (False, True)
    )
    assert clean.value != noisy.value
    with pytest.raises(UsageError, match="unknown device"):
        small.evaluator("latency_ms@tpu")


def test_bounds_hold_every_sample_and_are_reached(bench: HWGPTBenchmark) -> None:
    metrics = ["perplexity", "latency_ms@a100", "energy_wh@p100", "bfloat16_memory_mb", "flops"]
    bounds = bench.bounds(metrics)
    table = bench.query_many(bench.space.sample_many(3000, seed=7), metrics)
    for metric, (low, high) in bounds.items():
        assert low <= table[metric].min() < table[metric].max() <= high
    corners = bench.query_many(bench._corners(), ["latency_ms@a100"])["latency_ms@a100"]
    assert np.allclose(corners, bounds["latency_ms@a100"], rtol=1e-6)


def test_the_parts_give_the_exact_frontier(small: HWGPTBenchmark) -> None:
    space = small.space.narrow(n_layer="10", d_model=[192, 384], bias=[False], n_head=[4, 12], mlp_ratio=[2])
    objectives = parse_objectives("perplexity,latency_ms@a100,params")
    parts = small.evaluator(objectives).layerwise
    assert all(isinstance(part, Layerwise) for part in parts.values())
    front = exact_frontier(space, objectives[:2], {o.name: parts[o.name] for o in objectives[:2]})
    every = ArchitectureBatch.of(list(space.enumerate()))
    table = small.query_many(every, objectives)
    values = np.column_stack([table["perplexity"], table["latency_ms@a100"]])
    order = np.lexsort((values[:, 1], values[:, 0]))
    best = values[order]
    best = best[np.r_[True, best[1:, 1] < np.minimum.accumulate(best[:, 1])[:-1]]]
    assert np.allclose(front.values, best, rtol=1e-9)
    found = small.query_many(list(front.architectures), objectives)
    assert np.allclose(found["perplexity"], front.values[:, 0])


def test_what_is_outside_is_refused_with_what_to_do(small: HWGPTBenchmark) -> None:
    arch = small.space.sample(seed=8)
    with pytest.raises(InvalidArchitectureError, match="d_model"):
        small.query(arch.replace(d_model=200), "perplexity")
    with pytest.raises(InvalidArchitectureError, match="vocab_size"):
        small.query_many([arch.replace(vocab_size=100)] * 2, "perplexity")
    with pytest.raises(InvalidArchitectureError, match=r"row 1: n_head is .*; every entry must be one of 4, 8, 12"):
        small.query_many([arch, arch.replace(n_head=(5, *arch.n_head[1:]))], "perplexity")
    with pytest.raises(InvalidArchitectureError, match="family"):
        small.query(GPT2(d_model=64, n_head=(2,), d_inner=(64,)), "perplexity")
    with pytest.raises(UsageError, match="no measurements of hwgpt-s-wide"):
        load("hwgpt-s-wide")
    with pytest.raises(UsageError, match="did you mean 'hwgpt-s'"):
        load("hwgpt-S")
    with pytest.raises(UsageError, match="exact closed form"):
        small.predictor("params")
    with pytest.raises(UsageError, match="at least one metric"):
        small.query_many([arch], [])


def test_a_folder_without_predictors_says_how_to_make_them(tmp_path: Path) -> None:
    bench = load("hwgpt-s", predictors=tmp_path)
    with pytest.raises(UsageError, match="tradewind bench fit DIR --out"):
        bench.query(bench.space.sample(0), "perplexity")


def test_targets_that_the_data_support_badly_say_so() -> None:
    arch = load("hwgpt-l").space.sample(seed=9)
    assert "346 architectures" in load("hwgpt-l").query(arch, "perplexity").details["warnings"][0]
    noisy = load("hwgpt-l").query(arch, "energy_wh@a100").details["warnings"]
    assert any("Kendall tau" in warning for warning in noisy)
    assert load("hwgpt-l").query(arch, "latency_ms@h100").details["warnings"] == []


def test_the_description_is_plain_and_complete(bench: HWGPTBenchmark) -> None:
    facts = json.loads(json.dumps(bench.describe(), allow_nan=False))
    assert [row["metric"] for row in facts["metrics"]] == [*METRICS, "decoder_params"]
    assert all(row["min"] < row["max"] for row in facts["metrics"])


def test_a_query_loads_neither_torch_nor_arrow_nor_scipy() -> None:
    code = (
        "import sys, tradewind as tw; b = tw.benchmarks.get('hwgpt-s'); a = b.space.sample(0);"
        "b.query(a, 'latency_ms@a100'); b.query_many([a, a], 'perplexity,energy_wh@h100');"
        "print([m for m in ('torch', 'pyarrow', 'scipy', 'moocore', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

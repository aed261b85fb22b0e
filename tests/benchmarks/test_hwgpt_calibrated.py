"""A device of the user's own, calibrated on a benchmark's space, beside the published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.predictors.test_calibration import made
from typer.testing import CliRunner

from tradewind import spaces
from tradewind.benchmarks import hwgpt
from tradewind.cli.main import app
from tradewind.core import Evaluation, Measurement, UsageError, Workload, parse_objectives
from tradewind.core.files import parse_json, write_json
from tradewind.pareto import exact_frontier
from tradewind.predictors import calibrated_devices
from tradewind.predictors.calibration import Calibration, calibrate
from tradewind.predictors.cost_model import CostModel
from tradewind.studies.compare import Contest

PRICES = {"fixed": 3.0, "layers": 0.5, "attention matrices": 1e-9, "feed-forward matrices": 2e-9}
LOAD = Workload(batch=1, seq_len=64)


@pytest.fixture(scope="module")
def fitted() -> Calibration:
    space = spaces.get("hwgpt-s")
    archs = space.sample_many(24, seed=0)
    times = CostModel("latency_ms", LOAD, PRICES, ()).predict(archs)
    times = times * np.exp(0.01 * np.random.default_rng(0).normal(size=24))
    log = [
        Evaluation(i, arch, {"latency_ms@cpu": Measurement.of(float(t), "ms")})
        for i, (arch, t) in enumerate(zip(archs, times, strict=True))
    ]
    return calibrate("laptop", log, space.to_dict(), LOAD, {})


@pytest.fixture
def laptop(fitted: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calibration:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(calibrated_devices, "_files", {})
    monkeypatch.setenv(calibrated_devices.FOLDERS_VARIABLE, "devices")
    fitted.save(tmp_path / "devices" / "laptop.json")
    return fitted


def test_it_answers_like_its_model(laptop: Calibration) -> None:
    bench = hwgpt.load("hwgpt-s")
    archs = bench.space.sample_many(50, seed=1)
    expected = laptop.model("latency_ms").predict(archs)
    one = bench.query(archs[0], "latency_ms@laptop")
    assert one.value == pytest.approx(expected[0])
    assert one.predicted
    assert one.device == "laptop"
    low, high = one.details["interval_90"]
    assert low < one.value < high
    table = bench.query_many(archs, "latency_ms@laptop,perplexity,params")
    assert np.allclose(table["latency_ms@laptop"], expected)
    names = table.to_arrow().column_names
    assert names == ["latency_ms.laptop", "latency_ms.laptop.std", "perplexity", "perplexity.std", "params"]
    assert one.spread == pytest.approx(table.std["latency_ms@laptop"][0])


def test_draws_scatter_around_the_prediction_as_left_out_measurements_did(laptop: Calibration) -> None:
    bench = hwgpt.load("hwgpt-s")
    archs = bench.space.sample_many(200, seed=2)
    drawn = bench.draws(archs, "latency_ms@laptop", seed=0)
    ratio = drawn / bench.query_many(archs, ["latency_ms@laptop"])["latency_ms@laptop"]
    errors = np.array(laptop.model("latency_ms").errors)
    assert np.std(ratio) == pytest.approx(np.std(errors), rel=0.4)
    assert np.array_equal(drawn, bench.draws(archs, "latency_ms@laptop", seed=0))
    assert bench.draw(archs[0], "latency_ms@laptop", seed=0).value == pytest.approx(drawn[0])


def test_bounds_and_the_exact_frontier_hold_it(laptop: Calibration) -> None:
    bench = hwgpt.load("hwgpt-s")
    objectives = parse_objectives("perplexity,latency_ms@laptop")
    low, high = bench.bounds(objectives)["latency_ms@laptop"]
    front = exact_frontier(bench.space, objectives, {o.name: bench.additive(o) for o in objectives})
    assert front.values[:, 1].min() == pytest.approx(low)
    assert front.values[:, 1].max() <= high * (1 + 1e-12)
    asked = bench.query_many(front.architectures, objectives)
    assert np.allclose(asked["latency_ms@laptop"], front.values[:, 1])


def test_it_is_compared_on(laptop: Calibration) -> None:
    contest = Contest.of(["hwgpt-s"], ["perplexity,latency_ms@laptop"], "random", evaluations=5, seeds=2)
    (case,) = contest.cases
    assert case.problem(0).workload == LOAD
    facts = case.bench.evaluator(case.objective_names).describe()
    assert set(facts["calibrated"]) == {"latency_ms@laptop"}


def test_another_scale_is_warned_of_and_another_family_refused(laptop: Calibration, tmp_path: Path) -> None:
    bench = hwgpt.load("hwgpt-l")
    answer = bench.query(bench.space.sample(0), "latency_ms@laptop")
    assert "calibrated on hwgpt-s" in " ".join(answer.details["warnings"])
    made().save(tmp_path / "devices" / "desk.json")
    with pytest.raises(UsageError, match="calibrated on gpt2"):
        bench.query(bench.space.sample(0), "latency_ms@desk")
    with pytest.raises(UsageError, match="energy_wh was not calibrated on laptop"):
        bench.query(bench.space.sample(0), "energy_wh@laptop")
    with pytest.raises(UsageError, match="laptop"):
        bench.query(bench.space.sample(0), "latency_ms@laptob")


def test_the_command_takes_a_name_or_a_file(laptop: Calibration, tmp_path: Path) -> None:
    space, command = spaces.get("hwgpt-s"), ["bench", "query", "hwgpt-s", "--metrics"]
    write_json("a.json", space.sample(3).to_dict())
    named = CliRunner().invoke(app, [*command, "latency_ms@laptop,perplexity", "--arch", "a.json"])
    assert named.exit_code == 0, named.output
    assert "latency_ms@laptop" in named.output
    laptop.save(tmp_path / "else" / "phone.json")
    pq.write_table(space.sample_many(7, 0).to_arrow(), "t.parquet")
    words = [*command, "latency_ms@else/phone.json", "--archs", "t.parquet", "--out", "o.parquet"]
    table = CliRunner().invoke(app, words)
    assert table.exit_code == 0, table.output
    assert pq.read_table("o.parquet").column_names == ["latency_ms.phone", "latency_ms.phone.std"]
    listed = CliRunner().invoke(app, ["bench", "list", "--json"])
    assert "laptop" in parse_json(listed.stdout)[0]["calibrated_devices"]

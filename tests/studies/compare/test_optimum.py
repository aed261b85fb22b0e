from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from tradewind.benchmarks.hwgpt import HWGPTBenchmark
from tradewind.benchmarks.schema import DEVICES
from tradewind.core import ArchitectureBatch
from tradewind.pareto import hypervolume, oriented
from tradewind.studies.compare import Case
from tradewind.studies.compare.optimum import REFERENCE, Scale, optimum

NARROW = {"n_layer": "10,11", "n_head": "4,12", "mlp_ratio": "3"}


@pytest.fixture
def narrowed(monkeypatch: pytest.MonkeyPatch) -> HWGPTBenchmark:
    """The small benchmark with its space cut down to what can be walked through, its predictors as they are."""
    bench = HWGPTBenchmark("hwgpt-s")
    whole = bench.space
    assert len(bench.query_many([whole.sample(0)], ["params"])) == 1
    bench.__dict__["space"] = whole.narrow(**NARROW)
    monkeypatch.setattr(Case, "bench", property(lambda case: bench))
    return bench


@pytest.mark.parametrize(
    "objectives",
    [
        "perplexity,latency_ms@h100",
        "perplexity,energy_wh@h100",
        "perplexity,latency_ms@cpu_xeon_gold,energy_wh@a100",
        "accuracy,params,bfloat16_memory_mb",
    ],
)
def test_it_is_what_walking_through_the_space_finds(narrowed: HWGPTBenchmark, objectives: str) -> None:
    case = Case.of("hwgpt-s", objectives)
    archs = ArchitectureBatch.of(list(narrowed.space.enumerate()))
    assert len(archs) == 3 * 2 * (2**10 + 2**11)
    table = narrowed.query_many(archs, case.objective_names)
    points = oriented(np.column_stack([table[name] for name in case.objective_names]), case.objectives)
    found = optimum(case)
    front = oriented(found.values, case.objectives)
    size = np.abs(points).max(axis=0)
    for block in np.array_split(points, 64):
        # Nothing is better than the frontier, and every network is matched by a point of it.
        ahead = (front[None] <= block[:, None] + 1e-9 * size).all(axis=2)
        assert ahead.any(axis=1).all()
    attained = np.array([(np.abs(points - row) <= 1e-9 * size).all(axis=1).any() for row in front])
    assert attained.all()
    for a, b in itertools.pairwise(front):
        assert (a < b).any()
        assert (a > b).any()
    corner = np.full(points.shape[1], REFERENCE)
    scaled = found.scale.points(case, oriented(points, case.objectives))
    assert found.hypervolume == pytest.approx(hypervolume(scaled, corner))


def test_few_networks_hold_most_of_the_hypervolume() -> None:
    best = optimum(Case.of("hwgpt-s", "perplexity,latency_ms@h100"))
    counts = [best.points_for(share) for share in (0.5, 0.9, 0.99)]
    assert counts == sorted(counts)  # type: ignore[type-var]
    assert counts[0] == 1 or counts[0] < counts[1] < counts[2] < 100  # type: ignore[operator]
    assert best.points_for(1.01) is None
    corner = np.full(2, REFERENCE)
    singles = [hypervolume([point], corner) for point in best.thinned]
    assert max(singles) >= 0.5 * best.hypervolume or counts[0] != 1


def test_the_space_lies_between_0_and_1() -> None:
    case = Case.of("hwgpt-m", "accuracy,latency_ms@rtx2080,params")
    table = case.bench.query_many(case.bench.space.sample_many(500, seed=0), case.objective_names)
    points = Scale.of(case).points(case, np.column_stack([table[name] for name in case.objective_names]))
    assert points.min() > 0
    assert points.max() < 1


def test_it_is_computed_once_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case.of("hwgpt-s", "perplexity,latency_ms@h100")
    first = optimum(case, tmp_path)
    monkeypatch.setattr("tradewind.studies.compare.optimum._compute", None)
    again = optimum(case, tmp_path)
    assert (again.values == first.values).all()
    assert again.hypervolume == first.hypervolume
    assert len(again.thinned) <= 1000


def test_every_device_and_every_form_can_be_an_objective() -> None:
    devices = [*(f"latency_ms@{d}" for d in DEVICES), *(f"energy_wh@{d}" for d in DEVICES)]
    assert len(devices) == 26
    for name in (*devices, "float16_memory_mb", "bfloat16_memory_mb", "params", "decoder_params", "flops"):
        case = Case.of("hwgpt-s", f"perplexity,{name}")
        scale = Scale.of(case)
        assert (scale.high > scale.low).all()
        assert case.problem(0).layerwise.keys() <= {name}


def test_the_exact_optimum_of_parameters_against_latency_is_beaten_by_no_sample() -> None:
    case = Case.of("hwgpt-s", "decoder_params,latency_ms@cpu_xeon_gold")
    front = oriented(optimum(case).values, case.objectives)
    batch = case.bench.space.sample_many(2000, seed=0)
    table = case.bench.query_many(batch, case.objectives)
    drawn = oriented(np.column_stack([table[name] for name in case.objective_names]), case.objectives)
    assert (drawn.min(axis=0) >= front.min(axis=0)).all()
    for point in drawn[::10]:
        assert ((front <= point + 1e-9 * abs(point)).all(axis=1)).any()

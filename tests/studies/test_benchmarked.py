from __future__ import annotations

from pathlib import Path

import pytest

from tradewind import benchmarks, spaces
from tradewind.core import UsageError
from tradewind.pareto import exact_frontier
from tradewind.studies import Study


def test_a_search_on_a_benchmark_costs_nothing_and_knows_what_the_benchmark_knows(tmp_path: Path) -> None:
    study = Study.create(
        tmp_path / "run", space="hwgpt-s", objectives="perplexity,latency_ms@a100", algorithm="random", seed=1
    )
    study.run(budget=20, progress=False)
    bench = benchmarks.get("hwgpt-s")
    for evaluation in study.evaluations():
        for name, found in evaluation.measurements.items():
            assert found.predicted
            assert found.value == pytest.approx(bench.query(evaluation.candidate, name).value, rel=1e-5)


def test_the_exact_frontier_of_a_benchmark_is_a_study_like_any_other(tmp_path: Path) -> None:
    space = spaces.get("hwgpt-s", n_layer=10, d_model="192,384")
    study = Study.create(
        tmp_path / "run", space=space, objectives="perplexity,latency_ms@h100", algorithm="exact", seed=0
    )
    study.run(budget=100, progress=False)
    bench = benchmarks.get("hwgpt-s")
    parts = {o.name: bench.additive(o) for o in study.objectives}
    whole = exact_frontier(space, study.objectives, parts)
    assert len(study.frontier()) == len(study.evaluations()) == min(100, len(whole))


def test_other_spaces_and_devices_are_refused(tmp_path: Path) -> None:
    for space, objective in (("gpt2", "latency_ms@a100"), ("hwgpt-s", "latency_ms@a101"), ("gpt2", "perplexity")):
        with pytest.raises(UsageError, match="nothing here evaluates"):
            Study.create(tmp_path / "run", space=space, objectives=objective, algorithm="random")

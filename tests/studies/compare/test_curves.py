from __future__ import annotations

import numpy as np
import pytest

from tradewind.pareto import epsilon_additive, hypervolume, igd_plus
from tradewind.studies.compare import Case, Contestant
from tradewind.studies.compare.contest import Task
from tradewind.studies.compare.curves import curves, distances, volumes
from tradewind.studies.compare.optimum import REFERENCE, optimum
from tradewind.studies.compare.run import perform


@pytest.mark.parametrize("width", [2, 3])
def test_every_prefix_has_the_indicators_of_its_points(width: int) -> None:
    rng = np.random.default_rng(1)
    points, reference = rng.random((150, width)), rng.random((40, width)) * 0.3
    corner = np.full(width, 1.1)
    volume = volumes(points, corner)
    igd, epsilon = distances(points, reference)
    for n in (1, 2, 17, 128, 129, 150):
        assert volume[n - 1] == pytest.approx(hypervolume(points[:n], corner))
        assert igd[n - 1] == pytest.approx(igd_plus(points[:n], reference))
        assert epsilon[n - 1] == pytest.approx(epsilon_additive(points[:n], reference))


@pytest.mark.parametrize("objectives", ["perplexity,latency_ms@h100", "accuracy,params,bfloat16_memory_mb"])
def test_a_run_never_beats_the_optimum_and_never_gets_worse(objectives: str) -> None:
    case = Case.of("hwgpt-s", objectives)
    best = optimum(case)
    run = perform(Task(case, Contestant("lts"), "draws", 0, 60, 0))
    found = curves(run, best, best.thinned)
    assert (np.diff(found.share) >= 0).all()
    assert (np.diff(found.igd_plus) <= 0).all()
    assert (np.diff(found.epsilon) <= 0).all()
    assert 0 < found.returned <= found.share[-1] <= 1 + 1e-9
    points = best.scale.points(case, run.means)
    assert found.share[-1] == pytest.approx(hypervolume(points, [REFERENCE] * points.shape[1]) / best.hypervolume)


def test_the_optimum_itself_has_the_whole_share() -> None:
    case = Case.of("hwgpt-s", "perplexity,params")
    best = optimum(case)
    points = best.scale.points(case, best.values)
    assert volumes(points, np.full(2, REFERENCE))[-1] == pytest.approx(best.hypervolume)
    igd, epsilon = distances(points, best.thinned)
    assert igd[-1] == pytest.approx(0.0)
    assert epsilon[-1] == pytest.approx(0.0)

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tradewind import search, spaces
from tradewind.core import Evaluation, Measurement
from tradewind.search.morea import MOREA, MOREASettings
from tradewind.testing import algorithms

PROBLEM = algorithms.problem_of(spaces.get("gpt2"))


def test_the_oldest_die():
    algorithm = search.create("morea", PROBLEM, population=10, initial=5)
    log = algorithms.search(algorithm, PROBLEM, 37)
    alive = {e.candidate.id: e.values(PROBLEM.objectives) for e in log[-10:]}
    assert {c.id for c in algorithm._candidates} == set(alive)
    for candidate, point in zip(algorithm._candidates, algorithm._points, strict=True):
        assert point == pytest.approx(np.multiply(alive[candidate.id], [-1, 1]))


def test_the_best_of_the_sample_is_found_by_rank_and_then_by_crowding():
    algorithm = search.create("morea", PROBLEM, population=6, initial=6)
    # rank 0: four of one front, the third and fourth close together; rank 1: the others
    points = [(-9.0, 9.0), (-1.0, 1.0), (-5.0, 5.0), (-4.9, 4.9), (-1.0, 2.0), (-2.0, 6.0)]
    found = []
    for i, (candidate, point) in enumerate(zip(spaces.get("gpt2").sample_many(6, 0), points, strict=True)):
        values = zip(PROBLEM.objectives, (-point[0], point[1]), strict=True)
        found.append(Evaluation(i, candidate, {o.name: Measurement.of(v, o.unit) for o, v in values}))
    algorithm.tell(found)
    assert algorithm._best(np.array([4, 5, 3])) == 3
    assert algorithm._best(np.array([3, 2, 5])) == 2  # 4.1 between its neighbours, 4.0 between those of 3
    assert algorithm._best(np.array([3, 2, 1])) == 1
    assert algorithm._best(np.array([4, 5])) == 4


def test_every_member_of_the_population_is_drawn():
    algorithm = search.create("morea", PROBLEM, population=8, initial=8, sample=1)
    algorithms.search(algorithm, PROBLEM, 8)
    rng = np.random.default_rng(0)
    counts = Counter(algorithm._best(rng.integers(8, size=1)) for _ in range(400))
    assert min(counts[i] for i in range(8)) > 25


def test_the_preset_is_the_published_one():
    settings = MOREASettings.read(MOREA.presets["hwgpt"])
    assert (settings.population, settings.sample, settings.initial) == (100, 10, 100)
    assert not settings.corners

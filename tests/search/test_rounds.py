from __future__ import annotations

from tradewind import spaces
from tradewind.search.rounds import Rounds, RoundsSettings
from tradewind.testing import algorithms

SPACE = spaces.get("gpt2")
PROBLEM = algorithms.problem_of(SPACE)


class Sampled(Rounds):
    """Plans samples, and remembers what it was asked to plan from."""

    def plan(self, number, evaluations):
        self.asked = [*getattr(self, "asked", []), (number, len(evaluations))]
        return list(SPACE.sample_many(self.settings.round, 1000 + number))


def make(**settings):
    return Sampled(PROBLEM, RoundsSettings(**settings))


def test_each_round_is_planned_once_from_what_was_told_before_it():
    algorithm = make(initial=6, round=4)
    algorithms.search(algorithm, PROBLEM, 16)
    assert algorithm.asked == [(0, 6), (1, 10), (2, 14)]


def test_a_search_that_resumes_within_a_round_goes_on_with_its_plan():
    log = algorithms.search(make(initial=6, round=4), PROBLEM, 16)
    resumed = make(initial=6, round=4)
    resumed.tell(log[:8])
    assert resumed.ask()[0] == log[8].candidate
    assert resumed.asked == [(0, 6)]


def test_nothing_is_planned_without_a_few_values():
    algorithm = make(initial=6, round=4)
    algorithms.search(algorithm, PROBLEM, 12, ok=lambda index: index < 2)
    assert not hasattr(algorithm, "asked")


def test_what_was_measured_beside_the_search_is_passed_over():
    algorithm = make(initial=6, round=4, corners=False)
    planned = list(SPACE.sample_many(4, 1000))
    log = algorithms.search(algorithm, PROBLEM, 6)
    beside = algorithms.measured(PROBLEM, planned[0], 6)
    algorithm.tell([type(beside)(6, planned[0], beside.measurements, role="baseline")])
    assert algorithm.ask()[0] == planned[1]
    assert len(log) == 6


def test_hyperparameters_are_learnt_less_and_less_often():
    algorithm = make(initial=20, round=10)
    counts = [algorithm.fitted_at(number) for number in range(19)]
    assert counts == sorted(counts)
    assert all(count <= 20 + 10 * number for number, count in enumerate(counts))
    assert len(set(counts)) == 7

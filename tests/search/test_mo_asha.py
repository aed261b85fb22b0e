from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from tests.search.integers import OBJECTIVES, problem_of, space, variables, zdt1

from tradewind import search, spaces
from tradewind.core import GPT2, Constraint, Evaluation, Measurement, Partial
from tradewind.core.seeds import generator
from tradewind.pareto import crowding_distance, hypervolume
from tradewind.search.mo_asha import rungs
from tradewind.studies import loop
from tradewind.studies.meter import Meter
from tradewind.testing import algorithms

WHOLE = 27
PLACE = space(16, 6)


class Converging:
    """ZDT1 on a grid: values come down to the truth with the resource, each at its own rate, under shrinking noise."""

    objectives, fidelities = OBJECTIVES, range(1, WHOLE + 1)
    deterministic = resumes = True

    def __init__(self, seed=0):
        self.seed = seed

    def truth(self, candidates):
        return zdt1(variables(candidates), 15)

    def evaluate(self, candidates):
        return self.evaluate_at(candidates, WHOLE)

    def evaluate_at(self, candidates, fidelity):
        found, left = [], 1 - fidelity / WHOLE
        for candidate, truth in zip(candidates, self.truth(candidates), strict=True):
            slow = generator(self.seed, "rate", candidate.id).random(2)
            noise = generator(self.seed, "noise", candidate.id, fidelity).standard_normal(2)
            values = np.abs(truth * (1 + slow * left**2 + 0.3 * noise * left / np.sqrt(fidelity)))
            found.append({o.name: Measurement.of(v, o.unit) for o, v in zip(OBJECTIVES, values, strict=True)})
        return found

    def describe(self):
        return {"kind": "converging"}

    def close(self):
        pass


def problem(seed=0, **facts):
    return dataclasses.replace(problem_of(PLACE, seed), fidelities=Converging.fidelities, **facts)


def run(name, seed, budget, **settings):
    return list(loop.search(search.create(name, problem(seed), **settings), Converging(seed), budget=budget))


def true_hypervolume(log):
    whole = [e.candidate for e in log if e.fidelity is None]
    return hypervolume(Converging().truth(whole), [1.1, 11.0])


def spent(log):
    meter = Meter(Converging())
    for evaluation in log:
        meter.add(evaluation)
    return meter.spent / meter.whole


def test_at_equal_resource_it_beats_random_search_and_children_help():
    budget, seeds = 15, range(3)
    plain = [run("random", seed, budget) for seed in seeds]
    halving = [run("mo-asha", seed, budget, breed=0.0, corners=False) for seed in seeds]
    full = [run("mo-asha", seed, budget) for seed in seeds]
    assert all(spent(log) == pytest.approx(budget, abs=1) for log in (*plain, *halving, *full))
    low, middle, high = ([true_hypervolume(log) for log in logs] for logs in (plain, halving, full))
    assert all(b > a for a, b in zip(low, middle, strict=True))
    assert all(b > a for a, b in zip(middle, high, strict=True))


def test_a_candidate_climbs_rung_by_rung_and_is_nowhere_twice():
    log = run("mo-asha", 1, 20)
    rising = {}
    for evaluation in log:
        rising.setdefault(evaluation.candidate.id, []).append(evaluation.fidelity)
    assert {tuple(r) for r in rising.values()} == {(3,), (3, 9), (3, 9, None)}


@pytest.mark.parametrize("crowding", [False, True])
def test_one_in_three_goes_on_and_they_are_the_best(crowding):
    log = run("mo-asha", 2, 20, crowding=crowding, breed=0.0)
    for lower, upper in itertools.pairwise((3, 9, None)):
        reached = [sum(e.fidelity == level for e in log) for level in (lower, upper)]
        assert reached[0] // 3 <= reached[1] <= 0.6 * reached[0]
        for end in range(len(log)):
            before = [e for e in log[:end] if e.fidelity == lower]
            if log[end].fidelity == upper:
                # whoever goes on is in the best third of its rung: dominated by fewer than a third of it
                mine = next(e for e in before if e.candidate.id == log[end].candidate.id)
                values = np.array([e.values(OBJECTIVES) for e in before])
                dominated_by = (values <= mine.values(OBJECTIVES)).all(1) & (values < mine.values(OBJECTIVES)).any(1)
                assert dominated_by.sum() < len(before) / 3


def test_within_a_front_the_order_is_as_asked():
    points = [(x, 10.0 - x) for x in (0.0, 1.0, 2.0, 6.0, 6.1, 10.0)]
    orders = {}
    for crowding in (False, True):
        task = problem(3)
        algorithm = search.create("mo-asha", task, crowding=crowding, reduction=2, grace=13)
        for index, candidate in enumerate(PLACE.sample_many(6, 0)):
            found = {o.name: Measurement.of(v, o.unit) for o, v in zip(OBJECTIVES, points[index], strict=True)}
            algorithm.tell([Evaluation(index, candidate, found, fidelity=13)])
        best = algorithm._finished[0].best(6)
        orders[crowding] = [list(PLACE.sample_many(6, 0)).index(c) for c in best]
    distances = crowding_distance(np.array(points))
    assert orders[True] == np.argsort(-distances, kind="stable").tolist()
    assert set(orders[False][:2]) == {0, 5}
    assert orders[False][2:] == [3, 2, 1, 4]
    assert orders[True][2:] == [2, 3, 4, 1]


def test_resumes_from_every_prefix():
    log = run("mo-asha", 4, 8)
    for k in range(len(log)):
        resumed = search.create("mo-asha", problem(4))
        resumed.tell(log[:k])
        (asked,) = resumed.ask()
        fidelity = asked.fidelity if isinstance(asked, Partial) else None
        candidate = asked.candidate if isinstance(asked, Partial) else asked
        assert (candidate.id, fidelity) == (log[k].candidate.id, log[k].fidelity), f"after {k} evaluations"


def test_in_flight_nobody_goes_on_twice():
    task = problem(5)
    algorithm, device = search.create("mo-asha", task, breed=0.0), Converging()
    asked = algorithm.ask(30)
    assert all(isinstance(proposal, Partial) and proposal.fidelity == 3 for proposal in asked)
    for index, candidate in enumerate(proposal.candidate for proposal in asked):
        algorithm.tell([Evaluation(index, candidate, device.evaluate_at([candidate], 3)[0], fidelity=3)])
    more = algorithm.ask(14)
    assert [p.fidelity for p in more] == [9] * 10 + [3] * 4
    assert len({p.candidate.id for p in more}) == 14


def test_a_small_space_is_evaluated_whole_in_the_end_but_for_what_fails():
    place = space(2, 2)  # 32 members
    task = dataclasses.replace(problem_of(place, 6), fidelities=(1, 3, 9))

    class Some(Converging):
        fidelities = (1, 3, 9)

        def evaluate_at(self, candidates, fidelity):
            found = super().evaluate_at(candidates, fidelity)
            bad = {o.name: Measurement.failed("oom: made to fail", o.unit) for o in OBJECTIVES}
            return [bad if c.d_model == 2 and fidelity == 3 else m for c, m in zip(candidates, found, strict=True)]

    log = list(loop.search(search.create("mo-asha", task, patience=5), Some(), budget=10**6))
    assert len({(e.candidate.id, e.fidelity) for e in log}) == len(log)
    whole = {e.candidate.id for e in log if e.fidelity is None}
    assert whole == {c.id for c in place.enumerate() if c.d_model == 1}
    assert sum(e.fidelity == 1 for e in log) == 32


def test_what_breaks_a_measured_constraint_comes_last():
    limit = Constraint(OBJECTIVES[0], "<=", 0.35)
    task = problem(7, constraints=(limit,))
    log = list(loop.search(search.create("mo-asha", task), Converging(7), budget=15))
    late = [e.values(OBJECTIVES)[0] for e in log if e.fidelity is None][5:]
    free = [e.values(OBJECTIVES)[0] for e in run("mo-asha", 7, 15) if e.fidelity is None][5:]
    assert np.mean(np.array(late) <= 0.35) > 0.9 > np.mean(np.array(free) <= 0.35)


def test_without_fidelities_the_preset_is_random_search():
    plain = algorithms.problem_of(spaces.get("gpt2"))
    create = lambda: search.create("mo-asha", plain, preset="hwgpt")  # noqa: E731
    log = algorithms.search(create(), plain, 40)
    failed = algorithms.search(create(), plain, 40, ok=lambda index: False)
    assert all(isinstance(e.candidate, GPT2) and e.fidelity is None for e in log)
    assert algorithms.ids(log) == algorithms.ids(failed)  # it does not look back
    assert algorithms.ids(log) != algorithms.ids(algorithms.search(search.create("mo-asha", plain), plain, 40))


@pytest.mark.parametrize(
    ("fidelities", "reduction", "grace", "expected"),
    [
        (range(1, 6), 3, 1, (1, 3, None)),
        (range(1, 201), 3, 0, (23, 67, None)),
        (range(20, 201, 20), 2, 0, (60, 100, None)),
        ((5,), 3, 1, (None,)),
        ((1, 100), 3, 2, (None,)),
        ((), 4, 9, (None,)),
    ],
)
def test_rungs_are_fidelities_of_the_evaluator(fidelities, reduction, grace, expected):
    assert rungs(fidelities, reduction, grace) == expected

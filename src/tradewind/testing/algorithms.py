"""Conformance suite of search algorithms: what `tradewind.core.Algorithm` promises, as tests that pytest runs on yours.

In a test file of your own::

    import pytest
    from tradewind import search, spaces
    from tradewind.testing.algorithms import AlgorithmSuite

    class TestMyAlgorithm(AlgorithmSuite):
        @pytest.fixture
        def create(self):
            return lambda problem: MyAlgorithm(problem)

        @pytest.fixture
        def space(self):
            return spaces.get("gpt2")

Give settings with which the algorithm does all it can within the suite's `LENGTH` evaluations (a small population).
Evaluations are closed forms of the encoding, so nothing is measured.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tradewind import spaces
from tradewind.core import GPT2, Algorithm, Evaluation, Measurement, Problem, Space, parse_objectives
from tradewind.core.seeds import generator
from tradewind.costs.layerwise import closed_form

LENGTH = 45
"""Evaluations of the suite's searches."""

OBJECTIVES = parse_objectives("decoder_params,latency_ms@cpu,peak_memory_mb@cpu,energy_wh@cpu")
"""One to maximise and three to minimise."""

Create = Callable[[Problem], Algorithm]
"""Makes the algorithm under test for a problem."""


def tiny_space() -> Space:
    """A space of 72 architectures."""
    return spaces.get("gpt2", n_layer=2, d_model="128,192", d_inner="384..512", n_head="2,4")


def problem_of(
    space: Space,
    seed: int = 0,
    n_objectives: int = 2,
    feasible: Callable[[Any], bool] = lambda candidate: True,
) -> Problem:
    """A problem with objectives of both directions and a cheap constraint that is asked candidate by candidate."""

    def mask(candidates: Sequence[Any]) -> np.ndarray:
        return np.array([feasible(candidate) for candidate in candidates], dtype=bool)

    parts = {"decoder_params": closed_form("decoder_params")}
    return Problem(space, OBJECTIVES[:n_objectives], seed, mask, layerwise=parts)


def measured(problem: Problem, candidate: Any, index: int, ok: bool = True) -> Evaluation:
    """An evaluation whose values are linear in the encoding; without `ok`, one that failed."""
    vector = problem.space.encode(candidate)
    measurements = {}
    for m, objective in enumerate(problem.objectives):
        value = 1.0 + float(vector @ generator(m, "weights").random(len(vector)))
        measurements[objective.name] = (
            Measurement.of(value, objective.unit) if ok else Measurement.failed("crash: made to fail", objective.unit)
        )
    return Evaluation(index, candidate, measurements)


def search(
    algorithm: Algorithm, problem: Problem, n: int, batch: int = 1, ok: Callable[[int], bool] = lambda index: True
) -> list[Evaluation]:
    """The log of `n` evaluations, or fewer if nothing more is proposed; told after each batch."""
    log: list[Evaluation] = []
    while len(log) < n:
        candidates = algorithm.ask(min(batch, n - len(log)))
        if not candidates:
            break
        new = [measured(problem, c, len(log) + i, ok(len(log) + i)) for i, c in enumerate(candidates)]
        algorithm.tell(new)
        log += new
    return log


def ids(log: Sequence[Evaluation]) -> list[str]:
    """The candidates' ids, in order."""
    return [evaluation.candidate.id for evaluation in log]


class AlgorithmSuite:
    """Tests that every algorithm must pass; a subclass provides the fixtures `create` and `space`."""

    def test_is_an_algorithm(self, create: Create, space: Space) -> None:
        """It has what the protocol names."""
        assert isinstance(create(problem_of(space)), Algorithm)

    def test_proposals_are_new_members(self, create: Create, space: Space) -> None:
        """Every candidate lies in the space and none comes twice while there are new ones."""
        problem = problem_of(space)
        log = search(create(problem), problem, LENGTH)
        assert len(log) == min(LENGTH, space.size())
        assert len(set(ids(log))) == len(log)
        for evaluation in log:
            space.validate(evaluation.candidate)

    def test_the_seed_decides(self, create: Create, space: Space) -> None:
        """One seed, one search; other seeds, other searches."""
        runs = [
            search(create(p), p, LENGTH) for p in (problem_of(space, 7), problem_of(space, 7), problem_of(space, 8))
        ]
        assert ids(runs[0]) == ids(runs[1])
        if space.size() > 10**6:
            assert ids(runs[0]) != ids(runs[2])

    def test_resumes_from_every_prefix(self, create: Create, space: Space) -> None:
        """A new instance that is told the first k evaluations proposes what the first one proposed then."""
        problem = problem_of(space, 3)
        log = search(create(problem), problem, LENGTH)
        for k in range(len(log)):
            resumed = create(problem)
            resumed.tell(log[:k])
            assert [c.id for c in resumed.ask()] == [log[k].candidate.id], f"after {k} evaluations"

    def test_resumes_between_batches(self, create: Create, space: Space) -> None:
        """The same for candidates that are asked for several at a time, told one by one or all at once."""
        problem, batch = problem_of(space, 4), 5
        log = search(create(problem), problem, LENGTH - LENGTH % batch, batch)
        for k in range(0, len(log) - batch, batch):
            resumed = create(problem)
            for evaluation in log[:k]:
                resumed.tell([evaluation])
            asked = [c.id for c in resumed.ask(batch)]
            # Fewer than a batch where results are awaited.
            assert asked, f"nothing after {k} evaluations"
            assert asked == ids(log[k : k + len(asked)]), f"after {k} evaluations"

    def test_candidates_in_flight_are_not_proposed_again(self, create: Create, space: Space) -> None:
        """Asked but not told, told in another order, told by the way: never the same candidate again."""
        problem = problem_of(space, 5)
        algorithm = create(problem)
        asked: list[Any] = []
        for _ in range(LENGTH // 5):
            asked += algorithm.ask(5)
            algorithm.tell([measured(problem, c, i) for i, c in reversed(list(enumerate(asked[-4:])))])
        assert len({c.id for c in asked}) == len(asked)

    def test_a_small_space_is_searched_whole_and_ends(self, create: Create) -> None:
        """Every member is proposed once, then nothing; with a constraint, every feasible one."""
        space = tiny_space()
        members = {c.id for c in space.enumerate()}
        for feasible in (lambda c: True, lambda c: c.d_model == 128, lambda c: c.n_head == (4, 2)):
            problem = problem_of(space, 1, feasible=feasible)
            algorithm = create(problem)
            log = search(algorithm, problem, len(members) + 1, batch=3)
            assert sorted(ids(log)) == sorted(c.id for c in space.enumerate() if feasible(c))
            assert algorithm.ask(5) == []

    def test_cheap_constraints_come_first(self, create: Create, space: Space) -> None:
        """Only feasible candidates are proposed; where none is, the search ends instead of looking for ever."""
        problem = problem_of(space, 2, feasible=lambda c: int(c.id, 16) % 3 == 0)
        log = search(create(problem), problem, LENGTH)
        assert all(problem.feasible([evaluation.candidate]).all() for evaluation in log)
        assert log or space.size() < 100
        assert create(problem_of(tiny_space(), feasible=lambda c: False)).ask() == []

    def test_one_to_four_objectives(self, create: Create, space: Space) -> None:
        """Any number of objectives, also when all candidates are equally good."""
        for n_objectives in (1, 2, 3, 4):
            problem = problem_of(space, 6, n_objectives)
            assert len(search(create(problem), problem, LENGTH)) == min(LENGTH, space.size())
        problem = problem_of(space, 6)
        algorithm = create(problem)
        flat = {o.name: Measurement.of(1.0, o.unit) for o in problem.objectives}
        for i in range(min(LENGTH, space.size())):
            algorithm.tell([Evaluation(i, c, flat) for c in algorithm.ask()])

    def test_failed_evaluations_are_lived_with(self, create: Create, space: Space) -> None:
        """Some candidates fail, or all: the search goes on and does not try them again."""
        for ok in (lambda index: index % 3 > 0, lambda index: False):
            problem = problem_of(space, 9)
            log = search(create(problem), problem, LENGTH, ok=ok)
            assert len(log) == len(set(ids(log))) == min(LENGTH, space.size())

    def test_learns_from_a_log_it_never_asked_for(self, create: Create, space: Space) -> None:
        """Evaluations of others and baselines outside the space: taken in, never proposed again, the search goes on."""
        problem = problem_of(space, 10)
        foreign = [measured(problem, c, i) for i, c in enumerate(space.sample_many(LENGTH // 2, 77))]
        outside = GPT2(d_model=48, n_head=(3,), d_inner=(96,))
        values = {o.name: Measurement.of(2.0, o.unit) for o in problem.objectives}
        algorithm = create(problem)
        algorithm.tell([*foreign, Evaluation(len(foreign), outside, values, role="baseline")])
        log = search(algorithm, problem, LENGTH)
        known = {evaluation.candidate.id for evaluation in foreign}
        assert not known & set(ids(log))
        assert len(log) == min(LENGTH, space.size() - len(known))
        for evaluation in log:
            space.validate(evaluation.candidate)

    def test_no_global_random_state(self, create: Create, space: Space) -> None:
        """Neither numpy's nor Python's global generator is read or moved."""
        before = random.getstate(), np.random.get_state()  # noqa: NPY002
        problem = problem_of(space, 11)
        first = search(create(problem), problem, LENGTH)
        assert random.getstate() == before[0]
        assert repr(np.random.get_state()) == repr(before[1])  # noqa: NPY002
        random.seed(5)
        np.random.seed(5)  # noqa: NPY002
        try:
            assert ids(search(create(problem), problem, LENGTH)) == ids(first)
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])  # noqa: NPY002

"""Aging evolution: tournaments, ages and the start, against a slow account of the same rules."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest

from tradewind import search, spaces
from tradewind.core import Evaluation, Measurement, Problem, parse_objectives
from tradewind.core.seeds import Streams, generator
from tradewind.programs import ProgramSpace, canonical_hash
from tradewind.search.aging import AgingEvolution

OBJECTIVES = parse_objectives("perplexity")
SPACE = ProgramSpace()


def problem(seed: int = 0, space=SPACE, objectives=OBJECTIVES) -> Problem:
    return Problem(space, objectives, seed, lambda found: np.ones(len(found), bool))


def told(candidate, index: int, value: float | None = None) -> Evaluation:
    """An evaluation whose value, unless given, is drawn from the candidate's id; every fifth fails."""
    drawn = generator(0, candidate.id).random()
    failed = value is None and drawn < 0.2
    found = (
        Measurement.failed("crash: made to fail", "perplexity")
        if failed
        else Measurement.of(1 + drawn if value is None else value, "perplexity")
    )
    return Evaluation(index, candidate, {"perplexity": found})


def run(algorithm: AgingEvolution, n: int) -> list[Evaluation]:
    log: list[Evaluation] = []
    for index in range(n):
        (candidate,) = algorithm.ask()
        log.append(told(candidate, index))
        algorithm.tell(log[-1:])
    return log


def test_follows_the_rules_step_by_step() -> None:
    """Parent of child i: the best of T members drawn with replacement from the last P born (copies of the start at
    first), failed ones left out; the draws are those of the stream of position i.
    """
    population, tournament = 6, 3
    algorithm = search.create("aging", problem(), population=population, tournament=tournament)
    log = run(algorithm, 25)
    start = log[0].candidate
    assert start == SPACE.start
    values = {e.candidate.id: v[0] for e in log if (v := e.values(OBJECTIVES))}
    alive = deque([start.id] * population, maxlen=population)
    streams = Streams(0, "breed")
    for evaluation in log[1:]:
        rng = streams.at(evaluation.index)
        drawn = [alive[i] for i in rng.integers(population, size=tournament)]
        valued = [name for name in drawn if name in values] or [name for name in alive if name in values]
        origin = algorithm.origin(evaluation.candidate)
        assert origin["parent"] == (min(valued, key=values.__getitem__) if valued else drawn[0])
        alive.append(evaluation.candidate.id)
        values = {**values}


def test_children_say_where_they_come_from() -> None:
    algorithm = search.create("aging", problem(1), population=5, tournament=2)
    log = run(algorithm, 12)
    known = {e.candidate.id: e.candidate for e in log}
    assert algorithm.origin(log[0].candidate) == {}
    for evaluation in log[1:]:
        origin = algorithm.origin(evaluation.candidate)
        assert origin["parent"] in known
        assert origin["mutations"]
        assert canonical_hash(known[origin["parent"]]) != canonical_hash(evaluation.candidate)


def test_a_good_member_dies_of_age() -> None:
    """Once the population has turned over, nobody descends directly from the start, however good it was."""
    algorithm = search.create("aging", problem(2), population=4, tournament=4)
    log: list[Evaluation] = []
    for index in range(14):
        (candidate,) = algorithm.ask()
        log.append(told(candidate, index, value=1.0 if index == 0 else 2.0 + index))
        algorithm.tell(log[-1:])
    late = [algorithm.origin(e.candidate)["parent"] for e in log[6:]]
    assert log[0].candidate.id not in late
    assert algorithm.origin(log[1].candidate)["parent"] == log[0].candidate.id


def test_resumes_from_every_prefix_on_programs() -> None:
    log = run(search.create("aging", problem(3), population=5, tournament=2), 12)
    for k in (0, 1, 5, 11):
        resumed = search.create("aging", problem(3), population=5, tournament=2)
        resumed.tell(log[:k])
        assert resumed.ask() == [log[k].candidate]


def test_children_come_before_the_start_is_known() -> None:
    """Workers need not wait for the first result."""
    first, *others = search.create("aging", problem(4), population=5, tournament=2).ask(4)
    assert first == SPACE.start
    assert len({c.id for c in others}) == 3


def test_if_all_fail_it_goes_on() -> None:
    algorithm = search.create("aging", problem(5), population=3, tournament=2)
    for index in range(8):
        (candidate,) = algorithm.ask()
        failed = Measurement.failed("oom: made to fail", "perplexity")
        algorithm.tell([Evaluation(index, candidate, {"perplexity": failed})])
    assert algorithm.told == 8


def test_finds_better_ones_than_chance() -> None:
    """On architectures, whose value is their size: the best of 60 beats the best of 60 random ones in most seeds."""
    space, objectives = spaces.get("gpt2"), parse_objectives("params")

    def best(name: str, seed: int, **settings: Any) -> float:
        algorithm = search.create(name, problem(seed, space, objectives), **settings)
        values = []
        for index in range(60):
            (candidate,) = algorithm.ask()
            values.append(float(sum(candidate.d_inner) * candidate.d_model))
            found = {"params": Measurement.of(values[-1], "parameters")}
            algorithm.tell([Evaluation(index, candidate, found)])
        return min(values)

    settings = {"population": 10, "tournament": 5, "corners": False}
    wins = sum(best("aging", seed, **settings) < best("random", seed) for seed in range(5))
    assert wins >= 4


@pytest.mark.parametrize("name", ["population", "tournament"])
def test_settings_are_checked(name: str) -> None:
    with pytest.raises(ValueError, match=f"the setting {name} is 0"):
        search.create("aging", problem(), **{name: 0})

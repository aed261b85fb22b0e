"""Guided search: the neighbourhood whole, then that of the best; on programs in the order of a drawn permutation."""

from __future__ import annotations

import numpy as np

from tradewind import search
from tradewind.core import Evaluation, Measurement, Problem, parse_objectives
from tradewind.programs import ProgramSpace
from tradewind.testing.algorithms import measured, problem_of, tiny_space

SPACE = ProgramSpace(vocabulary=("SQUARE",), edits=("delete",))


def problem(seed: int = 0) -> Problem:
    return Problem(SPACE, parse_objectives("perplexity"), seed, lambda found: np.ones(len(found), bool))


def test_walks_the_start_and_every_neighbour_once_and_ends() -> None:
    algorithm = search.create("neighbourhood", problem())
    found = algorithm.ask(500)
    assert found[0] == SPACE.start
    assert {c.id for c in found[1:]} == {c.id for c in SPACE.neighbours(SPACE.start)}
    assert algorithm.ask() == []
    other = search.create("neighbourhood", problem(1)).ask(500)
    assert {c.id for c in other} == {c.id for c in found}
    assert [c.id for c in other] != [c.id for c in found]
    assert {algorithm.origin(c).get("parent") for c in found[1:]} == {SPACE.start.id}


def test_the_next_centre_is_the_best_found() -> None:
    space = tiny_space()
    task = problem_of(space, n_objectives=1)
    algorithm = search.create("neighbourhood", task, centres=2)
    log: list[Evaluation] = []
    while asked := algorithm.ask():
        log.append(measured(task, asked[0], len(log)))
        algorithm.tell(log[-1:])
    first = 1 + len(space.neighbours(log[0].candidate))
    values = [e.values(task.objectives)[0] for e in log]  # type: ignore[index]
    best = 1 + int(np.argmax(values[1:first]))  # decoder parameters are maximised
    centre = log[best].candidate if values[best] > 0 else None
    assert centre is not None
    nearby = {c.id for c in space.neighbours(centre)}
    assert all(e.candidate.id in nearby for e in log[first:])
    assert {e.candidate.id for e in log} >= nearby


def test_where_all_neighbours_fail_it_ends() -> None:
    algorithm = search.create("neighbourhood", problem(), centres=3)
    failed = {"perplexity": Measurement.failed("crash: made to fail", "perplexity")}
    told = 0
    while asked := algorithm.ask():
        algorithm.tell([Evaluation(told, asked[0], failed)])
        told += 1
    assert told == 1 + len(SPACE.neighbours(SPACE.start))

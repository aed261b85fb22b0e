from __future__ import annotations

import numpy as np

from tradewind import search, spaces
from tradewind.pareto import nondominated_mask, oriented
from tradewind.testing import algorithms

SPACE = spaces.get("gpt2")
PROBLEM = algorithms.problem_of(SPACE)


def front_of(log):
    points = oriented([e.values(PROBLEM.objectives) for e in log], PROBLEM.objectives)
    return [log[i].candidate for i in np.flatnonzero(nondominated_mask(points))]


def test_every_step_leads_from_the_front_to_a_neighbour():
    algorithm = search.create("local-search", PROBLEM, preset="hwgpt", initial=5)
    log = algorithms.search(algorithm, PROBLEM, 30)
    for k in range(5, 30):
        nearby = {c.id for parent in front_of(log[:k]) for c in SPACE.neighbours(parent)}
        assert log[k].candidate.id in nearby, f"proposal {k}"


def test_in_a_tournament_the_loneliest_is_changed():
    """With as many drawn as this, that is one of the two ends of the front."""
    algorithm = search.create("local-search", PROBLEM, tournament=500, spread=False)
    front = front_of(algorithms.search(algorithm, PROBLEM, 40))
    assert len(front) > 4
    values = [algorithms.measured(PROBLEM, c, 0).values(PROBLEM.objectives) for c in front]
    points = oriented(values, PROBLEM.objectives)
    ends = [front[i] for i in np.argmin(points, axis=0)]
    nearby = {c.id for end in ends for c in SPACE.neighbours(end)}
    rng = np.random.default_rng(0)
    assert {algorithm.breed(rng).id for _ in range(50)} <= nearby


def test_where_all_neighbours_are_known_it_starts_again_at_random():
    space = spaces.get("gpt2", n_layer=2, d_model="128,960", d_inner="1664,1728", n_head="2,4")
    problem = algorithms.problem_of(space, 2)
    algorithm = search.create("local-search", problem, preset="hwgpt", patience=5)
    log = algorithms.search(algorithm, problem, space.size())
    assert len({e.candidate.id for e in log}) == space.size()


def test_the_preset_starts_with_one_random_candidate():
    algorithm = search.create("local-search", PROBLEM, preset="hwgpt")
    log = algorithms.search(algorithm, PROBLEM, 2)
    assert log[1].candidate.id in {c.id for c in SPACE.neighbours(log[0].candidate)}

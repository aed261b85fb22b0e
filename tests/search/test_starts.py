from __future__ import annotations

from tradewind import spaces
from tradewind.predictors.design import corners
from tradewind.search.fresh import Fresh
from tradewind.search.starts import Starts
from tradewind.testing.algorithms import problem_of

SPACE = spaces.get("gpt2")
CORNERS = {c.id for c in corners(SPACE)}


def drawn(problem, n, use_corners=True):
    starts, seen = Starts(problem, Fresh(problem), use_corners), set()
    for position in range(n):
        candidate = starts.draw(seen, position)
        seen.add(candidate.id)
        yield candidate


def test_all_corners_come_first_in_an_order_of_the_seed_then_random_candidates():
    first = [c.id for c in drawn(problem_of(SPACE, 0), len(CORNERS) + 5)]
    other = [c.id for c in drawn(problem_of(SPACE, 1), len(CORNERS))]
    assert set(first[: len(CORNERS)]) == set(other) == CORNERS
    assert first[: len(CORNERS)] != other
    assert len(set(first)) == len(first)


def test_corners_can_be_left_out():
    assert not CORNERS & {c.id for c in drawn(problem_of(SPACE, 0), 20, use_corners=False)}


def test_corners_beyond_a_constraint_are_passed_over():
    problem = problem_of(SPACE, 0, feasible=lambda c: c.n_layer < 5)
    candidates = list(drawn(problem, 20))
    assert all(c.n_layer < 5 for c in candidates)
    assert {c.id for c in candidates} >= {c.id for c in corners(SPACE) if c.n_layer < 5}


def test_a_space_without_layers_has_random_starts():
    class Opaque:
        def __init__(self, space):
            self.sample_many, self.size = space.sample_many, space.size

    assert len(list(drawn(problem_of(Opaque(SPACE)), 5))) == 5

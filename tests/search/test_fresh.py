from __future__ import annotations

from collections import Counter

from tradewind import search, spaces
from tradewind.search.fresh import ROUNDS, Fresh
from tradewind.testing.algorithms import measured, problem_of


def test_a_draw_is_a_pure_function_of_seed_path_and_what_was_seen():
    problem = problem_of(spaces.get("gpt2"), 3)
    a, b = Fresh(problem), Fresh(problem)
    a.draw(set(), "elsewhere")
    assert a.draw(set(), "x", 1) == b.draw(set(), "x", 1)
    assert a.draw(set(), "x", 1) != b.draw(set(), "x", 2)
    first = a.draw(set(), "x", 1)
    assert a.draw({first.id}, "x", 1) != first


def test_what_is_left_of_a_small_space_is_found_and_drawn_evenly():
    space = spaces.get("gpt2", n_layer=2, d_model=128, d_inner="256..1792")
    members = [c.id for c in space.enumerate()]
    left = set(members[::1300])
    fresh = Fresh(problem_of(space))
    counts = Counter(fresh.draw(set(members) - left, "x", i).id for i in range(100))
    assert set(counts) == left
    assert min(counts.values()) > 10
    assert fresh.draw(set(members), "x") is None


def test_several_at_a_time_are_those_one_by_one():
    problem = problem_of(spaces.get("gpt2"), 1)
    one, many = (search.create("random", problem) for _ in range(2))
    several = many.ask(6)
    for index, candidate in enumerate(several):
        assert one.ask() == [candidate]
        one.tell([measured(problem, candidate, index)])


def test_a_rare_constraint_in_a_large_space_is_met_by_longer_rounds():
    space = spaces.get("gpt2", n_layer=2)
    asked = []

    def feasible(candidate):
        asked.append(candidate)
        return candidate.d_model == 128 and max(candidate.d_inner) <= 640

    candidate = Fresh(problem_of(space, feasible=feasible)).draw(set(), "x")
    assert feasible(candidate)
    assert ROUNDS[0] < len(asked)

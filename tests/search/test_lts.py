from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tradewind import search, spaces
from tradewind.core import GPT2, ArchitectureBatch, Evaluation, Measurement, Problem, UsageError, parse_objectives
from tradewind.pareto import hypervolume
from tradewind.search.lts import LTS, LTSSettings, novelty
from tradewind.testing.algorithms import measured, problem_of

TRADE_OFF = parse_objectives("decoder_params,latency_ms@cpu")


def params_and_latency(batch: ArchitectureBatch) -> np.ndarray:
    """Decoder parameters, and a time in which wide products run faster and every head and layer costs something."""
    d, f, h = batch.d_model[:, None].astype(float), batch.d_inner.astype(float), batch.n_head
    live = f > 0
    params = (live * (4 * d * d + 9 * d + 2 * d * f + f)).sum(axis=1) + 2 * d[:, 0]
    inner = np.minimum(d, np.maximum(f, 1))
    work = 4 * d * d * (1 + 150 / d) + 2 * d * f * (1 + 150 / inner) + 600 * d * h + 1e5
    return np.column_stack([params, (live * work).sum(axis=1) / 1e5])


def hypervolume_of(name: str, seed: int, evaluations: int, **settings: object) -> float:
    """Hypervolume of log parameters against log time after a search of the gpt2 space, in [0, 1]."""
    problem = Problem(
        spaces.get("gpt2"),
        TRADE_OFF,
        seed,
        lambda c: np.abs(params_and_latency(ArchitectureBatch.of(c))[:, 0] - 53e6) <= 47e6,
    )
    algorithm = search.create(name, problem, **settings)
    points = []
    for index in range(evaluations):
        (candidate,) = algorithm.ask()
        values = params_and_latency(ArchitectureBatch.of([candidate]))[0]
        points.append(values)
        found = {o.name: Measurement.of(v, o.unit) for o, v in zip(TRADE_OFF, values, strict=True)}
        algorithm.tell([Evaluation(index, candidate, found)])
    logs = np.log(points)
    unit = np.column_stack([(np.log(1e8) - logs[:, 0]) / np.log(100 / 6), (logs[:, 1] - np.log(60)) / np.log(40)])
    return float(hypervolume(unit, np.ones(2)))


def test_reaches_more_hypervolume_than_random_search():
    """The published search, ten seeds: paired differences, so that a front no better than random's is found out."""
    gain = [hypervolume_of("lts", s, 400) - hypervolume_of("random", s, 400) for s in range(10)]
    assert np.mean(gain) > 3 * np.std(gain, ddof=1) / np.sqrt(len(gain))


def test_the_settings_are_the_papers():
    settings = LTSSettings()
    assert (settings.population, settings.parents, settings.children) == (100, 20, 80)
    assert sum(map(settings.is_mutant, range(80))) == 40
    assert (settings.mutation, settings.crossover) == (0.3, 0.5)
    assert settings == LTSSettings(**{**LTS.presets["paper"], "initial": 0})


@pytest.mark.parametrize(("share", "mutants"), [(0.0, 0), (0.2, 20), (0.8, 80)])
def test_mutants_and_crosses_take_turns_in_proportion(share, mutants):
    settings = LTSSettings(mutant_share=share)
    kinds = [settings.is_mutant(child) for child in range(80)]
    assert sum(kinds) == mutants
    assert all(abs(sum(kinds[:n]) - n * mutants / 80) <= 1 for n in range(81))
    assert [settings.is_mutant(80 + child) for child in range(80)] == kinds


def test_shares_beyond_the_whole_are_refused():
    with pytest.raises(UsageError, match="add up to more than 1"):
        LTSSettings(parent_share=0.6, mutant_share=0.6)


def test_parents_are_weighted_by_the_published_formula():
    counts = [4, 1, 1, 7]
    weights = [1 / (1 + (c - 1) / 6) for c in counts]
    assert novelty(counts) == pytest.approx(np.array(weights) / sum(weights))
    assert novelty([3, 3]).tolist() == [0.5, 0.5]


def evolved(problem, told, **settings):
    algorithm = search.create("lts", problem, **settings)
    index = 0
    while index < told:
        for candidate in algorithm.ask():
            algorithm.tell([measured(problem, candidate, index)])
            index += 1
    return algorithm


def test_children_come_from_the_front():
    """One candidate dominates all others, so every child is its mutant, and with few mutations much like it."""
    space = spaces.get("gpt2")
    problem = problem_of(space)
    best = GPT2(d_model=960, n_head=(2,) * 15, d_inner=(4032,) * 15)
    algorithm = search.create("lts", problem, population=10, initial=5, mutation=0.02)
    good, bad = ({o.name: Measurement.of(v, o.unit) for o in problem.objectives} for v in (1.0, 9.0))
    # decoder_params is maximised, so "good" must be large there
    good["decoder_params"], bad["decoder_params"] = bad["decoder_params"], good["decoder_params"]
    others = [c for c in space.sample_many(10, 0) if c.n_layer < 10][:4]
    algorithm.tell([Evaluation(i, c, bad) for i, c in enumerate(others)] + [Evaluation(4, best, good)])
    children = algorithm.ask(8)
    assert all(c.n_layer > 10 or c.d_model == 960 for c in children)
    assert sum(c.d_inner[0] == 4032 for c in children) >= 6


def test_repeated_parents_lose_weight():
    """Of two equally good candidates, the one told more often is drawn less often over many seeds."""
    drawn: Counter[str] = Counter()
    space = spaces.get("gpt2")
    a, b, c = space.sample_many(3, 4)
    for seed in range(300):
        problem = problem_of(space, seed)
        algorithm = search.create("lts", problem, population=5, initial=6, parent_share=0.2)
        values = {o.name: Measurement.of(1.0, o.unit) for o in problem.objectives}
        algorithm.tell([Evaluation(i, x, values) for i, x in enumerate([a, a, a, a, b, c])])
        drawn[algorithm._parents[0].id] += 1
    # weights 1/2, 1, 1: expected 60, 120, 120
    assert 40 < drawn[a.id] < 82
    assert drawn[b.id] > drawn[a.id]
    assert drawn[c.id] > drawn[a.id]


def test_a_batch_that_crosses_a_generation_waits_for_nothing():
    problem = problem_of(spaces.get("gpt2"))
    algorithm = evolved(problem, 12, population=10, initial=12)
    assert len(algorithm.ask(50)) == 50


def test_before_anything_is_told_candidates_are_random():
    problem = problem_of(spaces.get("gpt2"))
    algorithm = search.create("lts", problem, population=10)
    assert len({c.id for c in algorithm.ask(30)}) == 30


def test_a_corner_that_children_cannot_reach_is_searched_at_random():
    """All told candidates are deep; only shallow ones are feasible; mutants that keep the depth are in vain."""
    space = spaces.get("gpt2")
    deep = [c for c in space.sample_many(100, 1) if c.n_layer > 12][:10]
    problem = problem_of(space, feasible=lambda c: c.n_layer == 2)
    algorithm = search.create("lts", problem, population=10, initial=10, mutation=0.0, patience=5)
    algorithm.tell([measured(problem, c, i) for i, c in enumerate(deep)])
    assert [c.n_layer for c in algorithm.ask(5)] == [2] * 5


def test_baselines_are_not_learnt_from():
    problem = problem_of(spaces.get("gpt2"), 5)
    plain, beside = (search.create("lts", problem, population=10, initial=12) for _ in range(2))
    star = GPT2(d_model=960, n_head=(2,) * 15, d_inner=(4032,) * 15)
    values = {o.name: Measurement.of(v, o.unit) for o, v in zip(problem.objectives, (1e12, 1e-6), strict=True)}
    beside.tell([Evaluation(0, star, values, role="baseline")])
    for index in range(40):
        (a,), (b,) = plain.ask(), beside.ask()
        assert a == b
        for algorithm in (plain, beside):
            algorithm.tell([measured(problem, a, index)])
    assert star.id in beside.seen

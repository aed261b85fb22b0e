"""The conformance suite and more on algorithms of other libraries."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from tests.search.integers import problem_of, run, space, zdt1

from tradewind import search, spaces
from tradewind.core import Constraint, Evaluation, Measurement, UsageError
from tradewind.pareto import hypervolume
from tradewind.search import libraries
from tradewind.search.vectors import Vectors
from tradewind.testing import algorithms
from tradewind.testing.algorithms import AlgorithmSuite

optuna = pytest.importorskip("optuna")
pytest.importorskip("pymoo")

NARROW = spaces.get("gpt2", n_layer="2..3", d_model="128,960", d_inner="1600..1728", n_head="2,4")
SMALL = spaces.get("gpt2", n_layer="2..5", d_model="128..512")
SUITE = {
    "optuna:NSGAIISampler(population_size=8)": SMALL,
    "pymoo:NSGA2(pop_size=10)": SMALL,
    "pymoo:CMOPSO(pop_size=8)": NARROW,
}


class TestLibraries(AlgorithmSuite):
    @pytest.fixture(params=SUITE)
    def name(self, request):
        return request.param

    @pytest.fixture
    def create(self, name):
        return lambda problem: search.create(name, problem)

    @pytest.fixture
    def space(self, name):
        return SUITE[name]


@pytest.mark.parametrize("name", [name for name in libraries.installed() if "GPSampler" not in name])
def test_every_name_searches_and_goes_on_from_a_log(name):
    small = {"population_size": 5} if "NSGAII" in name else {"pop_size": 6}
    offered = {row["name"] for row in search.describe(name)["settings"]}
    settings = {key: value for key, value in small.items() if key in offered}
    problem = algorithms.problem_of(NARROW, 3)
    log = algorithms.search(search.create(name, problem, **settings), problem, 25)
    assert len(set(algorithms.ids(log))) == 25
    for k in (1, 11, 24):
        resumed = search.create(name, problem, **settings)
        resumed.tell(log[:k])
        assert resumed.ask() == [log[k].candidate]


def test_gaussian_processes_go_on_from_a_log():
    problem = algorithms.problem_of(algorithms.tiny_space(), 1)
    create = lambda: search.create("optuna:GPSampler", problem, n_startup_trials=4)  # noqa: E731
    log = algorithms.search(create(), problem, 6)
    resumed = create()
    resumed.tell(log[:5])
    assert resumed.ask() == [log[5].candidate]


@pytest.mark.parametrize(
    "name", ["optuna:NSGAIISampler(population_size=20)", "optuna:TPESampler", "pymoo:NSGA2(pop_size=20)"]
)
def test_they_learn(name):
    """Their last evaluations reach farther than those of random search."""
    place = space(8, 3)
    reached = {}
    for each in (name, "random"):
        volumes = []
        for seed in range(3):
            points = run(search.create(each, problem_of(place, seed)), lambda x: zdt1(x, 7), 160, 20)
            volumes.append(hypervolume(points[-40:], [1.1, 8.0]))
        reached[each] = np.mean(volumes)
    assert reached[name] > 1.1 * reached["random"]


def test_generations_of_optuna_are_those_of_the_log():
    problem = algorithms.problem_of(NARROW)
    algorithm = search.create("optuna:NSGAIISampler", problem, population_size=6)
    algorithms.search(algorithm, problem, 20, batch=4)
    told = [t for t in algorithm._study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    assert [t.system_attrs["NSGAIISampler:generation"] for t in told] == [i // 6 for i in range(20)]


@pytest.mark.parametrize("name", ["optuna:NSGAIISampler(population_size=10)", "optuna:TPESampler(multivariate=true)"])
def test_optuna_hears_of_measured_constraints(name):
    limit = Constraint.parse("latency_ms@cpu<=3", "cpu")
    problem = dataclasses.replace(algorithms.problem_of(NARROW), constraints=(limit,))
    algorithm = search.create(name, problem)
    log = algorithms.search(algorithm, problem, 15)
    trials = [t for t in algorithm._study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    assert len(trials) == len(log)
    for trial, evaluation in zip(trials, log, strict=True):
        ((name, over),) = trial.constraints.items()
        assert name == str(limit)
        assert (over <= 0) == limit.holds(evaluation.measurements["latency_ms@cpu"].value)
    assert algorithm.judges_constraints


def test_known_candidates_are_told_to_pymoo_with_the_values_that_they_have():
    problem = algorithms.problem_of(algorithms.tiny_space(), 2)
    members = list(problem.space.enumerate())
    algorithm = search.create("pymoo:NSGA2", problem, pop_size=8)
    algorithm.tell([algorithms.measured(problem, c, i) for i, c in enumerate(members[:60])])
    asked = algorithms.search(algorithm, problem, 20)
    assert len(asked) == 12
    assert {c.id for c in members[60:]} == set(algorithms.ids(asked))


def test_vectors_are_one_to_one_and_repeat_the_last_layer():
    vectors = Vectors(SMALL)
    for candidate in SMALL.sample_many(40, 0):
        indices = vectors.of(candidate)
        assert vectors.candidate(indices) == candidate
        assert (indices >= 0).all()
        assert (indices < vectors.sizes).all()
        layers = indices[-10:].reshape(5, 2)
        assert (layers[candidate.n_layer :] == layers[candidate.n_layer - 1]).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("optuna:NSGAISampler", "unknown sampler of Optuna 'NSGAISampler': did you mean 'NSGAIISampler'"),
        ("pymoo:NSGA", "unknown algorithm of pymoo 'NSGA': did you mean 'NSGA"),
        ("optuma:TPESampler", "unknown library 'optuma'"),
        ("optuna:CmaEsSampler", "cannot be used here: it keeps its state"),
        ("pymoo:RNSGA2", "cannot be used here: it needs reference points"),
        ("optuna:TPESampler(n_startup=3)", "did you mean 'n_startup_trials'"),
        ("optuna:TPESampler(n_startup_trials=many)", "takes a whole number"),
        ("optuna:NSGAIISampler(population_size=1)", "refuses its settings"),
        ("optuna:TPESampler(multivariate=true", "lacks its closing bracket"),
        ("optuna:TPESampler(true)", "is not name=value"),
    ],
)
def test_wrong_names_and_settings_teach(name, message):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        search.create(name, algorithms.problem_of(NARROW))


@pytest.mark.parametrize("library", ["optuna", "pymoo"])
def test_a_library_that_is_not_there_is_named_with_its_extra(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=rf"pip install 'tradewind\[{library}\]'"):
        search.create(libraries.LIBRARIES[library][1], algorithms.problem_of(NARROW))
    assert not any(name.startswith(library) for name in libraries.installed())


def test_brackets_hold_settings_of_our_own_algorithms_too():
    problem = algorithms.problem_of(NARROW)
    assert search.create("nsga2(population=7, spread=off)", problem).settings.population == 7
    assert (
        search.create("nsga2(population=7)", problem, "hwgpt", crossover=0.1).settings
        == search.create("nsga2", problem, "hwgpt", population=7, crossover=0.1).settings
    )


def test_a_failure_is_the_worst_that_pymoo_hears():
    problem = algorithms.problem_of(NARROW)
    algorithm = search.create("pymoo:NSGA2", problem, pop_size=4)
    candidates = algorithm.ask(4)
    bad = {o.name: Measurement.failed("oom: made to fail", o.unit) for o in problem.objectives}
    told = [algorithms.measured(problem, c, i) for i, c in enumerate(candidates[1:])]
    algorithm.tell([Evaluation(9, candidates[0], bad), *told])
    values = algorithm._made.pop.get("F")
    worst = values.sum(axis=1).argmax()
    assert (values[worst] > np.delete(values, worst, axis=0)).all()

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.search.toy import MODELS, ToyDevice, problem_of, run

from tradewind import spaces
from tradewind.benchmarks import hwgpt
from tradewind.core import Constraint, Evaluation, Measurement, Problem, UsageError, Workload, parse_objectives
from tradewind.pareto import exact_frontier, hypervolume, oriented, reference_point
from tradewind.search.calibrated import Calibrated, CalibratedSettings
from tradewind.search.lts import LTS
from tradewind.studies.loop import search

SMALLER = spaces.get("gpt2", n_layer="2..6", d_model="128..512")
NAMES = "decoder_params,latency_ms@toy,peak_memory_mb@toy"


def points(problem, log: list[Evaluation]) -> np.ndarray:  # type: ignore[no-untyped-def]
    found = [e.values(problem.objectives) for e in log]
    return oriented(np.array([f for f in found if f is not None]), problem.objectives)


def volumes(problem, *logs: list[Evaluation]) -> list[float]:  # type: ignore[no-untyped-def]
    sets = [points(problem, log) for log in logs]
    corner = reference_point(np.vstack(sets))
    return [hypervolume(s, corner) for s in sets]


def test_a_noiseless_device_is_searched_to_its_exact_frontier() -> None:
    problem = problem_of(NAMES, SMALLER)
    log = run(Calibrated(problem), ToyDevice(problem.objectives), 64)
    parts = {**problem.layerwise, **{f"{q}@toy": m.layerwise() for q, m in MODELS.items()}}
    exact = exact_frontier(problem.space, problem.objectives, parts)
    truth = oriented(exact.values, problem.objectives)
    corner = reference_point(truth)
    assert hypervolume(points(problem, log), corner) > 0.975 * hypervolume(truth, corner)
    # Every network after the design lies on the true frontier.
    on_it = {tuple(np.round(row, 6)) for row in truth}
    assert all(tuple(np.round(row, 6)) in on_it for row in points(problem, log[24:]))


def test_it_beats_lts_with_ten_times_the_measurements_on_a_noisy_device() -> None:
    ratios = []
    for seed in range(2):
        problem = problem_of(NAMES, SMALLER, seed=seed)
        device = ToyDevice(problem.objectives, noise=0.02)
        few, many = volumes(problem, run(Calibrated(problem), device, 64), run(LTS(problem), device, 640))
        ratios.append(few / many)
    assert np.mean(ratios) > 1.0


def test_it_ends_when_rounds_gain_nothing() -> None:
    space = spaces.get("gpt2", n_layer=[2, 3], d_model=[128, 256], d_inner=[512, 768], n_head=[2, 4])
    problem = problem_of("decoder_params,latency_ms@toy", space)
    algorithm = Calibrated(problem, CalibratedSettings(measurements=8, round=4))
    log = run(algorithm, ToyDevice(problem.objectives), 500)
    assert len(log) < 60
    assert algorithm.ask(3) == []


def test_constraints_bound_the_design_and_the_rounds() -> None:
    limit = Constraint.parse("latency_ms@toy<=60")
    small = Constraint.parse("decoder_params<=2e7")
    problem = problem_of("decoder_params,latency_ms@toy", constraints=(limit, small))
    log = run(Calibrated(problem), ToyDevice(problem.objectives), 48)
    late = [e.measurements for e in log[24:]]
    assert late
    assert all(m["latency_ms@toy"].value <= 61 for m in late)
    assert all(m["decoder_params"].value <= 2e7 for m in late)


def test_failed_measurements_are_left_out_of_the_fit_and_never_asked_again() -> None:
    class Flaky(ToyDevice):
        def _measure(self, objective, arch):  # type: ignore[no-untyped-def]
            if objective.device and int(arch.id, 16) % 4 == 0:
                return Measurement.failed("timeout: 120 s", objective.unit)
            return super()._measure(objective, arch)

    problem = problem_of("decoder_params,latency_ms@toy")
    log = run(Calibrated(problem), Flaky(problem.objectives), 56)
    assert len({e.candidate.id for e in log}) == len(log) == 56
    assert any(not e.measurements["latency_ms@toy"].ok for e in log)


def test_where_everything_fails_the_search_goes_on() -> None:
    class Dead(ToyDevice):
        def _measure(self, objective, arch):  # type: ignore[no-untyped-def]
            return Measurement.failed("crash: signal SIGSEGV", objective.unit)

    problem = problem_of("decoder_params,latency_ms@toy")
    log = run(Calibrated(problem), Dead(problem.objectives), 30)
    assert len({e.candidate.id for e in log}) == 30


def test_a_limit_that_no_network_holds_leaves_random_search() -> None:
    problem = problem_of("decoder_params,latency_ms@toy", constraints=(Constraint.parse("latency_ms@toy<=0.001"),))
    assert len(run(Calibrated(problem), ToyDevice(problem.objectives), 30)) == 30


def test_a_space_that_is_not_made_of_layers_is_refused() -> None:
    problem = dataclasses.replace(problem_of("decoder_params,latency_ms@toy"), space=object())
    with pytest.raises(UsageError, match="not made of layers"):
        Calibrated(problem)


def test_perplexity_is_learnt_from_what_is_told() -> None:
    bench = hwgpt.load("hwgpt-s")
    objectives = parse_objectives("perplexity,latency_ms@h100")
    load = Workload(batch=8, seq_len=1024)
    problem = Problem(bench.space, objectives, 0, lambda c: np.ones(len(c), bool), workload=load)
    algorithm = Calibrated(problem, CalibratedSettings(measurements=12, round=8))
    log = list(search(algorithm, bench.evaluator(objectives, draws=True, seed=0), budget=28))
    best = exact_frontier(bench.space, objectives, {o.name: bench.additive(o.name) for o in objectives})
    means = bench.query_many([e.candidate for e in log], objectives)
    found = np.column_stack([means[o.name] for o in objectives])
    bounds = np.array([bench.bounds(objectives)[o.name] for o in objectives])
    unit, corner = (lambda v: (v - bounds[:, 0]) / np.ptp(bounds, axis=1)), np.full(2, 1.1)
    assert hypervolume(unit(found), corner) > 0.93 * hypervolume(unit(best.values), corner)
    assert set(algorithm.models()) == {"perplexity", "latency_ms@h100"}


def test_rounds_grow_with_what_was_measured() -> None:
    problem = problem_of("decoder_params,latency_ms@toy")
    algorithm = Calibrated(problem, CalibratedSettings(measurements=12, round=4, patience=0))
    log = run(algorithm, ToyDevice(problem.objectives), 40)
    assert len({e.candidate.id for e in log}) == 40
    # Rounds start at 12, 16, 20, 25, 31, 38: what is asked beyond the end of one waits for it.
    asked = Calibrated(problem, CalibratedSettings(measurements=12, round=4, patience=0))
    asked.tell(log[:31])
    assert len(asked.ask(20)) == 7


def test_the_models_can_be_asked_for() -> None:
    problem = problem_of(NAMES)
    algorithm = Calibrated(problem)
    run(algorithm, ToyDevice(problem.objectives), 24)
    models = algorithm.models()
    assert set(models) == {"latency_ms@toy", "peak_memory_mb@toy"}
    new = problem.space.sample_many(50, 9)
    assert np.allclose(models["latency_ms@toy"].predict(new), MODELS["latency_ms"].predict(new), rtol=1e-3)

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from tests.search.integers import problem_of, run, space, zdt1

from tradewind import search, spaces
from tradewind.core import Evaluation, Measurement
from tradewind.pareto import hypervolume
from tradewind.search.ranking import best_first
from tradewind.testing import algorithms

N_VALUES, N_LAYER, POPULATION, EVALUATIONS, SEEDS = 16, 12, 40, 1200, 12


def pymoo_front(seed: int) -> np.ndarray:
    """Values of every evaluation of pymoo's NSGA-II with our operators: uniform crossover, one variable redrawn."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.mutation import Mutation
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.ux import UX
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    class OneGene(Mutation):
        def _do(self, problem, x, random_state=None, **kwargs):
            x, rows = x.copy(), np.arange(len(x))
            column = random_state.integers(x.shape[1], size=len(x))
            x[rows, column] = (x[rows, column] + random_state.integers(1, N_VALUES, size=len(x))) % N_VALUES
            return x

    class Grid(Problem):
        rows: list[np.ndarray] = []  # noqa: RUF012

        def _evaluate(self, x, out, *args, **kwargs):
            out["F"] = zdt1(x, N_VALUES - 1)
            self.rows.append(out["F"])

    grid = Grid(n_var=1 + 2 * N_LAYER, n_obj=2, xl=0, xu=N_VALUES - 1, vtype=int)
    grid.rows = []
    algorithm = NSGA2(POPULATION, IntegerRandomSampling(), crossover=UX(prob=0.5), mutation=OneGene(prob=1.0))
    minimize(grid, algorithm, ("n_evals", EVALUATIONS), seed=seed)
    return np.concatenate(grid.rows)[:EVALUATIONS]


def test_no_worse_than_pymoo_with_equal_operators():
    """Hypervolume on ZDT1 over a grid, two-sided: neither is better, by a rank test over twelve seeds."""
    pytest.importorskip("pymoo")
    settings = {"population": POPULATION, "crossover": 0.5, "corners": False, "spread": False}
    ours, theirs = [], []
    for seed in range(SEEDS):
        algorithm = search.create("nsga2", problem_of(space(N_VALUES, N_LAYER), seed), **settings)
        points = run(algorithm, lambda x: zdt1(x, N_VALUES - 1), EVALUATIONS, POPULATION)
        ours.append(hypervolume(points, [1.1, 11.0]))
        theirs.append(hypervolume(pymoo_front(seed), [1.1, 11.0]))
    assert min(ours) > 10.5  # random search: 9.1
    assert mannwhitneyu(ours, theirs, alternative="less").pvalue > 0.01


def test_the_best_of_parents_and_children_survive():
    problem = algorithms.problem_of(spaces.get("gpt2"))
    algorithm = search.create("nsga2", problem, population=10)
    log = algorithms.search(algorithm, problem, 30)
    told = np.array([e.values(problem.objectives) for e in log]) * [-1, 1]
    alive = list(range(10))
    for generation in (1, 2):
        alive += range(10 * generation, 10 * generation + 10)
        alive = [alive[i] for i in best_first(told[alive], 10)]
    assert [c.id for c in algorithm._parents] == [log[i].candidate.id for i in alive]


def test_winners_of_tournaments_are_mostly_the_best():
    problem = algorithms.problem_of(spaces.get("gpt2"))
    algorithm = search.create("nsga2", problem, population=20)
    algorithms.search(algorithm, problem, 20)
    rng = np.random.default_rng(0)
    wins = [algorithm._parents.index(algorithm._winner(rng)) for _ in range(4000)]
    # the better of two of 20: place k wins with probability (39 - 2 k) / 400
    counts = np.bincount(wins, minlength=20)
    assert counts[0] == pytest.approx(4000 * 39 / 400, rel=0.2)
    assert counts[10] == pytest.approx(4000 * 19 / 400, rel=0.25)


def test_a_batch_that_crosses_a_generation_waits_for_nothing():
    problem = algorithms.problem_of(spaces.get("gpt2"))
    algorithm = search.create("nsga2", problem, population=10)
    algorithms.search(algorithm, problem, 15)
    assert len(algorithm.ask(30)) == 30


def test_a_generation_of_failures_changes_no_parents():
    problem = algorithms.problem_of(spaces.get("gpt2"))
    algorithm = search.create("nsga2", problem, population=5)
    algorithms.search(algorithm, problem, 5)
    before = list(algorithm._parents)
    algorithms.search(algorithm, problem, 5, ok=lambda index: False)
    assert algorithm._parents == before


def test_measured_twice_is_in_the_population_once():
    problem = algorithms.problem_of(spaces.get("gpt2"))
    algorithm = search.create("nsga2", problem, population=4)
    values = {o.name: Measurement.of(1.0, o.unit) for o in problem.objectives}
    algorithm.tell([Evaluation(i, c, values) for i, c in enumerate([*spaces.get("gpt2").sample_many(2, 0)] * 2)])
    assert len(algorithm._parents) == 2

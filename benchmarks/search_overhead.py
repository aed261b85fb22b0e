"""What searching itself costs: 10,000 evaluations of our algorithms beside pymoo's NSGA-II on the same problem.

The problem has 25 integer variables of 16 values and two objectives, one linear and one quadratic: for pymoo a vector,
for ours an architecture of 12 layers (one width, 12 numbers of heads, 12 inner sizes). Evaluating it is not counted on
either side. pymoo asks for a population at a time; ours are asked for as many, and also for one at a time as a study
asks, because then each proposal knows every result before it.

    python benchmarks/search_overhead.py [--evaluations 10000] [--population 100] [--rounds 5] [--json]

Needs the extra `pymoo`. Figures are medians of CPU time, which other load on the machine disturbs less than wall time;
all use one thread and take turns in every round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from pymoo.algorithms.moo.nsga2 import NSGA2  # noqa: E402
from pymoo.core.problem import Problem as PymooProblem  # noqa: E402
from pymoo.operators.crossover.sbx import SBX  # noqa: E402
from pymoo.operators.mutation.pm import PM  # noqa: E402
from pymoo.operators.repair.rounding import RoundingRepair  # noqa: E402
from pymoo.operators.sampling.rnd import IntegerRandomSampling  # noqa: E402
from pymoo.optimize import minimize  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from tradewind import search  # noqa: E402
from tradewind.core import ArchitectureBatch, Evaluation, Measurement, Problem, parse_objectives  # noqa: E402
from tradewind.spaces.dimension import Dimension  # noqa: E402
from tradewind.spaces.space import ArchitectureSpace  # noqa: E402

N_GENES, N_VALUES = 25, 16
OURS: dict[str, dict[str, Any]] = {"nsga2": {"population": 100}, "morea": {"population": 100}, "local-search": {}}
OBJECTIVES = parse_objectives("latency_ms@toy,energy_wh@toy")


def values(genes: np.ndarray) -> np.ndarray:
    """Two objectives (N, 2) of genes (N, 25) from 0 to 15: what is good for one is bad for the other."""
    weights = np.linspace(0.5, 1.5, N_GENES)
    return np.column_stack([genes @ weights, ((genes - N_VALUES + 1) ** 2).sum(axis=1)])


class Stopwatch:
    """CPU time of its blocks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._start = time.process_time()

    def __exit__(self, *exception: object) -> None:
        self.seconds += time.process_time() - self._start


class Vectors(PymooProblem):
    """The problem for pymoo."""

    def __init__(self, evaluating: Stopwatch) -> None:
        super().__init__(n_var=N_GENES, n_obj=2, xl=0, xu=N_VALUES - 1, vtype=int)
        self.evaluating = evaluating

    def _evaluate(self, x: np.ndarray, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        with self.evaluating:
            out["F"] = values(x)


def pymoo(evaluations: int, population: int, seed: int) -> float:
    """Seconds of pymoo's NSGA-II with its operators for integers."""
    total, evaluating = Stopwatch(), Stopwatch()
    repaired = {"vtype": float, "repair": RoundingRepair()}
    algorithm = NSGA2(
        pop_size=population,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=1.0, eta=3.0, **repaired),
        mutation=PM(prob=1.0, eta=3.0, **repaired),
        eliminate_duplicates=True,
    )
    with total:
        minimize(Vectors(evaluating), algorithm, ("n_evals", evaluations), seed=seed)
    return total.seconds - evaluating.seconds


def space() -> ArchitectureSpace:
    """The variables as genes of architectures, each choice its index plus one."""
    choices = tuple(range(1, N_VALUES + 1))
    layers = (N_GENES - 1) // 2
    return ArchitectureSpace(
        name="integers",
        family="hwgpt",
        dimensions=(
            Dimension("n_layer", (layers,)),
            Dimension("d_model", choices),
            Dimension("n_head", choices, per_layer=True),
            Dimension("mlp_ratio", choices, per_layer=True),
        ),
    )


def genes_of(candidates: Sequence[Any]) -> np.ndarray:
    """The variables (N, 25) of architectures."""
    batch = ArchitectureBatch.of(candidates)
    return np.column_stack([batch.d_model, batch.n_head, batch.mlp_ratio]) - 1


def ours(name: str, evaluations: int, batch: int, seed: int) -> float:
    """Seconds of one of our algorithms, asked for `batch` candidates at a time."""
    problem = Problem(space(), OBJECTIVES, seed, lambda candidates: np.ones(len(candidates), dtype=bool))
    searching, done = Stopwatch(), 0
    with searching:
        algorithm = search.create(name, problem, **OURS[name])
    while done < evaluations:
        with searching:
            candidates = algorithm.ask(min(batch, evaluations - done))
        told = []
        for candidate, row in zip(candidates, values(genes_of(candidates)).tolist(), strict=True):
            found = {o.name: Measurement.of(value, o.unit) for o, value in zip(OBJECTIVES, row, strict=True)}
            told.append(Evaluation(done + len(told), candidate, found))
        with searching:
            algorithm.tell(told)
        done += len(told)
    return searching.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--evaluations", type=int, default=10_000)
    parser.add_argument("--population", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    evaluations, population = arguments.evaluations, arguments.population
    for name in ("nsga2", "morea"):
        OURS[name]["population"] = population

    runs: dict[str, Callable[[int], float]] = {"pymoo NSGA-II": lambda seed: pymoo(evaluations, population, seed)}
    for name in OURS:
        for batch in (population, 1):
            label = f"{name}, {batch} at a time"
            runs[label] = lambda seed, name=name, batch=batch: ours(name, evaluations, batch, seed)  # type: ignore[misc]
    seconds: dict[str, list[float]] = {label: [] for label in runs}
    for seed in range(arguments.rounds):
        for label, run in runs.items():
            seconds[label].append(run(seed))
    yardstick = seconds["pymoo NSGA-II"]
    figures = {
        label: {
            "seconds": statistics.median(times),
            "ratio": statistics.median(t / y for t, y in zip(times, yardstick, strict=True)),
        }
        for label, times in seconds.items()
    }

    if arguments.json:
        print(json.dumps({"evaluations": evaluations, "population": population, "figures": figures}, indent=2))
        return
    table = Table(title=f"{evaluations:,} evaluations, population {population}: CPU time without evaluating")
    for column in ("", "s", "µs per evaluation", "times pymoo's"):
        table.add_column(column, justify="left" if not column else "right")
    for label, row in figures.items():
        each = row["seconds"] / evaluations * 1e6
        table.add_row(label, f"{row['seconds']:.2f}", f"{each:.0f}", f"{row['ratio']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()

"""What the settings of the `lts` algorithm are worth at small budgets, beside random search.

Problems whose answers are known at once: decoder parameters (to be many) against a time made of operations, layers and
heads, and a memory of weights and activations (to be few). Judged by the hypervolume of the logarithms, as a share of
the box that 50,000 random architectures span. Mean over seeds, with its standard error.

    python benchmarks/lts_settings.py [--seeds 16] [--evaluations 1000] [--json]
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import tradewind as tw
from tradewind.core import ArchitectureBatch, Evaluation, Measurement, Problem, parse_objectives
from tradewind.pareto import hypervolume, oriented

OBJECTIVES = parse_objectives("decoder_params,latency_ms@cpu,peak_memory_mb@cpu")
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "random": ("random", {}),
    "lts, the paper's settings": ("lts", {"preset": "paper"}),
    "lts, 20 random first": ("lts", {"initial": 20}),
    "lts, 50 random first": ("lts", {"initial": 50}),
    "lts, 40 first, population 25": ("lts", {"initial": 40, "population": 25}),
    "lts, 50 first, half parents": ("lts", {"initial": 50, "parent_share": 0.5, "mutant_share": 0.25}),
}
BUDGETS = (60, 100, 200, 500, 1000)


@dataclasses.dataclass(frozen=True)
class Known:
    """A space with the first `n` of `OBJECTIVES` in closed form, and bounds on decoder parameters."""

    space: str
    n: int
    low: float = 0.0
    high: float = math.inf

    def __str__(self) -> str:
        bounds = f", {self.low / 1e6:g}-{self.high / 1e6:g}M" if self.low else ""
        return f"{self.space}{bounds}, {self.n} objectives"

    def feasible(self, candidates: Sequence[Any]) -> np.ndarray:
        """Which of N candidates lie within the bounds."""
        params = np.asarray(tw.costs.evaluate("decoder_params", ArchitectureBatch.of(candidates)))
        return (params >= self.low) & (params <= self.high)

    @functools.cached_property
    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Best and worst oriented logarithms among 50,000 feasible random architectures."""
        batch = tw.spaces.get(self.space).sample_many(50_000, 123)
        many = oriented(np.log(self.values(batch[self.feasible(batch)])), OBJECTIVES[: self.n])
        return many.min(axis=0), many.max(axis=0)

    def values(self, candidates: Sequence[Any]) -> np.ndarray:
        """Objectives of N candidates, (N, n)."""
        batch = ArchitectureBatch.of(candidates)
        params, macs, activation = (
            np.asarray(tw.costs.evaluate(name, batch), dtype=float)
            for name in ("decoder_params", "macs", "activation_mb")
        )
        speed = batch.d_model / (batch.d_model + 150) * 3e7
        time = macs / speed + 0.2 * batch.n_layer + 0.05 * batch.layer_sum("n_head")
        return np.column_stack([params, time, 4 * params / 1e6 + activation])[:, : self.n]

    def front_shares(self, algorithm: str, settings: dict[str, Any], seed: int, evaluations: int) -> list[float]:
        """Hypervolume at each budget of one search."""
        space, objectives = tw.spaces.get(self.space), OBJECTIVES[: self.n]
        problem = Problem(space, objectives, seed, self.feasible)
        searcher = tw.search.create(algorithm, problem, **settings)
        found: list[np.ndarray] = []
        for index in range(evaluations):
            (candidate,) = searcher.ask()
            row = self.values([candidate])[0]
            found.append(row)
            told = {o.name: Measurement.of(v, o.unit) for o, v in zip(objectives, row, strict=True)}
            searcher.tell([Evaluation(index, candidate, told)])
        low, high = self.box
        points = (oriented(np.log(found), objectives) - low) / (high - low)
        return [float(hypervolume(points[:budget], np.ones(self.n))) for budget in BUDGETS if budget <= evaluations]


PROBLEMS = (
    Known("gpt2", 2),
    Known("gpt2", 2, 6e6, 1e8),
    Known("gpt2", 3, 6e6, 1e8),
    Known("hwgpt-s", 2),
    Known("hwgpt-l", 2),
    Known("hwgpt-l", 3),
)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = []
    for known in PROBLEMS:
        if not given.json:
            budgets = "".join(f"{budget:>17}" for budget in BUDGETS if budget <= given.evaluations)
            print(f"\n{known!s:<32}{budgets}")
        for case, (algorithm, settings) in CASES.items():
            runs = np.array([known.front_shares(algorithm, settings, s, given.evaluations) for s in range(given.seeds)])
            mean, error = runs.mean(axis=0), runs.std(axis=0, ddof=1) / math.sqrt(given.seeds)
            rows.append(
                {"problem": dataclasses.asdict(known), "case": case, "mean": mean.tolist(), "se": error.tolist()}
            )
            if not given.json:
                cells = "".join(f"{m:>10.4f} ±{e:.4f}" for m, e in zip(mean, error, strict=True))
                print(f"{case:<32}{cells}", flush=True)
    if given.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()

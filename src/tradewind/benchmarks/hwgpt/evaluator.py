"""BenchmarkEvaluator: the benchmark as a search's evaluator, at no cost: predicted means or seeded noisy draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind.benchmarks.hwgpt.calibrated import calibrated_metric
from tradewind.benchmarks.hwgpt.targets import column_of, device_of, unit_of, workload
from tradewind.core import Measurement, Measurements, Objective
from tradewind.core.layerwise import Layerwise

if TYPE_CHECKING:
    from tradewind.benchmarks.hwgpt.benchmark import HWGPTBenchmark


class BenchmarkEvaluator:
    """Evaluates architectures of a benchmark's space; see `HWGPTBenchmark.evaluator`.

    With draws, each candidate's value is one observation, a pure function of candidate and seed: asking twice gives the
    same number, as a stored measurement would.
    """

    deterministic = True

    def __init__(
        self, benchmark: HWGPTBenchmark, objectives: tuple[Objective, ...], draws: bool = False, seed: int = 0
    ) -> None:
        self._benchmark, self._objectives, self._draws, self._seed = benchmark, objectives, draws, seed
        self._own = {o.name: found for o in objectives if (found := calibrated_metric(o.name))}
        for objective in objectives:
            if objective.name not in self._own:
                column_of(objective)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The metrics asked for."""
        return self._objectives

    @property
    def layerwise(self) -> dict[str, Layerwise]:
        """The means taken apart into terms of the layers, for algorithms that use them."""
        return {o.name: self._benchmark.additive(o) for o in self._objectives}

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        """One mapping a candidate, in order."""
        if not candidates:
            return []
        values: dict[str, np.ndarray] = {}
        spreads: dict[str, np.ndarray] = {}
        if self._draws:
            values = {o.name: self._benchmark.draws(candidates, o, self._seed) for o in self._objectives}
        else:
            table = self._benchmark.query_many(candidates, self._objectives)
            values, spreads = dict(table.mean), dict(table.std)
        found: list[dict[str, Measurement]] = [{} for _ in candidates]
        for objective in self._objectives:
            column, own = objective.name.replace("@", "."), self._own.get(objective.name)
            exact = objective.name not in self._predicted
            facts: dict[str, Any] = {
                "method": "closed form" if exact else self._method,
                "device": device_of(column),
                "predicted": not exact,
                "details": {
                    "benchmark": self._benchmark.name,
                    **(own.facts() if own else workload(self._benchmark.scale, column)),
                },
            }
            spread = spreads.get(objective.name)
            for row, value in enumerate(values[objective.name].tolist()):
                around = None if spread is None else float(f"{spread[row]:.6g}")
                number = int(value) if exact else value
                found[row][objective.name] = Measurement.of(number, unit_of(column), spread=around, **facts)
        return list(found)

    def describe(self) -> dict[str, Any]:
        """The benchmark, its objectives, what is returned and the hashes of the data behind it."""
        published = sorted(self._predicted - set(self._own))
        hashes = {name: self._benchmark.predictor(name).facts["fit"]["data_sha256"] for name in published}
        models = {name: own.identity() for name, own in sorted(self._own.items())}
        return {
            "kind": "benchmark",
            "benchmark": self._benchmark.name,
            "objectives": [o.name for o in self._objectives],
            "values": f"draws of one observation, seed {self._seed}" if self._draws else "predicted means",
            "data_sha256": hashes,
        } | ({"calibrated": models} if models else {})

    def close(self) -> None:
        """Nothing to release."""

    @property
    def _method(self) -> str:
        return "draw of one observation" if self._draws else "additive model of published measurements"

    @property
    def _predicted(self) -> set[str]:
        return {o.name for o in self._objectives if o.name not in ("params", "flops")}

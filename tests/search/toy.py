"""A made-up device for the tests of exact and calibrated search: additive but for noise and a tile effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tradewind import spaces
from tradewind.core import Evaluation, Measurement, Objective, Problem, Workload, parse_objectives
from tradewind.core.seeds import generator
from tradewind.costs import evaluate
from tradewind.costs.layerwise import closed_form
from tradewind.predictors.cost_model import CostModel

MODELS = {
    "latency_ms": CostModel(
        "latency_ms",
        Workload(),
        {
            "fixed": 3.0,
            "layers": 0.5,
            "attention matrices": 2e-8,
            "feed-forward matrices": 1.2e-8,
            "activation function": 2e-6,
            "softmax": 3e-6,
            "output layer": 1e-8,
        },
        (),
    ),
    "peak_memory_mb": CostModel(
        "peak_memory_mb", Workload(), {"fixed": 12.0, "decoder weights": 1.0, "embedding weights": 1.0}, ()
    ),
}


class ToyDevice:
    """Measures what the models say times a factor of the network's own: noise and effects no model knows."""

    def __init__(self, objectives: Sequence[Objective], noise: float = 0.0) -> None:
        self.objectives, self.noise = tuple(objectives), noise

    def evaluate(self, candidates: Sequence[Any]) -> list[Mapping[str, Measurement]]:
        return [{o.name: self._measure(o, arch) for o in self.objectives} for arch in candidates]

    def _measure(self, objective: Objective, arch: Any) -> Measurement:
        if objective.device is None:
            return Measurement.of(evaluate(objective.quantity, arch), objective.unit)
        value = float(MODELS[objective.quantity].predict(arch)[0])
        factor = np.exp(self.noise * generator(0, objective.name, arch.id).normal())
        return Measurement.of(value * factor, objective.unit, device=objective.device)


def problem_of(names: str, space: Any = None, seed: int = 0, **options: Any) -> Problem:
    objectives = parse_objectives(names)
    parts = {o.name: closed_form(o.quantity) for o in objectives if o.device is None}
    place = space or spaces.get("gpt2")
    return Problem(place, objectives, seed, lambda c: np.ones(len(c), bool), layerwise=parts, **options)


def run(algorithm: Any, device: ToyDevice, budget: int) -> list[Evaluation]:
    """Ask, measure and tell one by one."""
    log: list[Evaluation] = []
    while len(log) < budget:
        asked = algorithm.ask(1)
        if not asked:
            break
        log.append(Evaluation(len(log), asked[0], device.evaluate(asked)[0]))
        algorithm.tell(log[-1:])
    return log

"""Problems in integer variables, as spaces: each variable a gene, its value the index of a choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tradewind.core import ArchitectureBatch, Evaluation, Measurement, Problem, parse_objectives
from tradewind.search import AskTell
from tradewind.spaces.dimension import Dimension
from tradewind.spaces.space import ArchitectureSpace

OBJECTIVES = parse_objectives("latency_ms@toy,energy_wh@toy")


def space(n_values: int, n_layer: int) -> ArchitectureSpace:
    """1 + 2 n_layer variables: a width, then heads and inner sizes."""
    choices = tuple(range(1, n_values + 1))
    dimensions = (
        Dimension("n_layer", (n_layer,)),
        Dimension("d_model", choices),
        Dimension("n_head", choices, per_layer=True),
        Dimension("mlp_ratio", choices, per_layer=True),
    )
    return ArchitectureSpace("integers", "hwgpt", dimensions)


def variables(candidates: Sequence[Any]) -> np.ndarray:
    batch = ArchitectureBatch.of(candidates)
    return np.column_stack([batch.d_model, batch.n_head, batch.mlp_ratio]) - 1


def zdt1(x: np.ndarray, last: int) -> np.ndarray:
    """Zitzler, Deb and Thiele 2000, first function, on a grid."""
    first, g = x[:, 0] / last, 1 + 9 * x[:, 1:].mean(axis=1) / last
    return np.column_stack([first, g * (1 - np.sqrt(first / g))])


def problem_of(place: ArchitectureSpace, seed: int) -> Problem:
    return Problem(place, OBJECTIVES, seed, lambda candidates: np.ones(len(candidates), dtype=bool))


def run(algorithm: AskTell, function: Callable[[np.ndarray], np.ndarray], evaluations: int, batch: int) -> np.ndarray:
    """Objective values of a search, (evaluations, 2)."""
    rows: list[np.ndarray] = []
    while len(rows) < evaluations:
        asked = algorithm.ask(batch)
        values = function(variables(asked))
        for candidate, row in zip(asked, values, strict=True):
            found = {o.name: Measurement.of(v, o.unit) for o, v in zip(OBJECTIVES, row, strict=True)}
            algorithm.tell([Evaluation(len(rows), candidate, found)])
            rows.append(row)
    return np.array(rows)

"""How close predictions come to measurements that they were not fitted to: the fidelity table.

Rank correlation (Kendall's tau-b, Spearman), R², absolute percentage errors, and how many measurements lie in nominal
90% intervals, against the median observation of each architecture. Neighbours in the order of measurement share a
profiling job, which no property of an architecture predicts; so Kendall's tau is given three times:

kendall             against the raw medians, the job unknown: what a user who measures tomorrow would see
kendall_known_job   the prediction times the job's level, estimated from other rows near it in the order
kendall_corrected   against the medians divided by that level: the architecture's own cost

Symbols: N rows of the table, n of them scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind.benchmarks.hwgpt.observed import Observed, observed
from tradewind.benchmarks.hwgpt.targets import CLOSED, column_of
from tradewind.benchmarks.measured import MeasuredTable
from tradewind.core import unknown
from tradewind.core.ranking import kendall, spearman
from tradewind.predictors import jobs
from tradewind.predictors.layer_grid import LayerGrid
from tradewind.predictors.layer_predictor import LayerPredictor

if TYPE_CHECKING:
    from tradewind.benchmarks.hwgpt.benchmark import HWGPTBenchmark

LEVEL = 0.9

FEW_ROWS = 1000
LOW_TAU = 0.9
WIDE = 0.1
"""Where a predictor's query carries a warning: fewer rows, a lower held-out tau, a wider relative half-interval."""


def evaluate(bench: HWGPTBenchmark, metrics: str = "all", rows: str = "all") -> dict[str, dict[str, Any]]:
    """The fidelity of a benchmark on its user's table of measurements, by metric; `rows` is ``all`` or ``held-out``.

    `seen` says whether the rows were part of the predictor's fit. Metrics that the table lacks, and the exact closed
    forms, are left out. Raises `UsageError`.
    """
    if rows not in ("all", "held-out"):
        raise unknown("choice of rows", rows, ("all", "held-out"))
    columns = tuple(column_of(metric) for metric in bench.wanted(metrics))
    table = MeasuredTable.load(bench.scale, bench.data)
    found = {}
    for column, values in observed(table, LayerGrid.of_space(bench.space), columns).items():
        if column in CLOSED:
            continue
        metric = column.replace(".", "@")
        predictor = bench.predictor(metric)
        scored = values.held_out if rows == "held-out" else np.ones(len(values), dtype=bool)
        seen = rows == "all" or bool(predictor.facts.get("saw_held_out", True))
        found[metric] = {**scores(predictor, values, scored), "seen": seen}
    return found


def scores(predictor: LayerPredictor, values: Observed, rows: np.ndarray) -> dict[str, float | int]:
    """The fidelity of a predictor on some rows (N,) of a column, a mask; the others tell their jobs' levels.

    Where all rows are scored, each row's job is told by the rest. Numbers are rounded to 4 digits.
    """
    prediction = predictor.predict(values.codes)
    level = job_levels(predictor, values, prediction.mean, ~rows if not rows.all() else rows)
    part = values[rows]
    guess, truth = prediction.mean[rows], part.medians
    percent = 100 * np.abs(guess / truth - 1)
    drift = np.exp(level[rows])
    (low, high), (lowest, highest) = prediction.interval(LEVEL), prediction.interval(LEVEL, "observation")
    found: dict[str, float | int] = {
        "rows": int(rows.sum()),
        "kendall": kendall(truth, guess),
        "kendall_known_job": kendall(truth, guess * drift),
        "kendall_corrected": kendall(truth / drift, guess),
        "spearman": spearman(truth, guess),
        "r2": 1 - float(np.sum((truth - guess) ** 2) / np.sum((truth - truth.mean()) ** 2)),
        "median_ape": float(np.median(percent)),
        "p90_ape": float(np.quantile(percent, 0.9)),
        "median_ape_known_job": float(np.median(100 * np.abs(guess * drift / truth - 1))),
        "coverage": _coverage(low[rows], high[rows], truth[:, None]),
        "coverage_observation": _coverage(lowest[rows], highest[rows], part.observations),
        "half_width": float(np.median(((high - low) / prediction.mean)[rows]) / 2),
    }
    return {name: value if isinstance(value, int) else round(value, 4) for name, value in found.items()}


def job_levels(predictor: LayerPredictor, values: Observed, mean: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Log level (N,) of each row's job over a typical one, from the `known` rows (N,) near it in the order."""
    windows = jobs.Windows(*predictor.facts["fit"]["windows"])
    if windows == jobs.NONE:
        return np.zeros(len(values))
    group = values.codes.group
    found = jobs.levels(values.order, np.log(values.medians / mean), group, known, windows)
    return np.asarray((found - jobs.typical_level(found))[np.arange(len(values)), group])


def warnings_of(facts: Mapping[str, Any]) -> list[str]:
    """What a user of a predictor must know, in words; empty where its data support it well."""
    quality, found = facts["held_out"], []
    if facts["rows"] < FEW_ROWS:
        found.append(f"fitted to {facts['rows']} architectures only")
    if quality["kendall"] < LOW_TAU:
        noise = facts["noise"]
        cause = (
            "the profiling job it was measured in matters more than small differences of architecture"
            if quality["kendall_known_job"] >= LOW_TAU or noise["job"] > noise["rest"]
            else "measurements of one architecture scatter more than architectures differ"
        )
        found.append(f"ranks unseen architectures with Kendall tau {quality['kendall']:.2f} only: {cause}")
    if quality["half_width"] > WIDE:
        found.append(f"a measurement falls within ±{quality['half_width']:.0%} of the prediction in 90% of cases")
    return found


def _coverage(low: np.ndarray, high: np.ndarray, values: np.ndarray) -> float:
    """Share of the values (n, R), NaN for none, that lie between `low` and `high`, each (n,)."""
    inside = (values >= low[:, None]) & (values <= high[:, None])
    return float(inside.sum() / np.count_nonzero(~np.isnan(values)))

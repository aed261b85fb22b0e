"""From the published measurements to the predictors of the benchmark: the pipeline behind `tradewind bench fit`.

Each column is fitted twice: without a random fifth of the architectures, to be judged on it, and then (unless the first
is what is asked for) on all. Everything is a pure function of the measurements: the same table gives the same bytes on
the same numpy; another linear algebra library may change last digits.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tradewind import spaces
from tradewind.benchmarks.hwgpt.fidelity import scores, warnings_of
from tradewind.benchmarks.hwgpt.observed import Observed, observed
from tradewind.benchmarks.hwgpt.targets import MEMORY, PREDICTED, QUALITY, SCALES, device_of, unit_of, workload
from tradewind.benchmarks.measured import MeasuredTable
from tradewind.benchmarks.schema import GPUS
from tradewind.predictors.cost_fit import fit_cost
from tradewind.predictors.layer_grid import LayerGrid
from tradewind.predictors.layer_predictor import LayerPredictor
from tradewind.predictors.quality_fit import fit_quality

COMMAND = "tradewind bench fit DIR"


def fit_all(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    scales: Sequence[str] = SCALES,
    columns: Sequence[str] = PREDICTED,
    keep_held_out: bool = False,
    progress: Callable[[str, str], None] | None = None,
) -> list[Path]:
    """Fit columns of the tables ``hwgpt_{s,m,l}.parquet`` in `data` and write ``OUT/hwgpt-{scale}/{column}.json``.

    With `keep_held_out` the files hold the fits that never saw the held-out fifth. `progress` is called with each scale
    and column when it is done. Raises `UsageError` for a missing table.
    """
    written = []
    for scale in scales:
        table = MeasuredTable.load(scale, data)
        grid = LayerGrid.of_space(spaces.get(f"hwgpt-{scale}"))
        for column, values in observed(table, grid, tuple(columns)).items():
            predictor = fit_and_judge(values, keep_held_out)
            written.append(predictor.save(Path(out) / f"hwgpt-{scale}" / f"{column}.json"))
            if progress is not None:
                progress(scale, column)
    return written


def fit_and_judge(values: Observed, keep_held_out: bool = False) -> LayerPredictor:
    """The predictor of a column with its quality on the held-out fifth; fitted on all rows, or without that fifth."""
    out = values.held_out
    judged = fit_target(values[~out])
    # What is judged is what a file holds, rounding and all.
    quality = scores(LayerPredictor.from_dict(judged.to_dict()), values, out)
    predictor = judged if keep_held_out else fit_target(values)
    facts = {**predictor.facts, "held_out": quality, "saw_held_out": not keep_held_out}
    return dataclasses.replace(predictor, facts={**facts, "warnings": warnings_of(facts)})


def fit_target(values: Observed) -> LayerPredictor:
    """The predictor of a column from all the rows given; its facts lack the quality, which needs others."""
    quantity, device = values.column.partition(".")[0], device_of(values.column)
    if quantity in QUALITY:
        fit = fit_quality(values.codes, values.medians, values.folds)
    else:
        # A power meter read at one moment of a forward, and an allocator, treat layers by their position.
        polled = quantity in MEMORY or (quantity == "energy_wh" and device in GPUS)
        fit = fit_cost(values.codes, values.medians, values.order, values.folds, polled)
    facts: dict[str, Any] = {
        "benchmark": f"hwgpt-{values.scale}",
        "rows": len(values),
        "observations": values.observations.shape[1],
        **workload(values.scale, values.column),
        "fit": {
            "command": COMMAND,
            "table": f"hwgpt_{values.scale}.parquet",
            "data_sha256": values.sha256(),
            "positions": fit.model.positions is not None,
            "windows": [fit.windows.common, fit.windows.group],
        },
        "noise": _noise(values, fit.unseen, fit.drift),
    }
    return LayerPredictor.of_fit(values.column, unit_of(values.column), values.codes, values.observations, fit, facts)


def _noise(values: Observed, unseen: np.ndarray, drift: np.ndarray) -> dict[str, float | None]:
    """Robust relative standard deviations: of one observation in its job, of jobs, and of what neither explains."""
    within = np.log(values.observations / values.medians[:, None])
    repeated = within[np.count_nonzero(~np.isnan(within), axis=1) > 1]
    return {
        "observation": _robust(repeated[~np.isnan(repeated)]) if repeated.size else None,
        "job": _robust(drift),
        "rest": _robust(np.log(values.medians / unseen) - drift),
    }


def _robust(errors: np.ndarray) -> float:
    return float(f"{1.4826 * np.median(np.abs(errors - np.median(errors))):.3g}")

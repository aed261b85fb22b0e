"""HWGPTBenchmark: what architectures of a scale cost and how well they model language, without training or timing one.

Source: Sukthanker et al. 2024, arXiv 2405.10299; predictors fitted to its released measurements (`fitting.py`), exact
closed forms for params and flops. The release measured two networks under one name: hardware figures belong to the
`profiled` one, perplexity and accuracy to the `intended` one. An architecture of either is answered for both.

Symbols: N architectures.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind import costs, spaces
from tradewind.benchmarks.hwgpt.calibrated import calibrated_metric
from tradewind.benchmarks.hwgpt.evaluator import BenchmarkEvaluator
from tradewind.benchmarks.hwgpt.predicted import PredictedTable
from tradewind.benchmarks.hwgpt.targets import (
    CLOSED,
    KNOWN,
    METRICS,
    PREDICTED,
    SCALES,
    column_of,
    device_of,
    unit_of,
    workload,
)
from tradewind.benchmarks.schema import DEVICES
from tradewind.core import (
    HWGPT,
    Architecture,
    ArchitectureBatch,
    InvalidArchitectureError,
    Measurement,
    Objective,
    UsageError,
    parse_objectives,
    unknown,
)
from tradewind.core.layerwise import Layerwise
from tradewind.core.seeds import generator
from tradewind.costs.hwgpt import PROFILED_BATCH, profiler_flops
from tradewind.costs.layerwise import OfTotals
from tradewind.predictors.distribution import Prediction
from tradewind.predictors.layer_grid import Codes, LayerGrid
from tradewind.predictors.layer_predictor import LayerPredictor

if TYPE_CHECKING:
    import pyarrow as pa

    from tradewind.benchmarks.measured import MeasuredTable

FITTED = Path(__file__).parent / "fitted"
"""The predictors that come with the package."""

LEVEL = 0.9
"""Level of the interval in a measurement's details."""

BLOCK = 32_768
"""Architectures predicted at a time, which bounds the memory of a query for millions."""


def names() -> tuple[str, ...]:
    """The benchmarks: ``hwgpt-s``, ``hwgpt-m``, ``hwgpt-l``."""
    return tuple(f"hwgpt-{scale}" for scale in SCALES)


def load(
    name: str, predictors: str | os.PathLike[str] | None = None, data: str | os.PathLike[str] | None = None
) -> HWGPTBenchmark:
    """The benchmark of a name, with the predictors of the package or of a folder that `tradewind bench fit` wrote.

    `data` is the folder of imported measurements that `measured` answers from.

    Raises `UsageError` for the wide spaces, for which nothing was ever measured.
    """
    if name.removesuffix("-wide") in names() and name not in names():
        raise UsageError(
            f"there are no measurements of {name}, so there is no benchmark; its space is there for other evaluators "
            f"(benchmarks: {', '.join(names())})"
        )
    if name not in names():
        raise unknown("benchmark", name, names())
    folder = Path(predictors) if predictors is not None else FITTED
    return HWGPTBenchmark(name, folder, Path(data) if data is not None else None)


@dataclasses.dataclass(frozen=True)
class HWGPTBenchmark:
    """One scale. `folder` holds its predictors, read when first asked for; `data` the user's own measurements, if any.

    >>> bench = load("hwgpt-s")
    >>> arch = bench.space.sample(seed=0)
    >>> bench.query(arch, "latency_ms@a100").unit
    'ms'
    """

    name: str
    folder: Path = FITTED
    data: Path | None = None

    @property
    def scale(self) -> str:
        """The release's name of the scale: s, m or l."""
        return self.name.removeprefix("hwgpt-")

    @cached_property
    def space(self) -> spaces.ArchitectureSpace:
        """The space whose members the benchmark knows."""
        return spaces.get(self.name)

    @property
    def devices(self) -> tuple[str, ...]:
        """The thirteen devices."""
        return DEVICES

    @staticmethod
    def metrics() -> tuple[str, ...]:
        """Everything that can be asked: ``perplexity``, ``latency_ms@a100``, ..., ``params``, ``flops``."""
        return METRICS

    @staticmethod
    def wanted(metrics: Sequence[str | Objective] | str) -> list[str]:
        """Names of metrics from a sequence, one comma-separated text, or ``all``; raises `UsageError`.

        Quantities of calibrated devices (``latency_ms@laptop``) are metrics too, but not among ``all``.
        """
        if isinstance(metrics, str):
            metrics = METRICS if metrics == "all" else [part.strip() for part in metrics.split(",") if part.strip()]
        if not metrics:
            raise UsageError("give at least one metric, e.g. perplexity,latency_ms@a100, or all")
        names = dict.fromkeys(map(str, metrics))
        return [n if calibrated_metric(n) else column_of(n).replace(".", "@") for n in names]

    def query(self, arch: Architecture, metric: str | Objective) -> Measurement:
        """The predicted measurement of one architecture; an exact one for params and flops.

        The value is the architecture's own: what the median observation of a typical profiling job scatters around.
        `spread` is the standard deviation of such a median; the details hold its 90% interval, the standard deviation
        of a single observation and of the prediction itself, the workload, the quality on architectures kept out of the
        fit, and warnings where the data support the metric badly. Raises `InvalidArchitectureError`, `UsageError`.
        """
        if own := calibrated_metric(str(metric)):
            return own.query(self._batch([arch]), self.name)
        column = column_of(metric)
        batch = self._batch([arch])
        unit, device = unit_of(column), device_of(column)
        if column in CLOSED:
            details = workload(self.scale, column)
            return Measurement.of(self._closed(batch, column)[0], unit, details=details)
        predictor = self.predictor(metric)
        found = predictor.predict(self._codes(batch))
        low, high = found.interval(LEVEL)
        facts = predictor.facts
        quality = facts.get("held_out", {})
        details = {
            **workload(self.scale, column),
            "interval_90": [_short(low[0]), _short(high[0])],
            "std_observation": _short(found.std("observation")[0]),
            "std_prediction": _short(found.std("none")[0]),
            "rows": facts["rows"],
            "observations": facts["observations"],
            "kendall": quality.get("kendall"),
            "kendall_corrected": quality.get("kendall_corrected"),
            "warnings": list(facts.get("warnings", ())),
        }
        return Measurement.of(
            _short(found.mean[0]),
            unit,
            spread=_short(found.std()[0]),
            method="additive model of published measurements",
            device=device,
            predicted=True,
            details=details,
        )

    def query_many(
        self,
        archs: Sequence[Architecture] | pa.Table,
        metrics: Sequence[str | Objective] | str = "all",
    ) -> PredictedTable:
        """Means and standard deviations of N architectures (a sequence, a batch, or an Arrow table as published).

        `metrics` are names, one comma-separated text, or ``all``. Vectorised: millions of numbers a second.
        """
        batch, wanted = self._batch(archs), self.wanted(metrics)
        means: dict[str, list[np.ndarray]] = {metric: [] for metric in wanted}
        own = {metric: mine for metric in wanted if (mine := calibrated_metric(metric))}
        stds: dict[str, list[np.ndarray]] = {metric: [] for metric in wanted if metric not in CLOSED}
        for start in range(0, len(batch), BLOCK):
            part = batch[start : start + BLOCK]
            codes = self._grid.codes(part, start)
            for metric in wanted:
                if metric in own:
                    means[metric].append(own[metric].model.predict(part))
                    stds[metric].append(own[metric].std(means[metric][-1]))
                elif metric in stds:
                    found = self.predictor(metric).predict(codes)
                    means[metric].append(found.mean)
                    stds[metric].append(found.std())
                else:
                    means[metric].append(self._closed(part, column_of(metric)))
        return PredictedTable(
            {metric: np.concatenate(parts) for metric, parts in means.items()},
            {metric: np.concatenate(parts) for metric, parts in stds.items()},
        )

    def predict(self, archs: Sequence[Architecture] | pa.Table, metric: str | Objective) -> Prediction:
        """The whole distribution of a predicted metric for N architectures: quantiles, intervals, draws."""
        return self.predictor(metric).predict(self._codes(self._batch(archs)))

    def draw(self, arch: Architecture, metric: str | Objective, seed: int) -> Measurement:
        """One observation as a profiling job might report it, a pure function of architecture, metric and seed."""
        value = float(self.draws([arch], metric, seed)[0])
        own = calibrated_metric(str(metric))
        column = str(metric).replace("@", ".")
        details = {**(own.facts() if own else workload(self.scale, column)), "seed": seed}
        exact = column in CLOSED
        return Measurement.of(
            int(value) if exact else value,
            unit_of(column),
            method="closed form" if exact else "draw of one observation",
            device=device_of(column),
            predicted=not exact,
            details=details,
        )

    def draws(self, archs: Sequence[Architecture], metric: str | Objective, seed: int) -> np.ndarray:
        """One observation of each of N architectures, (N,), 9 digits; a draw does not depend on the other rows."""
        own = calibrated_metric(str(metric))
        column = str(metric).replace("@", ".") if own else column_of(metric)
        batch = self._batch(archs)
        if column in CLOSED:
            return self._closed(batch, column).astype(float)
        levels = np.array([generator(seed, "draw", self.name, column, arch.id).random() for arch in batch])
        if own:
            found = own.draws(own.model.predict(batch), levels)
        else:
            found = self.predictor(metric).predict(self._codes(batch)).at_levels(levels, "observation")
        return np.array([float(f"{value:.9g}") for value in found.tolist()])

    def measured(self, arch: Architecture, metric: str | Objective) -> Measurement:
        """The published measurement, from the user's imported copy (`tradewind bench import`); see `MeasuredTable`."""
        return self._table.measured(arch, str(metric))

    def predictor(self, metric: str | Objective) -> LayerPredictor:
        """What predicts a published metric, with its facts; raises `UsageError` for the closed forms."""
        column = column_of(metric)
        if column in CLOSED:
            raise UsageError(f"{column} is an exact closed form; it has no predictor")
        return _load(self.folder / self.name / f"{column}.json")

    def additive(self, objective: str | Objective) -> Layerwise:
        """A metric taken apart into terms of the layers, for an exact search."""
        if own := calibrated_metric(str(objective)):
            return own.model.layerwise()
        column = column_of(objective)
        if column in CLOSED:
            return OfTotals(lambda archs: self._closed(archs, column))
        return self.predictor(objective).model.layerwise(str(objective))

    def bounds(self, objectives: Sequence[str | Objective] | str) -> dict[str, tuple[float, float]]:
        """Smallest and largest predicted mean over the whole space, exact: the fixed bounds of normalisation."""
        found = {}
        for metric in self.wanted(objectives):
            # Closed forms and prices that are not negative never fall when a network grows.
            if metric in CLOSED or calibrated_metric(metric):
                ends = self.query_many(self._corners(), [metric]).mean[metric]
                found[metric] = float(ends.min()), float(ends.max())
            else:
                found[metric] = self.predictor(metric).model.bounds()
        return found

    def evaluator(
        self, objectives: Sequence[str | Objective] | str, draws: bool = False, seed: int = 0
    ) -> BenchmarkEvaluator:
        """The benchmark as an evaluator of a search: predicted means, or with `draws` single noisy observations."""
        return BenchmarkEvaluator(self, parse_objectives(objectives), draws, seed)

    def describe(self) -> dict[str, Any]:
        """Plain facts: space, networks, and for each metric its unit, workload, quality, bounds and warnings."""
        rows = []
        for metric in KNOWN:
            column = column_of(metric)
            low, high = self.bounds([metric])[metric]
            row = {"metric": metric, "unit": unit_of(column), **workload(self.scale, column), "min": low, "max": high}
            if column in PREDICTED:
                facts = self.predictor(metric).facts
                row |= {name: facts.get(name) for name in ("rows", "observations", "noise", "held_out", "warnings")}
            rows.append(row)
        return {
            "name": self.name,
            "space": spaces.describe(self.space),
            "source": "Sukthanker et al. 2024, arXiv 2405.10299, released measurements (Apache-2.0)",
            "networks": "hardware: profiled (gated MLP, untied head); perplexity and accuracy: intended (plain MLP, "
            "tied head); a query ignores the field `network`",
            "devices": list(DEVICES),
            "metrics": rows,
        }

    def _batch(self, archs: Sequence[Architecture] | pa.Table) -> ArchitectureBatch:
        """The architectures as profiled networks of the space's constants; raises `InvalidArchitectureError`."""
        if hasattr(archs, "column_names"):
            batch = ArchitectureBatch.from_arrow(archs, HWGPT.family, **self.space.constants)
        else:
            if not isinstance(archs, ArchitectureBatch) and len(archs) == 1:
                one = archs[0]
                foreign = isinstance(one, HWGPT) and one.network != "profiled"
                self.space.validate(one.replace(network="profiled") if foreign else one)
            batch = ArchitectureBatch.of(archs)
        if batch.family != HWGPT.family:
            raise InvalidArchitectureError(f"{self.name} knows the family {HWGPT.family}; got {batch.family}")
        for name in ("vocab_size", "context"):
            if np.any(batch.columns[name] != self.space.constants[name]):
                raise InvalidArchitectureError(f"{name} of {self.name} is {self.space.constants[name]}")
        if np.all(batch.columns["network"] == "profiled"):
            return batch
        network = np.full(len(batch), "profiled")
        return dataclasses.replace(batch, columns={**batch.columns, "network": network})

    def _codes(self, batch: ArchitectureBatch) -> Codes:
        return self._grid.codes(batch)

    @cached_property
    def _grid(self) -> LayerGrid:
        return LayerGrid.of_space(self.space)

    @cached_property
    def _table(self) -> MeasuredTable:
        from tradewind.benchmarks.measured import MeasuredTable

        return MeasuredTable.load(self.scale, self.data)

    def _closed(self, batch: ArchitectureBatch, column: str) -> np.ndarray:
        return np.asarray(self._flops(batch) if column == "flops" else costs.evaluate(column, batch))

    def _flops(self, batch: ArchitectureBatch) -> Any:
        return profiler_flops(batch, PROFILED_BATCH[self.scale])

    def _corners(self) -> list[Architecture]:
        """The smallest and the largest member."""
        return [
            next(iter(self.space.narrow(**{d.name: d.choices[end] for d in self.space.dimensions}).enumerate()))
            for end in (0, -1)
        ]


@lru_cache(maxsize=128)
def _load(path: Path) -> LayerPredictor:
    if not path.is_file():
        raise UsageError(
            f"there is no predictor {path.name} in {path.parent}; `tradewind bench fit DIR --out {path.parents[1]}` "
            "fits it from the published measurements"
        )
    return LayerPredictor.load(path)


def _short(value: Any) -> float:
    """Six significant digits: more than any of these numbers deserves."""
    return float(f"{float(value):.6g}")

"""MeasuredTable: published measurements of HW-GPT architectures, answered as Measurements with their observations.

Source: Sukthanker et al. 2024, arXiv 2405.10299, in the canonical table of `schema.py`. Hardware figures belong to the
`profiled` network, perplexity and accuracy to the `intended` one (the release measured two networks under one name); an
architecture of either network finds its row.
"""

from __future__ import annotations

import dataclasses
import os
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tradewind.benchmarks.data import published_file
from tradewind.benchmarks.schema import COUNTS, GPUS, MEASURED, checked, measured_columns
from tradewind.core import HWGPT, Architecture, ArchitectureBatch, Measurement, Objective, UsageError, unknown
from tradewind.core.files import read_parquet
from tradewind.costs.hwgpt import PROFILED_BATCH, PROFILED_LENGTH

if TYPE_CHECKING:
    import pyarrow as pa

_INHERITED = ("perplexity", "accuracy")
_GPU_ENERGY_BATCH = 8
"""Batch at which energy was measured on GPUs at every scale, unlike latency."""


@dataclasses.dataclass(frozen=True, eq=False)
class MeasuredTable:
    """Measured architectures of one scale; `rows` is the canonical Arrow table."""

    scale: str
    rows: pa.Table

    @classmethod
    def load(cls, scale: str, data: str | os.PathLike[str] | None = None) -> MeasuredTable:
        """The table of a scale (s, m, l) in the folder `data`, by default the one `tradewind bench import` writes to.

        Raises `UsageError` where there is none, `FileFormatError` for one that is damaged or of another scale.
        """
        path = published_file(f"hwgpt_{scale}.parquet", data)
        rows, found, _ = checked(read_parquet(path), str(path))
        if found != scale:
            raise UsageError(f"{path} holds scale {found}, not {scale}")
        return cls(scale, rows)

    @cached_property
    def architectures(self) -> ArchitectureBatch:
        """The measured architectures in the table's order, as `profiled` networks."""
        return ArchitectureBatch.from_arrow(self.rows, "hwgpt")

    @property
    def metrics(self) -> tuple[str, ...]:
        """What was measured, by objective name: ``perplexity``, ``latency_ms@a100``, ..."""
        return tuple(name.replace(".", "@") for name in measured_columns(self.rows))

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def __contains__(self, arch: object) -> bool:
        return isinstance(arch, HWGPT) and _key(arch) in self._index

    def measured(self, arch: Architecture, metric: str) -> Measurement:
        """The published measurement of an architecture: the median of its observations, spread their IQR.

        A metric that was not published for this architecture is a failed Measurement. Raises `UsageError` for an
        unknown metric or an architecture that was never measured.
        """
        column, objective = self._column(metric), Objective.parse(metric)
        network = "intended" if column in _INHERITED else "profiled"
        details: dict[str, object] = {"scale": self.scale, "network": network}
        if column in _INHERITED:
            details["weights"] = "inherited from the supernet"
        elif objective.quantity == "latency_ms":
            details |= {"batch": PROFILED_BATCH[self.scale], "seq_len": PROFILED_LENGTH}
        elif objective.quantity == "energy_wh":
            batch = _GPU_ENERGY_BATCH if objective.device in GPUS else PROFILED_BATCH[self.scale]
            details |= {"batch": batch, "seq_len": PROFILED_LENGTH}
            if objective.device not in GPUS:
                details["statistic"] = "mean of repetitions, as published"
        facts = {"method": "published measurement", "device": objective.device, "details": details}
        values = self.observations(arch, metric)
        if not values.size:
            reason = f"unsupported: {metric} was not published for this architecture"
            return Measurement.failed(reason, objective.unit, **facts)
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        value = int(middle) if column in COUNTS else float(middle)
        spread = float(high - low) if values.size > 1 else None
        return Measurement.of(value, objective.unit, spread=spread, n=int(values.size), **facts)

    def observations(self, arch: Architecture, metric: str) -> np.ndarray:
        """Every published observation, float64 of shape (n,), empty where there is none; errors as in `measured`."""
        cell = self.rows.column(self._column(metric))[self._row(arch)].as_py()
        return np.atleast_1d(np.array([] if cell is None else cell, dtype=np.float64))

    def values(self, metric: str) -> np.ndarray:
        """Medians of every row, float64 of shape (N,), NaN where nothing was published."""
        import pyarrow as pa

        column = self.rows.column(self._column(metric)).combine_chunks()
        if not pa.types.is_list(column.type):
            return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False))
        lengths = column.value_lengths().fill_null(0).to_numpy()
        flat = column.flatten().to_numpy().astype(np.float64)
        medians = np.full(len(column), np.nan)
        starts = np.cumsum(lengths) - lengths
        for length in np.unique(lengths[lengths > 0]):
            same = lengths == length
            medians[same] = np.median(flat[starts[same][:, None] + np.arange(length)], axis=1)
        return medians

    @cached_property
    def _index(self) -> dict[tuple[object, ...], int]:
        batch, depth = self.architectures, self.architectures.n_layer
        live = [[tuple(row[:n]) for row, n in zip(batch.columns[c].tolist(), depth, strict=True)] for c in _LAYERED]
        keys = zip(batch.d_model.tolist(), batch.bias.tolist(), *live, strict=True)
        return {key: row for row, key in enumerate(keys)}

    def _row(self, arch: Architecture) -> int:
        if not isinstance(arch, HWGPT):
            raise UsageError(f"HW-GPT-Bench measured architectures of the family hwgpt; got {arch.family}")
        try:
            return self._index[_key(arch)]
        except KeyError:
            raise UsageError(
                f"the architecture {arch.id} is not among the {len(self):,} that were measured at scale {self.scale}; "
                "ask the benchmark's predictors instead (query)"
            ) from None

    def _column(self, metric: str) -> str:
        column = Objective.parse(metric).name.replace("@", ".")
        if column not in MEASURED or column not in self.rows.column_names:
            raise unknown("published metric", metric, self.metrics)
        return column


_LAYERED = ("n_head", "mlp_ratio")


def _key(arch: HWGPT) -> tuple[object, ...]:
    return (arch.d_model, arch.bias, arch.n_head, arch.mlp_ratio)

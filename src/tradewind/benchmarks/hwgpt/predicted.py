"""PredictedTable: the answer to a query for many architectures, a column a metric."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tradewind.core.counting import count

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 6
"""Metrics that are named where a table is printed."""


@dataclasses.dataclass(frozen=True, eq=False)
class PredictedTable:
    """`mean` and, for predicted metrics, `std` by metric, each of shape (N,), in the metrics' units.

    >>> table = PredictedTable({"latency_ms@a100": np.array([12.0])}, {"latency_ms@a100": np.array([0.1])})
    >>> table
    PredictedTable(1 architecture: latency_ms@a100; see .to_arrow())
    >>> table.to_arrow().column_names
    ['latency_ms.a100', 'latency_ms.a100.std']
    """

    mean: Mapping[str, np.ndarray]
    std: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.mean.values())))

    def __repr__(self) -> str:
        names = list(self.mean)
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return f"PredictedTable({count(len(self), 'architecture')}: {', '.join(names[:SHOWN])}{more}; see .to_arrow())"

    def __getitem__(self, metric: str) -> np.ndarray:
        """The means of a metric, (N,)."""
        return self.mean[metric]

    def to_arrow(self) -> pa.Table:
        """One column a metric, named as in the published tables (``latency_ms.a100``), and beside it its ``.std``."""
        import pyarrow as pa

        columns = {}
        for metric, values in self.mean.items():
            name = metric.replace("@", ".")
            columns[name] = values
            if metric in self.std:
                columns[f"{name}.std"] = self.std[metric]
        return pa.table(columns)

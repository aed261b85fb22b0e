"""One measured column as arrays: architectures, order of measurement and every observation, for fits and for scores.

Symbols: N architectures with a value, R observations of the one that has most.
"""

from __future__ import annotations

import dataclasses
import hashlib
from functools import cached_property

import numpy as np

from tradewind.benchmarks.measured import MeasuredTable
from tradewind.benchmarks.schema import INDEX
from tradewind.core.seeds import generator
from tradewind.predictors.layer_grid import Codes, LayerGrid

SHARE = 0.2
"""Share of the architectures that is kept out of fits and scored."""

FOLDS = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Observed:
    """`codes` of N architectures, `order` (N,) of their measurement and `observations` (N, R), NaN for none."""

    scale: str
    column: str
    codes: Codes
    order: np.ndarray
    observations: np.ndarray

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, rows: np.ndarray) -> Observed:
        """Some of the rows (a mask or indices)."""
        return dataclasses.replace(
            self, codes=self.codes[rows], order=self.order[rows], observations=self.observations[rows]
        )

    @cached_property
    def medians(self) -> np.ndarray:
        """The median observation of each architecture, (N,)."""
        return np.asarray(np.nanmedian(self.observations, axis=1))

    @property
    def held_out(self) -> np.ndarray:
        """Which rows are kept out of fits, (N,): about a fifth, at random, a pure function of scale and order."""
        return _uniform(self.scale, "held out", self.order) < SHARE

    @property
    def folds(self) -> np.ndarray:
        """The fold of each row in cross-validation, (N,), a pure function of scale and order."""
        return (_uniform(self.scale, "folds", self.order) * FOLDS).astype(np.int64)

    def sha256(self) -> str:
        """Hash of the architectures and their numbers, whatever file they came from."""
        digest = hashlib.sha256()
        for array in (
            self.order,
            self.codes.archs.d_model,
            self.codes.archs.bias,
            *(self.codes.archs.columns[name] for name, _ in self.codes.grid.layered),
        ):
            digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
        digest.update(np.ascontiguousarray(self.observations, dtype="<f4").tobytes())
        return digest.hexdigest()


def observed(table: MeasuredTable, grid: LayerGrid, columns: tuple[str, ...]) -> dict[str, Observed]:
    """The columns of a table, each with the rows that have a value; columns without any are left out."""
    codes = grid.codes(table.architectures)
    order = table.rows.column(INDEX).to_numpy().astype(np.int64)
    found = {}
    for column in columns:
        if column in table.rows.column_names:
            values = _matrix(table, column)
            rows = np.flatnonzero(~np.isnan(values).all(axis=1))
            if len(rows):
                found[column] = Observed(table.scale, column, codes[rows], order[rows], values[rows])
    return found


def _matrix(table: MeasuredTable, column: str) -> np.ndarray:
    """Observations (N, R), NaN where there are fewer."""
    import pyarrow as pa

    cells = table.rows.column(column).combine_chunks()
    if not pa.types.is_list(cells.type):
        return np.asarray(cells.cast(pa.float64()).to_numpy(zero_copy_only=False))[:, None]
    lengths = cells.value_lengths().fill_null(0).to_numpy()
    matrix = np.full((len(cells), max(1, int(lengths.max()))), np.nan)
    matrix[np.arange(matrix.shape[1]) < lengths[:, None]] = cells.flatten().to_numpy()
    return matrix


def _uniform(scale: str, purpose: str, order: np.ndarray) -> np.ndarray:
    """A number in [0, 1) for each place in the order; the same whatever other rows there are."""
    return generator(0, "hwgpt", scale, purpose).random(int(order.max()) + 1)[order]

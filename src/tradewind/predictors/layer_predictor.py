"""LayerPredictor: a layer model with its uncertainty and its record, one small file at rest.

The doubt about a prediction has two parts, both growing away from the data: the covariance of the coefficients, and a
curvature that the additive model leaves out or is unsure of, in squares of the distance from a width's mean:

    doubt² = x'Σx / mean² + (curvature · u²)²,   u = (log mean - centre) / spread

The errors of unseen rows, which make the intervals, contain the `usual` doubt of a measured architecture already; only
what exceeds it widens an interval.

Symbols: N architectures, G groups (widths), F features.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tradewind.core import FileFormatError
from tradewind.core.files import canonical_json, content_hash, read_json, write_text
from tradewind.predictors.distribution import ErrorTable, Prediction
from tradewind.predictors.layer_fit import LayerFit
from tradewind.predictors.layer_grid import Codes
from tradewind.predictors.layer_model import LayerModel, significant

SCHEMA = 1

_PER_GROUP = ("curvature", "centre", "spread", "usual")


@dataclasses.dataclass(frozen=True, eq=False)
class Doubt:
    """`factor` (G, F, F) lower triangular with Σ = factor · factorᵀ; the others (G,), as above."""

    factor: np.ndarray
    curvature: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    usual: np.ndarray

    @classmethod
    def of_fit(cls, codes: Codes, values: np.ndarray, fit: LayerFit) -> Doubt:
        """From a fit and the values (N,) it was made to."""
        mean = fit.model.value(codes)
        logs = np.log(mean)
        error = np.log(values) - fit.drift - np.log(fit.unseen)
        centre, spread, curvature, usual = np.zeros((4, len(codes.grid.groups)))
        for g in range(len(centre)):
            mine = codes.group == g
            centre[g], spread[g] = logs[mine].mean(), logs[mine].std()
            u = (logs[mine] - centre[g]) / spread[g]
            limit = 3 * 1.4826 * np.median(np.abs(error[mine]))
            left = np.clip(error[mine], -limit, limit)
            x = np.column_stack([u**2, u, np.ones(len(u))])
            slope = np.linalg.lstsq(x, left, rcond=None)[0]
            variance = np.linalg.inv(x.T @ x)[0, 0] * np.var(left - x @ slope)
            curvature[g] = np.sqrt(slope[0] ** 2 + variance)
        found = cls(np.linalg.cholesky(fit.covariance), curvature, centre, spread, usual)
        doubt = found.of(codes, mean, fit.model.link)
        return dataclasses.replace(
            found, usual=np.array([np.median(doubt[codes.group == g]) for g in range(len(usual))])
        )

    def of(self, codes: Codes, mean: np.ndarray, link: str) -> np.ndarray:
        """Relative standard deviation of the predictions `mean` (N,) by a model with that link, (N,)."""
        rows = codes.sorted
        linear = np.empty(len(codes))
        for group, _, part in rows.cells:
            lengths = rows.features[part] @ self.factor[group]
            linear[part] = np.einsum("nf,nf->n", lengths, lengths)
        variance = rows.restored(linear)
        if link == "identity":
            variance = variance / mean**2
        u = (np.log(mean) - self.centre[codes.group]) / self.spread[codes.group]
        return np.sqrt(variance + (self.curvature[codes.group] * u**2) ** 2)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the inverse of `from_dict`."""
        rows, columns = np.tril_indices(self.factor.shape[1])
        return {
            "factor": significant(self.factor[:, rows, columns], 3),
            "curvature": significant(self.curvature, 4),
            "centre": significant(self.centre, 7),
            "spread": significant(self.spread, 5),
            "usual": significant(self.usual, 4),
        }

    @staticmethod
    def from_dict(data: Any, n_group: int) -> Doubt:
        """The doubt of a dictionary written by `to_dict`; raises `FileFormatError`."""
        try:
            packed = np.array(data["factor"], dtype=float).reshape(n_group, -1)
            size = int((np.sqrt(8 * packed.shape[1] + 1) - 1) / 2)
            factor = np.zeros((n_group, size, size))
            rows, columns = np.tril_indices(size)
            factor[:, rows, columns] = packed
            rest = [np.array(data[n], dtype=float).reshape(n_group) for n in _PER_GROUP]
            return Doubt(factor, *rest)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FileFormatError(f"not the doubt of a predictor: {error}") from error


@dataclasses.dataclass(frozen=True, eq=False)
class LayerPredictor:
    """What predicts one quantity: `target` is the column of the measurements, `facts` its training and its quality."""

    target: str
    unit: str
    model: LayerModel
    doubt: Doubt
    noise: Mapping[str, ErrorTable]
    facts: Mapping[str, Any]

    @classmethod
    def of_fit(
        cls, target: str, unit: str, codes: Codes, observations: np.ndarray, fit: LayerFit, facts: Mapping[str, Any]
    ) -> LayerPredictor:
        """From a fit to the medians of `observations` (N, R), NaN for none."""
        medians = np.nanmedian(observations, axis=1)
        n_group = len(codes.grid.groups)
        error = np.log(observations / fit.unseen[:, None])
        noise = {
            "median": ErrorTable.of_errors(np.log(medians / fit.unseen)[:, None], codes.group, n_group),
            "observation": ErrorTable.of_errors(error, codes.group, n_group),
        }
        return cls(target, unit, fit.model, Doubt.of_fit(codes, medians, fit), noise, facts)

    def predict(self, codes: Codes) -> Prediction:
        """Distributions for N architectures."""
        mean = self.model.value(codes)
        doubt = self.doubt.of(codes, mean, self.model.link)
        excess = np.sqrt(np.maximum(doubt**2 - self.doubt.usual[codes.group] ** 2, 0.0))
        return Prediction(mean, doubt, excess, codes.group, self.noise)

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a content hash, the inverse of `from_dict`."""
        data: dict[str, Any] = {
            "schema": SCHEMA,
            "target": self.target,
            "unit": self.unit,
            "model": self.model.to_dict(),
            "doubt": self.doubt.to_dict(),
            "noise": {kind: table.to_plain() for kind, table in self.noise.items()},
            "facts": dict(self.facts),
        }
        return data | {"sha256": content_hash(data)}

    @staticmethod
    def from_dict(data: Any) -> LayerPredictor:
        """The predictor of a dictionary written by `to_dict`; raises `FileFormatError` for a wrong schema or hash."""
        try:
            content = {key: value for key, value in data.items() if key != "sha256"}
            if content["schema"] != SCHEMA:
                raise FileFormatError(f"schema {content['schema']} is not read here; this version reads {SCHEMA}")
            if content_hash(content) != data.get("sha256"):
                raise FileFormatError("the content does not match its hash; the file was changed or damaged")
            model = LayerModel.from_dict(content["model"])
            n_group = len(model.grid.groups)
            return LayerPredictor(
                target=str(content["target"]),
                unit=str(content["unit"]),
                model=model,
                doubt=Doubt.from_dict(content["doubt"], n_group),
                noise={
                    kind: ErrorTable.of_plain(content["noise"][kind], n_group) for kind in ("median", "observation")
                },
                facts=dict(content["facts"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, FileFormatError):
                raise
            raise FileFormatError(f"not a predictor: {error!r}") from error

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one line of canonical JSON atomically."""
        return write_text(path, canonical_json(self.to_dict()) + "\n")

    @staticmethod
    def load(path: str | os.PathLike[str]) -> LayerPredictor:
        """Read a file written by `save`; raises `FileFormatError` with the path."""
        try:
            return LayerPredictor.from_dict(read_json(path))
        except FileFormatError as error:
            raise FileFormatError(f"{path}: {error}") from error

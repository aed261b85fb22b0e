"""One finished run at rest: what was proposed, what the algorithm was told, what it truly is worth, and what it cost.

Symbols: N evaluations, M objectives.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np

from tradewind import __version__
from tradewind.core import FileFormatError, StudyError
from tradewind.core.files import canonical_json, content_hash, parse_json, read_parquet, write_parquet
from tradewind.studies.compare.contest import Task

SCHEMA = 1


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """`ids` of N candidates in order, `told` and `means` (N, M) in units, and seconds spent in ask and in tell."""

    task: Task
    ids: list[str]
    told: np.ndarray
    means: np.ndarray
    ask_seconds: float
    tell_seconds: float

    def __len__(self) -> int:
        return len(self.ids)


def path_of(task: Task, folder: Path) -> Path:
    """Where the run of a task is kept."""
    name = f"{_slug(task.contestant.name)}-{task.sees}-{task.repeat:03d}.parquet"
    return folder / "runs" / _slug(task.case.name) / name


def identity(task: Task) -> dict[str, Any]:
    """All that a run depends on; runs with equal identities are the same run."""
    case, contestant = task.case, task.contestant
    settings = dataclasses.asdict(contestant.create(case.problem(0)).settings)
    return {
        "schema": SCHEMA,
        "tradewind": __version__,
        "case": case.name,
        "algorithm": contestant.algorithm,
        "settings": settings,
        "sees": task.sees,
        "repeat": task.repeat,
        "evaluations": task.evaluations,
        "seed": task.seed,
        "data_sha256": case.bench.evaluator(case.objective_names).describe()["data_sha256"],
    }


def is_done(task: Task, folder: Path) -> bool:
    """Whether the run is in the folder; raises `StudyError` where another one stands in its place."""
    path = path_of(task, folder)
    if not path.is_file():
        return False
    _check_same(path, _facts(path)["identity"], identity(task))
    return True


def write_run(run: Run, folder: Path) -> Path:
    """Write a run atomically."""
    import pyarrow as pa

    names = run.task.case.objective_names
    columns: dict[str, Any] = {"id": run.ids}
    columns |= {f"told.{name}": run.told[:, i] for i, name in enumerate(names)}
    columns |= {f"mean.{name}": run.means[:, i] for i, name in enumerate(names)}
    facts = {
        "identity": identity(run.task),
        "ask_seconds": round(run.ask_seconds, 6),
        "tell_seconds": round(run.tell_seconds, 6),
    }
    table = pa.table(columns).replace_schema_metadata({"run": canonical_json(facts)})
    return write_parquet(path_of(run.task, folder), table)


def read_run(task: Task, folder: Path) -> Run:
    """The run of a task; raises `FileFormatError` for a missing or damaged file, `StudyError` for another run."""
    path = path_of(task, folder)
    facts = _facts(path)
    _check_same(path, facts["identity"], identity(task))
    table = read_parquet(path)
    names = task.case.objective_names
    try:
        told = np.column_stack([table.column(f"told.{name}").to_numpy() for name in names])
        means = np.column_stack([table.column(f"mean.{name}").to_numpy() for name in names])
        return Run(task, table.column("id").to_pylist(), told, means, facts["ask_seconds"], facts["tell_seconds"])
    except KeyError as error:
        raise FileFormatError(f"{path} lacks the column {error}; delete it and run the same command again") from error


def _facts(path: Path) -> dict[str, Any]:
    metadata = read_parquet(path).schema.metadata or {}
    if b"run" not in metadata:
        raise FileFormatError(f"{path} is no run of a comparison; delete it and run the same command again")
    found: dict[str, Any] = parse_json(metadata[b"run"], str(path))
    return found


def _check_same(path: Path, stored: dict[str, Any], wanted: dict[str, Any]) -> None:
    if content_hash(stored) != content_hash(wanted):
        name = next(key for key in wanted if stored.get(key) != wanted[key])
        raise StudyError(
            f"{path} is a run of another comparison ({name} was {stored.get(name)!r}, now {wanted[name]!r}): "
            "name another folder with --out, or delete the folder to start again"
        )


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)

"""A frontier as rows, as an Arrow table, as a terminal table and as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind.core.counting import count
from tradewind.core.files import read_json, write_json, write_parquet
from tradewind.pareto.wording import cell, evenly, label, shape

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.table import Table

    from tradewind.pareto.frontier import Frontier

SCHEMA = "tradewind.frontier/1"
INDEX = "frontier.json"


def rows(front: Frontier) -> list[dict[str, Any]]:
    """One dictionary an evaluation, plain JSON values."""
    return [
        {
            "rank": rank,
            "id": evaluation.candidate.id,
            "evaluation": evaluation.index,
            "architecture": evaluation.candidate.to_dict(),
            "measurements": {name: m.to_dict() for name, m in evaluation.measurements.items()},
        }
        for rank, evaluation in enumerate(front, start=1)
    ]


def arrow(front: Frontier) -> pa.Table:
    """One row an evaluation: rank, id, evaluation, the architecture's fields, then value and spread a measurement.

    Columns of measurements carry their unit as field metadata; a measurement that failed is null.
    """
    import pyarrow as pa

    names = list(dict.fromkeys(name for e in front for name in e.measurements))
    units = {name: m.unit for e in front for name, m in e.measurements.items()}
    table = pa.Table.from_pylist(
        [
            {"rank": row["rank"], "id": row["id"], "evaluation": row["evaluation"], **row["architecture"]}
            for row in rows(front)
        ]
    )
    for name in names:
        found = [e.measurements.get(name) for e in front]
        for column_name, values in (
            (name, [m.value if m else None for m in found]),
            (f"{name}_spread", [m.spread if m else None for m in found]),
        ):
            column = pa.array([None if v is None else float(v) for v in values], type=pa.float64())
            table = table.append_column(pa.field(column_name, pa.float64(), metadata={"unit": units[name]}), column)
    return table


def table(front: Frontier, limit: int | None = None) -> Table:
    """One row an evaluation, best first; at most `limit` rows, evenly spaced, and the caption then says so."""
    from rich import box
    from rich.table import Table as RichTable

    ranked = list(enumerate(front, start=1))
    shown = ranked if limit is None else evenly(ranked, limit)
    shapes = [shape(evaluation.candidate) for _, evaluation in shown]
    parts = list(dict.fromkeys(name for facts in shapes for name in facts))
    devices = {objective.device for objective in front.objectives if objective.device}
    place = f" on {next(iter(devices))}" if len(devices) == 1 else ""
    kind = "architecture" if parts or not shown else "program"
    title = f"{count(len(front), f'non-dominated {kind}')}{place}"
    result = RichTable(
        box=box.SIMPLE_HEAD, title=title, title_justify="left", caption_justify="left", padding=0, show_edge=False
    )
    result.add_column("#", justify="right")
    result.add_column("id", min_width=8)
    for name in parts:
        _add_column(result, name, [facts.get(name, "") for facts in shapes])
    for objective in front.objectives:
        sign = "↓" if objective.minimise else "↑"
        values = [cell(evaluation.measurements[objective.name]) for _, evaluation in shown]
        _add_column(result, f"{label(objective, place=not place)} {sign}", values)
    for (rank, evaluation), facts in zip(shown, shapes, strict=True):
        cells = [cell(evaluation.measurements[o.name]) for o in front.objectives]
        result.add_row(str(rank), evaluation.candidate.id[:8], *(facts.get(name, "") for name in parts), *cells)
    if len(shown) < len(front):
        result.caption = f"{len(shown)} of {len(front)} shown"
    return result


def _add_column(table: Table, title: str, values: Sequence[str]) -> None:
    """A column as wide as its values; the title breaks between words, so that the table fits 80 characters."""
    width = max(map(len, [*title.split(), *values]))
    table.add_column(title, justify="right", width=width)


def write(front: Frontier, folder: Path) -> list[Path]:
    """The files of `Frontier.export`; the paths, architectures first. Those of an earlier export there are replaced."""
    width = len(str(len(front)))
    for row in read_json(folder / INDEX)["frontier"] if (folder / INDEX).is_file() else ():
        for old in folder.glob(f"*-{row['id']}.json"):
            old.unlink()
    paths = [
        write_json(folder / f"{rank:0{width}d}-{evaluation.candidate.id}.json", evaluation.candidate.to_dict())
        for rank, evaluation in enumerate(front, start=1)
    ]
    objectives = [{"name": o.name, "unit": o.unit, "minimise": o.minimise} for o in front.objectives]
    content = {"schema": SCHEMA, "objectives": objectives, "frontier": rows(front)}
    paths.append(write_json(folder / INDEX, content))
    paths.append(write_parquet(folder / "frontier.parquet", arrow(front)))
    return paths

"""`tradewind costs`: closed-form costs of one architecture or of a whole table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradewind.cli.common import (
    ConstantOption,
    JsonOption,
    SpaceOption,
    check_ending,
    get_space_of_file,
    note,
    print_json,
    print_rows,
    read_architecture,
    workload_options,
)
from tradewind.cli.tables import read_architectures
from tradewind.core import QUANTITIES, UsageError, Workload
from tradewind.core.counting import count
from tradewind.core.workload import MOST

if TYPE_CHECKING:
    from tradewind.spaces import ArchitectureSpace


@workload_options
def costs(
    *,
    space: SpaceOption = "gpt2",
    arch: Annotated[Path | None, typer.Option("--arch", help="JSON file of one architecture.")] = None,
    archs: Annotated[Path | None, typer.Option("--archs", help="Parquet table, one architecture a row.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Parquet file to write, one column a cost.")] = None,
    sets: ConstantOption = None,
    as_json: JsonOption = False,
    workload: Workload,
) -> None:
    """Count parameters, operations, key-value cache and activations without building a model.

    Example: tradewind costs --space gpt2 --arch a.json --length 1024

    Example: tradewind costs --space gpt2 --archs archs.parquet --out costs.parquet
    """
    from tradewind import costs as closed_forms

    if (arch is None) == (archs is None):
        raise UsageError("give either --arch FILE.json for one architecture or --archs FILE.parquet for a table")
    if archs is not None and out is None:
        raise UsageError("--archs needs --out FILE.parquet, where the costs of the table are written")
    if arch is not None and out is not None:
        raise UsageError("--out belongs to --archs; the costs of one architecture are printed (--json for machines)")
    if out is not None:
        check_ending(out, ".parquet")
    place = get_space_of_file(space, sets)
    if arch is not None:
        one = read_architecture(arch, place)
        values = {q: closed_forms.evaluate(q, one, workload) for q in closed_forms.quantities()}
        parts = closed_forms.components(one)
        for remark in _too_long(one.family, one.context, workload):
            note(remark)
        if as_json:
            units = {q: QUANTITIES[q].unit for q in values}
            print_json(
                {
                    "id": one.id,
                    "architecture": one.to_dict(),
                    "workload": workload.to_dict(),
                    "costs": values,
                    "units": units,
                    "components": parts,
                }
            )
            return
        rows = [{"cost": q, "value": v, "unit": QUANTITIES[q].unit} for q, v in values.items()]
        print_rows(rows, f"{one.family} {one.id}: {one.n_layer} layers, d_model {one.d_model}")
        print_rows([{"component": name, "parameters": count} for name, count in parts.items()])
        return
    assert archs is not None
    assert out is not None
    _write_table(archs, out, place, workload, as_json)


def _too_long(family: str, context: int, workload: Workload) -> list[str]:
    """What to say of costs that no measurement can confirm, because the forward exceeds the learned positions."""
    from tradewind.evaluators.device import beyond_positions

    problem = beyond_positions(family, context, workload, ["latency_ms"])
    return [f"counted, but not to be measured: {problem}"] if problem else []


def _write_table(archs: Path, out: Path, place: ArchitectureSpace, workload: Workload, as_json: bool) -> None:
    import pyarrow as pa

    from tradewind import costs as closed_forms
    from tradewind.core.files import write_parquet

    read = read_architectures(archs, place)
    many = read.architectures
    columns = {q: closed_forms.evaluate(q, many, workload) for q in closed_forms.quantities()}
    write_parquet(out, pa.table({"id": [one.id for one in many], **columns}))
    shortest = int(many.columns["context"].min()) if len(many) else MOST
    notes = [*read.notes, *_too_long(place.family, shortest, workload)]
    for remark in [*notes, *([f"columns not read: {', '.join(read.unread)}"] if read.unread else [])]:
        note(remark)
    if as_json:
        facts = {"rows": len(many), "columns": ["id", *columns], "out": str(out)}
        print_json(facts | {"unread": list(read.unread), "notes": notes})
    else:
        told = f"{count(len(many), 'architecture')}, {len(columns)} costs each, written to {out}"
        note(told)

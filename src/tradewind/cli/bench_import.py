"""`tradewind bench import`: takes in a user's own copy of the published HW-GPT measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tradewind.cli.common import JsonOption, print_json, say
from tradewind.core.counting import count


def import_(
    path: Annotated[Path, typer.Argument(help="The released stats.pkl, or a Parquet table with the same columns.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to (default: TRADEWIND_DATA, or your data folder).")
    ] = None,
    energy_unit: Annotated[
        str, typer.Option("--energy-unit", help="Unit of a pickle's energies: Wh, mWh or kWh.")
    ] = "Wh",
    memory: Annotated[int, typer.Option("--memory", help="MB that reading may take.", min=256)] = 4096,
    as_json: JsonOption = False,
) -> None:
    """Check published measurements and store them as a table that `bench measured` and `bench evaluate` read.

    A pickle is read as plain data: nothing in it is run, and one that holds anything else is refused.

    Example: tradewind bench import stats.pkl --out data
    """
    from tradewind.benchmarks.importer import import_measurements

    done = import_measurements(path, out, energy_unit=energy_unit, memory_mb=memory)
    if as_json:
        print_json(done.to_dict())
        return
    metrics = count(len(done.metrics), "metric")
    say(f"{count(done.architectures, 'architecture')} of scale {done.scale}, {metrics}, in {done.path}")
    for remark in done.notes:
        say(f"note: {remark}")

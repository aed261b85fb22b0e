"""`tradewind report`: show a stored study and write its page, figures and frontier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tradewind.cli.common import JsonOption, note, print_json
from tradewind.core.terminal import console


def report(
    run: Annotated[Path, typer.Argument(help="Folder that `tradewind search --out` made; it may still be running.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the page, figures and architectures (default: RUN/report).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the frontier of a run, and write an HTML page, PNG figures and JSON beside it.

    With --json the report is printed as JSON and files are written only where --out says. The study itself is never
    changed.

    Example: tradewind report runs/a --out /tmp/a
    """
    from tradewind import reports

    data = reports.read(run)
    if as_json:
        print_json(reports.document(data))
        if out is not None:
            reports.write_report(data, out)
        return
    try:  # first, for a reader of the rest may leave before its end, as head does
        paths = reports.write_report(data, out if out is not None else run / "report")
    finally:
        for part in reports.renderables(data):
            console().print(part)
    note(f"\nLook at it: {paths[0]}")
    beside = [path.name for path in paths[1:] if path.parent == paths[0].parent]
    note(f"Beside it: {', '.join(beside)}; the architectures in frontier/")

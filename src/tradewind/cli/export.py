"""`tradewind export`: what was found, in the form that another tool opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tradewind.cli.common import JsonOption, console, print_json

app = typer.Typer(
    help="Write what was found in the form that another tool opens.\n\n"
    "Example: tradewind export optuna runs/a --out a.db",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _export() -> None:
    """Write what was found in the form that another tool opens.

    Example: tradewind export optuna runs/a --out a.db
    """


@app.command("optuna")
def optuna(
    run: Annotated[Path, typer.Argument(help="Folder that `tradewind search --out` made; it may still be running.")],
    out: Annotated[Path, typer.Option("--out", help="SQLite file to write; it must not be there yet.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the Optuna study (default: the folder's).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run as an Optuna study, for optuna-dashboard and everything else that reads Optuna's storage.

    Genes become parameters, objectives values, measured constraints constraints; failures stay failures. The run itself
    is not changed.

    Example: tradewind export optuna runs/a --out a.db && optuna-dashboard sqlite:///a.db
    """
    from tradewind.studies import StoredStudy

    study = StoredStudy.open(run)
    path = study.to_optuna(out, name)
    trials = len(study.evaluations())
    if as_json:
        print_json({"run": str(run), "out": str(path), "trials": trials})
        return
    console(err=True).print(f"{trials} trials are in {path}. Look at them: optuna-dashboard sqlite:///{path}")

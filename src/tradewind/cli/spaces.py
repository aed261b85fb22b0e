"""`tradewind spaces`: list the search spaces, describe one, sample from one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tradewind.cli.common import (
    JsonOption,
    SeedOption,
    SetOption,
    check_ending,
    get_space,
    note,
    print_json,
    print_rows,
    say,
)
from tradewind.core.counting import count

app = typer.Typer(
    help="List, describe and sample search spaces. Example: tradewind spaces sample gpt2 -n 3 --seed 0 --json",
    invoke_without_command=True,
    rich_markup_mode=None,
)
NameArgument = Annotated[str, typer.Argument(help="Name of a space, e.g. gpt2.")]


@app.callback()
def spaces(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the search spaces with their exact sizes.

    Example: tradewind spaces --json
    """
    if context.invoked_subcommand:
        return
    from tradewind import spaces as room

    rows = [room.describe(room.get(name)) for name in room.names()]
    if as_json:
        print_json(rows)
        return
    print_rows([{"space": r["name"], "size": _power(r["size"]), "what": r["summary"]} for r in rows])


@app.command()
def describe(name: NameArgument, sets: SetOption = None, as_json: JsonOption = False) -> None:
    """Show the dimensions, constants and exact size of one space.

    Example: tradewind spaces describe gpt2 --set n_layer=2..6
    """
    from tradewind import spaces as room

    facts = room.describe(get_space(name, sets))
    if as_json:
        print_json(facts)
        return
    say(f"{facts['name']}: {facts['summary']}\n{facts['size']:,} architectures ({_power(facts['size'])})")
    print_rows(
        [
            {"dimension": d["name"], "a layer": "yes" if d["per_layer"] else "no", "choices": _brief(d["choices"])}
            for d in facts["dimensions"]
        ]
    )
    for opened, choices in facts["unopened"].items():
        say(f"{opened} is {choices[0]} in every layer; --set {opened}=... chooses among: {', '.join(choices)}")
    if facts["constants"]:
        print_rows([{"constant": k, "value": str(v)} for k, v in facts["constants"].items()])


@app.command()
def sample(
    name: NameArgument,
    n: Annotated[int, typer.Option("-n", help="How many.", min=1, max=1_000_000)] = 1,
    seed: SeedOption = 0,
    sets: SetOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write instead of printing: .parquet, or .json for --arch.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw architectures: printed (one JSON a line, or a list with --json) or written as a table.

    Example: tradewind spaces sample gpt2 -n 3 --seed 0 --json
    """
    from tradewind.core.files import write_json, write_parquet

    if out is not None:
        check_ending(out, ".parquet", ".json")
    many = get_space(name, sets).sample_many(n, seed)
    if out is not None:
        if out.suffix == ".parquet":
            write_parquet(out, many.to_arrow())
        else:
            rows = [arch.to_dict() for arch in many]
            write_json(out, rows[0] if n == 1 else rows)
        note(f"{count(n, 'architecture')} written to {out}")
    elif as_json:
        print_json([arch.to_dict() | {"id": arch.id} for arch in many])
    else:
        for arch in many:
            typer.echo(arch.to_json())


def _power(size: int) -> str:
    return f"{size:,}" if size < 10**7 else f"{size / 10 ** (len(str(size)) - 1):.2f}e{len(str(size)) - 1}"


def _brief(choices: list[object]) -> str:
    text = [str(c) for c in choices]
    return ", ".join(text) if len(text) <= 6 else f"{text[0]}, {text[1]}, ... {text[-1]} ({len(text)})"

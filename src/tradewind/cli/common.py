"""What several verbs share: option types, reading architectures, printing tables and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.core import Architecture, UsageError, Workload
from tradewind.core.architecture import family
from tradewind.core.files import read_json

if TYPE_CHECKING:
    from rich.console import Console

    from tradewind.spaces import ArchitectureSpace

SpaceOption = Annotated[str, typer.Option("--space", help="Name of a search space; see `tradewind spaces`.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Narrow a dimension: n_layer=2..6, d_model=128,256 or d_inner=128..1024:128. Repeat."),
]
ConstantOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="A constant that the file may leave out: vocab_size=1000 or context=64. Repeat."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]
BatchOption = Annotated[int, typer.Option("--batch", help="Sequences in a forward.")]
LengthOption = Annotated[int, typer.Option("--length", help="Tokens a sequence in a forward.")]
ContextOption = Annotated[int, typer.Option("--context", help="Tokens cached when one is decoded (0: the length).")]
DtypeOption = Annotated[str, typer.Option("--dtype", help="float32, float16 or bfloat16.")]
DeviceOption = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:N or a calibrated device (name or file).")]
ThreadsOption = Annotated[int, typer.Option("--threads", help="Threads of the measured model.", min=1)]
TimeLimitOption = Annotated[float, typer.Option("--time-limit", help="Seconds a candidate may take.")]
MemoryLimitOption = Annotated[float | None, typer.Option("--memory-limit", help="MB a candidate may take.")]
LogitsOption = Annotated[str, typer.Option("--logits", help="Positions the output layer runs for: all or last.")]


def console(err: bool = False) -> Console:
    """A rich console on standard output, or on standard error for progress and notes."""
    from rich.console import Console

    return Console(stderr=err, highlight=False)


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output; NaN is refused."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))


def get_space(name: str, choices: Sequence[str] | None) -> ArchitectureSpace:
    """The named space, narrowed by ``--set`` options."""
    from tradewind import spaces

    space = spaces.get(name)
    return space.narrow(**spaces.parse_choices(choices)) if choices else space


def use_device(text: str) -> str:
    """The name of a device; a calibration file (``devices/laptop.json``) is made known under its own."""
    if not text.endswith(".json"):
        return text
    from tradewind.evaluators import calibrated

    return calibrated.use(text)


def make_workload(batch: int, length: int, context: int, dtype: str, logits: str) -> Workload:
    """The workload of the ``--batch --length --context --dtype --logits`` options."""
    return Workload(batch=batch, seq_len=length, context=context, dtype=dtype, logits=logits)


def get_space_of_file(name: str, choices: Sequence[str] | None) -> ArchitectureSpace:
    """The named space with constants given by ``--set``, for verbs whose architectures come from a file.

    Raises `UsageError` for a dimension, which the file itself gives: narrowing it would have no effect.
    """
    from tradewind import spaces

    space = get_space(name, choices)
    for given in spaces.parse_choices(choices or ()):
        if given not in space.constants:
            raise UsageError(
                f"--set {given} has no effect on an architecture of a file; change it there, or give one value to a "
                f"constant: {', '.join(space.constants)}"
            )
    return space


def read_architecture(path: Path, space: ArchitectureSpace) -> Architecture:
    """The one architecture of a JSON file.

    The file may leave out `family` and whatever the space fixes. Raises `UsageError` for several architectures.
    """
    data = read_json(path)
    if isinstance(data, list):
        if len(data) != 1:
            raise UsageError(f"{path} holds {len(data)} architectures; give a file with one, or a table with --archs")
        data = data[0]
    return Architecture.from_dict(complete(data, path, space) if isinstance(data, dict) else data)


def complete(data: dict[str, Any], path: Path, space: ArchitectureSpace, remedy: str = "") -> dict[str, Any]:
    """What a file says of an architecture and, where it is silent, the family and the constants of the space.

    Raises `UsageError` for an architecture of another family; `remedy` is what to do then, by default another --space.
    """
    from tradewind import spaces

    found = data.get("family", space.family)
    if found != space.family:
        family(found)
        others = [name for name in spaces.names() if spaces.get(name).family == found]
        remedy = remedy or f"give --space {' or '.join(others)}"
        raise UsageError(f"{path} holds a {found} architecture, but {space.name} is of {space.family}; {remedy}")
    return {"family": space.family, **space.constants, **data}


def read_settings(texts: Sequence[str]) -> dict[str, str]:
    """Names and values of ``--setting NAME=VALUE`` options."""
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--setting {text!r} is not NAME=VALUE; write for example --setting population=50")
        settings[name.strip()] = value.strip()
    return settings


def count(number: int, what: str) -> str:
    """A number of things in words, e.g. ``1 architecture`` or ``1,000 architectures``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def print_rows(rows: Sequence[dict[str, Any]], title: str = "") -> None:
    """Print dictionaries with equal keys as a table."""
    from rich.table import Table

    if title:
        console().print(title, style="bold", soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for key, value in rows[0].items():
        table.add_column(key, justify="right" if isinstance(value, (int, float)) else "left")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)

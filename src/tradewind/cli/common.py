"""What several verbs share: option types, reading architectures, printing tables and JSON."""

from __future__ import annotations

import functools
import inspect
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast, get_type_hints

import typer

from tradewind.core import Architecture, Evaluation, UsageError, Workload
from tradewind.core.architecture import family
from tradewind.core.files import read_json
from tradewind.core.terminal import console
from tradewind.core.workload import MOST

if TYPE_CHECKING:
    from tradewind.spaces import ArchitectureSpace

_Command = TypeVar("_Command", bound=Callable[..., Any])

SpaceOption = Annotated[
    str, typer.Option("--space", help="Name of a search space (see `tradewind spaces`), or a JSON file.")
]
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
DeviceOption = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:N or a calibrated device (name or file).")]
ThreadsOption = Annotated[int, typer.Option("--threads", help="Threads that the model computes on.", min=1)]
MemoryLimitOption = Annotated[float | None, typer.Option("--memory-limit", help="MB a candidate may take.")]


def say(text: str) -> None:
    """Print a line of the result. It is never broken, so that paths and commands in it can be copied."""
    console().print(text, soft_wrap=True)


def note(text: str) -> None:
    """Print a line beside the result, on standard error; like `say`, it is never broken."""
    console(err=True).print(text, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output; NaN is refused."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))


def check_ending(out: Path, *endings: str) -> None:
    """Raises `UsageError` for a file to write whose name does not end in one of these, e.g. ``.parquet``."""
    if out.suffix not in endings:
        raise UsageError(f"--out {out} must end in {' or '.join(endings)}")


def get_space(name: str, choices: Sequence[str] | None) -> ArchitectureSpace:
    """The named space, or that of a JSON file, narrowed by ``--set`` options."""
    from tradewind import spaces

    space = spaces.from_dict(read_json(Path(name))) if name.endswith(".json") else spaces.get(name)
    return space.narrow(**spaces.parse_choices(choices)) if choices else space


def use_device(text: str) -> str:
    """The name of a device; a calibration file (``devices/laptop.json``) is made known under its own."""
    if not text.endswith(".json"):
        return text
    from tradewind.evaluators import calibrated

    return calibrated.use(text)


def use_torch(device: str, threads: int) -> None:
    """Let torch use so many threads; raises `UsageError` or `DeviceError` where the device cannot be used here."""
    import torch

    from tradewind.devices import get

    get(device, threads)
    torch.set_num_threads(threads)


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


def read_architecture(path: Path, space: ArchitectureSpace, remedy: str = "") -> Architecture:
    """The one architecture of a JSON file.

    The file may leave out `family` and whatever the space fixes. Raises `UsageError` for several architectures,
    and for one of another family with the `remedy` of `complete`.
    """
    data = read_json(path)
    if isinstance(data, list):
        if len(data) != 1:
            raise UsageError(f"{path} holds {len(data)} architectures; give a file with one, or a table with --archs")
        data = data[0]
    return Architecture.from_dict(complete(data, path, space, remedy) if isinstance(data, dict) else data)


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


def _bundle(
    name: str, options: Mapping[str, tuple[Any, Any]], join: Callable[..., Any]
) -> Callable[[_Command], _Command]:
    """A decorator that gives commands the same options; they reach a command joined, as its argument `name`."""

    def give(command: _Command) -> _Command:
        @functools.wraps(command)
        def wrapped(**given: Any) -> Any:
            joined = join(**{key: given.pop(key) for key in options})
            return command(**given, **{name: joined})

        hints = get_type_hints(command, include_extras=True)
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [
            parameter.replace(kind=keyword, annotation=hints[key])
            for key, parameter in inspect.signature(command).parameters.items()
            if key != name
        ]
        parameters += [
            inspect.Parameter(key, keyword, default=default, annotation=hint)
            for key, (hint, default) in options.items()
        ]
        # The flag for machines stays the last in the help.
        parameters.sort(key=lambda parameter: parameter.name == "as_json")
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return cast(_Command, wrapped)

    return give


def _workload(batch: int, length: int, context: int, dtype: str, logits: str) -> Workload:
    for option, value, least in (("--batch", batch, 1), ("--length", length, 1), ("--context", context, 0)):
        if not least <= value <= MOST:
            raise UsageError(f"{option} is {value}; it must be {least} or more, up to {MOST:,}")
    return Workload(batch=batch, seq_len=length, context=context, dtype=dtype, logits=logits)


workload_options = _bundle(
    "workload",
    {
        "batch": (Annotated[int, typer.Option("--batch", help="Sequences in a forward.")], 1),
        "length": (Annotated[int, typer.Option("--length", help="Tokens a sequence in a forward.")], 192),
        "context": (
            Annotated[int, typer.Option("--context", help="Tokens cached when one is decoded (0: the length).")],
            0,
        ),
        "dtype": (Annotated[str, typer.Option("--dtype", help="float32, float16 or bfloat16.")], "float32"),
        "logits": (
            Annotated[str, typer.Option("--logits", help="Positions the output layer runs for: all or last.")],
            "all",
        ),
    },
    _workload,
)
"""Decorates a command that takes a `workload`."""

device_options = _bundle(
    "device_options",
    {
        "threads": (ThreadsOption, 1),
        "runtime": (
            Annotated[str, typer.Option("--runtime", help="What runs the measured model: torch or onnxruntime.")],
            "torch",
        ),
        "time_limit_s": (Annotated[float, typer.Option("--time-limit", help="Seconds a candidate may take.")], 120.0),
        "memory_limit_mb": (MemoryLimitOption, None),
    },
    dict,
)
"""Decorates a command that takes `device_options`, those of the evaluators that measure."""


def reasons(evaluations: Sequence[Evaluation]) -> str:
    """The commonest kinds of failure, each with how often it was met and its first reason."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for evaluation in evaluations:
        failed = {m.reason.partition(":")[0]: m.reason for m in evaluation.measurements.values() if not m.ok}
        counts.update(failed.keys())
        first = failed | first
    return "; ".join(f"{n} times {first[kind]}" for kind, n in counts.most_common(3))


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

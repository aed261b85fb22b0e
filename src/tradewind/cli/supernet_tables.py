"""What `tradewind supernet` reads and prints of many sub-networks: files of architectures, progress, the frontier."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind.cli.common import complete
from tradewind.core import Architecture, UsageError
from tradewind.core.counting import count
from tradewind.core.files import read_json
from tradewind.core.terminal import console

if TYPE_CHECKING:
    from tradewind.spaces import ArchitectureSpace


def architectures(path: Path, space: ArchitectureSpace) -> list[Architecture]:
    """Those of a JSON file (one or a list) or a Parquet table; the space's constants where the file is silent."""
    if path.suffix == ".parquet":
        from tradewind.cli.tables import read_architectures

        return list(read_architectures(path, space).architectures)
    if path.suffix != ".json":
        raise UsageError(f"--archs {path} must end in .json or .parquet")
    data = read_json(path)
    rows = data if isinstance(data, list) else [data]
    return [Architecture.from_dict(complete(row, path, space) if isinstance(row, dict) else row) for row in rows]


def frontier_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that no other beats in perplexity and parameters at once, with ``params``, from the smallest on."""
    from tradewind import costs

    finite = [row for row in rows if row["perplexity"] is not None]
    known = [row | {"params": costs.params(Architecture.from_dict(row["architecture"]))} for row in finite]
    found: list[dict[str, Any]] = []
    for row in sorted(known, key=lambda row: (row["params"], row["perplexity"])):
        if not found or row["perplexity"] < found[-1]["perplexity"]:
            found.append(row)
    return found


@contextlib.contextmanager
def progress(shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A function that draws how many of how many are done, on standard error."""
    if not shown:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    screen = console(err=True)
    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as drawn:
        task = drawn.add_task("", total=None)

        def report(done: int, total: int) -> None:
            drawn.update(task, completed=done, total=total)
            if done == total and not screen.is_terminal:
                screen.print(f"{count(total, 'sub-network')} scored")

        yield report

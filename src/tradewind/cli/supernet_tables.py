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
    from tradewind.training.supernet import StoredSupernet

REMEDY = "give one of the supernet's space, for example of the frontier of `tradewind supernet evaluate RUN --json`"
"""What to do with an architecture of another family."""


def architectures(path: Path, stored: StoredSupernet) -> list[Architecture]:
    """Those of a JSON file (one or a list) or a Parquet table, with the supernet's vocabulary.

    Where the file is silent they have the constants of its space.
    """
    if path.suffix == ".parquet":
        from tradewind.cli.tables import read_architectures

        return [fitted(arch, stored) for arch in read_architectures(path, stored.space).architectures]
    if path.suffix != ".json":
        raise UsageError(f"--archs {path} must end in .json or .parquet")
    data = read_json(path)
    rows = data if isinstance(data, list) else [data]
    whole = (complete(row, path, stored.space, REMEDY) if isinstance(row, dict) else row for row in rows)
    return [fitted(Architecture.from_dict(row), stored) for row in whole]


def fitted(arch: Architecture, stored: StoredSupernet) -> Architecture:
    """The architecture with the supernet's vocabulary, that of its text; nothing else changes."""
    names = [name for name in ("vocab_size", "cutoffs") if hasattr(arch, name)]
    return arch.replace(**{name: getattr(stored.supernet.arch, name) for name in names})


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

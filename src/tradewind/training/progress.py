"""Shows how a training run goes on: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tradewind.core.terminal import console

if TYPE_CHECKING:
    from tradewind.training.loop import Trainer

LINE_SECONDS = 10.0
"""Pause between lines where there is no terminal."""


@contextlib.contextmanager
def bar(steps: int, shown: bool = True) -> Iterator[Callable[[Trainer], None]]:
    """A function for `Trainer.run(report=...)` that draws on standard error while the context lasts."""
    if not shown:
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    screen = console(err=True)
    columns = (
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as drawn:
        task = drawn.add_task("starting", total=steps)
        last = time.monotonic()

        def report(trainer: Trainer) -> None:
            nonlocal last
            row = trainer.last
            words = f"loss {row.get('loss', float('nan')):.3f}, {trainer.tokens_per_second:,.0f} tokens/s"
            drawn.update(task, completed=trainer.step, description=words)
            if not screen.is_terminal and time.monotonic() - last >= LINE_SECONDS:
                last = time.monotonic()
                screen.print(f"step {trainer.step} of {steps}, {words}")

        yield report

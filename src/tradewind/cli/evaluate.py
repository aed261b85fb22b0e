"""`tradewind evaluate`: zero- and one-shot scores of a trained model on lm-eval's tasks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tradewind.cli.common import JsonOption, SeedOption, ThreadsOption, note, print_json, print_rows, say, use_torch
from tradewind.core import UsageError
from tradewind.core.terminal import console


def evaluate(
    checkpoint: Annotated[
        Path, typer.Option("--checkpoint", help="Folder of a trained model: tradewind train, or Hugging Face GPT-2.")
    ],
    tasks: Annotated[str, typer.Option("--tasks", help="Comma-separated tasks and groups of lm-eval, or lts-14.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the scores, one file a task (default: the checkpoint's).")
    ] = None,
    shots: Annotated[int, typer.Option("--shots", help="Examples in the prompt: 0 or 1 are usual.", min=0)] = 0,
    limit: Annotated[int | None, typer.Option("--limit", help="Documents a task, at most.", min=1)] = None,
    batch: Annotated[int, typer.Option("--batch", help="Sequences scored at a time.", min=1)] = 8,
    include: Annotated[Path | None, typer.Option("--include", help="Folder of task files in lm-eval's format.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Take data sets from the cache only.")] = False,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N.")] = "cpu",
    threads: ThreadsOption = 1,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Score a trained model on tasks of lm-eval. Ctrl-C or a crash: run it again, finished tasks are kept.

    lts-14 are the tasks of LiteTransformerSearch. Data sets are fetched from the Hugging Face hub when first used.

    Example: tradewind evaluate --checkpoint runs/t --tasks hellaswag,piqa --limit 200

    Example: tradewind evaluate --checkpoint runs/t --tasks lts-14 --shots 1
    """
    from tradewind import training
    from tradewind.training.tasks import evaluate_tasks, mean_accuracy

    use_torch(device, threads)
    model, tokenizer = training.open_saved(checkpoint)
    if tokenizer is None:
        raise UsageError(f"{checkpoint} does not tell its tokenizer; give a folder that `tradewind train --out` made")
    with _bar(not as_json) as report:
        found = evaluate_tasks(
            model.to(device),
            tokenizer,
            [task.strip() for task in tasks.split(",") if task.strip()],
            out=out or checkpoint,
            shots=shots,
            limit=limit,
            batch_size=batch,
            include=include,
            offline=offline,
            seed=seed,
            report=report,
        )
    mean = mean_accuracy(found)
    if as_json:
        print_json({"checkpoint": str(checkpoint), "id": model.arch.id, "mean_accuracy": mean, "tasks": found})
        return
    print_rows([row for entry in found for row in _rows(entry)])
    if mean is not None:
        say(f"mean accuracy {mean:.4f}")
    note(f"Kept in {out or checkpoint}/tasks")


def _rows(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a metric of a task."""
    metrics = entry["metrics"]
    rows = []
    for name, value in metrics.items():
        if "_stderr" not in name:
            error = metrics.get(f"{name}_stderr")
            rows.append(
                {
                    "task": entry["task"],
                    "metric": name,
                    "value": f"{value:.4f}",
                    "standard error": "" if error is None else f"{error:.4f}",
                    "documents": entry["n"],
                }
            )
    return rows


@contextlib.contextmanager
def _bar(shown: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error for the requests of the task that is scored."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    place = console(err=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=place, disable=not (shown and place.is_terminal)) as drawn:
        line = drawn.add_task("loading", total=None)
        yield lambda task, done, total: drawn.update(line, description=task, completed=done, total=total)

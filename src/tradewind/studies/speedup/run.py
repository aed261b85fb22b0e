"""Trains what a speed-up experiment asks for, run by run; what is finished is kept, and a run that was cut goes on.

A folder holds ``experiment.json`` and a folder a run with ``result.json``: the curve of validation losses, processor
seconds and operations of a step, and the number of parameters.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tradewind.core import StudyError, UsageError
from tradewind.core.files import read_json, write_json
from tradewind.core.interrupts import Interrupts
from tradewind.studies.speedup.experiment import Experiment, Size, Task

EXPERIMENT, RESULT = "experiment.json", "result.json"
BACKWARD = 3
"""Operations of a step over those of a forward: the backward pass multiplies twice where the forward does once."""
CHECKPOINT_EVERY = 100
"""Steps that a cut run loses at most."""

Report = Callable[[str, int, int], None]
"""Called with a run's name, its steps done and their number."""


def run(experiment: Experiment, out: str | os.PathLike[str], report: Report | None = None) -> None:
    """Make every run that the folder `out` lacks; raises `UsageError` where it holds another experiment.

    One run after the other in this process. A run that diverges counts as one that never reaches the baseline.
    """
    folder = Path(out)
    _claim(experiment, folder)
    from tradewind import training

    text = training.prepare(experiment.data, experiment.tokenizer)
    with Interrupts():
        for size in experiment.sizes:
            for task in experiment.tuning(size):
                _train(experiment, task, text, folder, report)
        for task in experiment.tasks(lambda size: chosen_rate(experiment, size, folder)):
            _train(experiment, task, text, folder, report)


def chosen_rate(experiment: Experiment, size: Size, folder: Path) -> float:
    """The learning rate with which the baseline ends best; raises `StudyError` where its runs are not finished."""
    found = {task.learning_rate: result(task, folder) for task in experiment.tuning(size)}
    if not found:
        return experiment.rates[0]
    if any(one is None for one in found.values()):
        raise StudyError(f"{folder} lacks runs that tune the learning rate of {size}; run the same command again")
    finals = {rate: one["losses"][-1] for rate, one in found.items() if one is not None and not one["diverged"]}
    if not finals:
        raise StudyError(f"the baseline diverged with every learning rate of {size}; give smaller --rates")
    return min(finals, key=lambda rate: finals[rate])


def result(task: Task, folder: Path) -> dict[str, Any] | None:
    """What a finished run found, or None."""
    path = folder / task.name / RESULT
    return read_json(path) if path.is_file() else None


def _claim(experiment: Experiment, folder: Path) -> None:
    path = folder / EXPERIMENT
    if not path.is_file():
        write_json(path, experiment.to_dict())
        return
    found, mine = read_json(path), experiment.to_dict()
    # More seeds, variants or sizes go on with what is there.
    growing = ("seeds", "variants", "sizes")
    for key, value in mine.items():
        if key not in growing and found.get(key) != value:
            raise UsageError(
                f"{folder} holds another experiment: its {key} is {found.get(key)}, not {value}; give another --out, "
                "or the same options as before"
            )
    write_json(path, mine)


def _train(experiment: Experiment, task: Task, text: Any, folder: Path, report: Report | None) -> None:
    if result(task, folder) is not None:
        return
    from tradewind import costs, models, training
    from tradewind.training.loop import CHECKPOINT

    arch = task.size.arch(task.block, text.vocab_size, experiment.length)
    recipe = training.Recipe(
        steps=experiment.steps,
        batch_size=experiment.batch_size,
        length=experiment.length,
        learning_rate=task.learning_rate,
        schedule=experiment.schedule,
        warmup=experiment.warmup,
        seed=task.seed,
    )
    trainer = training.Trainer(
        models.build(arch, seed=task.seed),
        text,
        recipe,
        folder / task.name,
        evaluate_every=experiment.evaluate_every,
        checkpoint_every=CHECKPOINT_EVERY,
        batches=experiment.batches,
    )
    trainer.run(report=None if report is None else lambda now: report(task.name, now.step, experiment.steps))
    # A loss that is no number is in no row.
    curve = [row for row in trainer.evaluations if "loss" in row["validation"]]
    seconds = [row["cpu_seconds"] for row in trainer.history]
    write_json(
        folder / task.name / RESULT,
        {
            "size": str(task.size),
            "block": task.block,
            "seed": task.seed,
            "learning_rate": task.learning_rate,
            "diverged": bool(trainer.diverged),
            "params": costs.params(arch),
            "flops_per_step": BACKWARD * costs.flops(arch, experiment.batch_size, experiment.length),
            "cpu_seconds_per_step": statistics.median(seconds or [0.0]),
            "steps": [row["step"] for row in curve],
            "losses": [row["validation"]["loss"] for row in curve],
        },
    )
    (folder / task.name / CHECKPOINT).unlink(missing_ok=True)

"""What a proxy is judged by: the perplexity of an architecture after training, and what a part of the training tells.

Training for a part of the budget is itself the oldest proxy; its figures fall off on the way, at no further cost.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tradewind import costs, models
from tradewind.core import Architecture
from tradewind.core.files import read_json, write_json
from tradewind.training.data import TokenData
from tradewind.training.evaluation import evaluate
from tradewind.training.fit import for_text
from tradewind.training.loop import Trainer
from tradewind.training.recipe import Recipe

SHARES = (0.05, 0.1, 0.25)
"""Parts of the steps after which the validation loss is taken as a proxy."""
BATCHES = 16
"""Batches of validation text, the same for all."""


def train_to_truth(
    arch: Architecture,
    text: TokenData,
    recipe: Recipe,
    folder: Path,
    seed: int = 0,
    report: Callable[[Trainer], None] | None = None,
) -> dict[str, Any]:
    """Train with a seed for weights and batches, or read what was found before; resumes where it was killed.

    Plain data: ``loss`` in nats per token on the validation text (None where training diverged), ``cpu_seconds``, and
    ``short``, one row for each of `SHARES` with ``steps``, ``loss`` and ``cpu_seconds`` up to there. The loss after a
    share is that of the same run, whose learning rate is not annealed by then.
    """
    fitted = for_text(arch, text)
    file = folder / f"{fitted.id}-{seed}.json"
    if file.is_file():
        found: dict[str, Any] = read_json(file)
        return found
    work = folder / f"{fitted.id}-{seed}"
    trainer = Trainer(models.build(fitted, seed=seed), text, recipe.replace(seed=seed), work)
    short = read_json(work / "short.json") if (work / "short.json").is_file() else []
    for share in SHARES[len(short) :]:
        trainer.run(until=max(1, round(share * recipe.steps)), report=report)
        short.append(
            {"share": share, "steps": trainer.step, "loss": _loss(trainer), "cpu_seconds": _cpu_seconds(trainer)}
        )
        write_json(work / "short.json", short)
    trainer.run(report=report)
    found = {
        "id": fitted.id,
        "architecture": fitted.to_dict(),
        "seed": seed,
        "decoder_params": costs.decoder_params(fitted),
        "loss": _loss(trainer),
        "cpu_seconds": _cpu_seconds(trainer),
        "diverged": trainer.diverged,
        "short": short,
    }
    write_json(file, found)
    shutil.rmtree(work)
    return found


def _loss(trainer: Trainer) -> float | None:
    if trainer.diverged:
        return None
    recipe = trainer.recipe
    found = evaluate(
        trainer.model,
        trainer.text,
        batches=BATCHES,
        batch_size=recipe.batch_size,
        length=recipe.length,
        precision=recipe.precision,
    )
    return found.loss if math.isfinite(found.loss) else None


def _cpu_seconds(trainer: Trainer) -> float:
    return sum(row["cpu_seconds"] for row in trainer.history)

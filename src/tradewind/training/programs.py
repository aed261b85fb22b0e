"""Trains the model of a program to the marks of a budget, and stops early at a mark where it is not good enough.

Training goes on where it was at each mark: nothing is done twice. Runs in a worker process; what goes in and out is
plain data.

Source of stopping at hurdles: So et al. 2021, arXiv 2109.08668, section 2 (the thresholds come from outside).
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

from tradewind.core import UsageError
from tradewind.costs.programs import params, step_flops
from tradewind.models.program import build
from tradewind.programs import Program, Sizes, resolve
from tradewind.training.data import TokenData
from tradewind.training.loop import Trainer
from tradewind.training.recipe import from_dict

UNITS = ("steps", "flops", "seconds")
"""What a budget may count: steps, floating-point operations of training, or processor seconds of training."""


class Job(BaseModel):
    """One training. `marks` rise, in `unit`; training stops at the last, or at mark i with a loss above `limits[i]`.

    `text` is the folder of the tokens; `seed` draws the weights, the recipe's own seed the batches. `init_std` is that
    of `tradewind.models.program.build`.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    program: dict[str, Any]
    sizes: dict[str, int]
    text: str
    recipe: dict[str, Any]
    unit: str
    marks: list[float]
    limits: list[float | None]
    batches: int
    seed: int
    init_std: float | None = None


class Found(BaseModel):
    """What came of a training.

    `curve` has one row a mark: steps, amount of the unit spent, validation loss in nats per token. `diverged` says why
    training stopped for good, or nothing. Seconds are of the processor; `total_s` is everything in this process.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    curve: list[tuple[int, float, float]]
    diverged: str
    params: int
    flops_a_step: int
    train_s: float
    evaluate_s: float
    total_s: float


def run(data: Any) -> dict[str, Any]:
    """Train as a `Job` says; a `Found` as plain data."""
    begun = time.process_time()
    job = Job.model_validate(data)
    torch.set_num_threads(1)
    sizes, program = Sizes(**job.sizes), Program.from_dict(job.program)
    graph, recipe = resolve(program), from_dict(job.recipe)
    model = build(
        program,
        d_model=sizes.d_model,
        n_layer=sizes.n_layer,
        vocab_size=sizes.vocab_size,
        context=sizes.context,
        seed=job.seed,
        init_std=job.init_std,
    )
    trainer = Trainer(model, TokenData(Path(job.text)), recipe, batches=job.batches)
    flops = step_flops(graph, sizes, recipe.batch_size, recipe.length)
    curve: list[tuple[int, float, float]] = []
    evaluate_s, diverged = 0.0, ""
    for mark, limit in zip(job.marks, job.limits, strict=True):
        spent = _advance(trainer, job.unit, mark, flops)
        if trainer.diverged:
            break
        start = time.process_time()
        loss = trainer.evaluate().loss
        evaluate_s += time.process_time() - start
        if not math.isfinite(loss):
            diverged = f"the validation loss is {loss}"
            break
        curve.append((trainer.step, spent, loss))
        if limit is not None and loss > limit:
            break
    return Found(
        curve=curve,
        diverged=trainer.diverged or diverged,
        params=params(graph, sizes),
        flops_a_step=flops,
        train_s=_seconds(trainer),
        evaluate_s=evaluate_s,
        total_s=time.process_time() - begun,
    ).model_dump()


def _advance(trainer: Trainer, unit: str, mark: float, flops: int) -> float:
    """Train up to a mark; what was spent of the unit."""
    if unit == "seconds":
        spent = _seconds(trainer)
        while trainer.step == 0 or (spent < mark and not trainer.diverged):
            spent += trainer.run(until=trainer.step + 1).last["cpu_seconds"]
        return spent
    steps = max(1, round(mark) if unit == "steps" else int(mark // flops))
    if steps >= trainer.recipe.steps:
        raise UsageError(f"the recipe ends at step {trainer.recipe.steps}, before the mark at step {steps}")
    trainer.run(until=steps)
    return float(trainer.step if unit == "steps" else trainer.step * flops)


def _seconds(trainer: Trainer) -> float:
    return float(sum(row["cpu_seconds"] for row in trainer.history))

r"""Seconds to the same loss: training a supernet as the Trainer does, beside whittle and beside whole batches.

The shape, the space and the contestants are those of `supernet_step.py`: the sandwich of four networks, batch 8 x 256,
float32, on the Python library's text in 8,192 BPE tokens. Step for step all are given the same networks and the same
batches; AdamW with warm-up, then a constant rate; gradients clipped. A contestant's name ends with its rate. They train
in turn in one run: one step of a whole batch a round, and of divided batches as many as there are networks, which is as
much work. From time to time the mean validation loss of eight fixed networks is taken off the clock; losses over
seconds are then compared: how many times as fast is the loss reached that another ends with?

    OMP_NUM_THREADS=2 python benchmarks/supernet_loss.py --rounds 150 --out runs/supernet-loss.json \
        divided@1e-3 sandwich@1e-3 whittle@1e-3

The tables of finished runs again, and their curves side by side:

    python benchmarks/supernet_loss.py --figure loss.png runs/supernet-loss-*.json

For whittle see `supernet_step.py`.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from supernet_step import BATCH, LENGTH, SAMPLING, learner
from torch import nn
from turns import WARM_UP, race

from tradewind import training
from tradewind.core.files import read_json, write_json
from tradewind.training.optimizers import make_optimizer
from tradewind.training.supernet import spread

KINDS = ("divided", "sandwich", "by state", "whittle")
TOKENS = "bpe:8192"
NETWORKS = 8
"""Networks whose mean loss is told, over all sizes, both ends among them."""
WINDOWS = 32
"""Validation windows that they read."""


class Training:
    """Called with a turn, trains for a round; `exam` gives each network's validation loss in nats per token."""

    def __init__(self, name: str, rounds: int, seed: int) -> None:
        kind, _, rate = name.partition("@")
        self.text = training.prepare("stdlib", TOKENS)
        self.steps = SAMPLING.networks if kind == "divided" else 1
        self.recipe = training.Recipe(
            steps=(rounds + WARM_UP) * self.steps, batch_size=BATCH, length=LENGTH, learning_rate=float(rate),
            schedule="constant", seed=seed,
        )  # fmt: skip
        torch.manual_seed(seed)
        self.model, self.backward, self.loss = learner(kind)
        self.optimizer = make_optimizer(self.model.named_parameters(), self.recipe)
        windows = list(self.text.windows("validation", batch_size=8, length=LENGTH, limit=WINDOWS // 8))
        self.windows = [tuple(map(torch.from_numpy, window)) for window in windows]

    def __call__(self, turn: int) -> None:
        for step in range(turn * self.steps, (turn + 1) * self.steps):
            how = self.recipe
            tokens, targets = self.text.batch("train", step, batch_size=BATCH, length=LENGTH, seed=how.seed)
            self.backward(step, torch.from_numpy(tokens), torch.from_numpy(targets))
            nn.utils.clip_grad_norm_(self.model.parameters(), how.clip, foreach=True)
            for group in self.optimizer.param_groups:
                group["lr"] = how.rate(step)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def exam(self) -> list[float]:
        self.model.eval()
        losses = [
            float(np.mean([self.loss(arch, *window).item() for window in self.windows]))
            for arch in spread(SAMPLING.space, NETWORKS, 0)
        ]
        self.model.train()
        return losses


Curve = list[tuple[int, float, float]]
"""Rounds done, their seconds, and the mean loss then."""


def seconds_to(loss: float, curve: Curve) -> float | None:
    """When a loss is reached first, straight lines between exams; None where it never is."""
    before: tuple[float, float] | None = None
    for _, seconds, found in curve:
        if found <= loss:
            if before is None:
                return seconds
            return seconds - (seconds - before[0]) * (loss - found) / (before[1] - found)
        before = seconds, found
    return None


def faster(curves: dict[str, Curve]) -> dict[str, list[float | None]]:
    """How many times as fast each contestant (rows) reaches the loss that each (columns) ends with; None for never."""
    found = {}
    for name, curve in curves.items():
        times = [seconds_to(other[-1][2], curve) for other in curves.values()]
        ends = [other[-1][1] for other in curves.values()]
        found[name] = [None if own is None else end / own for own, end in zip(times, ends, strict=True)]
    return found


def show(curves: dict[str, Curve]) -> None:
    """A table of one run."""
    table = Table("contestant", "seconds", "loss", *(f"as fast to the loss of {name}" for name in curves))
    for name, ratios in faster(curves).items():
        _, seconds, loss = curves[name][-1]
        cells = ["never" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        table.add_row(name, f"{seconds:,.0f}", f"{loss:.3f}", *cells)
    Console(width=max(140, Console().width)).print(table)


def draw(runs: list[dict[str, Curve]], path: Path) -> None:
    """Losses over seconds, runs side by side."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    size = (1 + 3.6 * len(runs), 3.8)
    figure, places = plt.subplots(1, len(runs), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axes, run in zip(places[0], runs, strict=True):
        for name, curve in run.items():
            _, seconds, losses = zip(*curve, strict=True)
            axes.plot(seconds, losses, lw=1.2, marker="o", ms=2.5, label=name)
        axes.set_xlabel("seconds of training")
        axes.grid(alpha=0.3)
        axes.legend()
    places[0][0].set_ylabel("mean loss of 8 networks, nats per token")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", help=f"one of {', '.join(KINDS)}, then @ and a learning rate")
    parser.add_argument("--figure", type=Path, help="PNG file to draw; the names are then those of finished runs")
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--every", type=int, default=10, help="rounds between exams")
    parser.add_argument("--seed", type=int, default=0, help="of the batches, and of the first weights of whittle's")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="JSON file, written anew after every exam")
    given = parser.parse_args()
    if given.figure:
        runs = [read_json(Path(name))["curves"] for name in given.names]
        draw(runs, given.figure)
        for run in runs:
            show(run)
        return
    for name in given.names:
        if not re.fullmatch(rf"({'|'.join(KINDS)})@[0-9.]+(e-?[0-9]+)?", name):
            parser.error(f"{name!r} is no contestant; give one of {', '.join(KINDS)}, @ and a rate, e.g. divided@1e-3")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
    training.prepare("stdlib", TOKENS)
    curves: dict[str, Curve] = {name: [] for name in given.names}
    exams: dict[str, list[list[float]]] = {name: [] for name in given.names}

    def report(name: str, done: int, seconds: float, losses: Any) -> None:
        curves[name].append((done, seconds, float(np.mean(losses))))
        exams[name].append(losses)
        print(f"{name}: {done} rounds, {seconds:.0f} s, {curves[name][-1][2]:.4f}", flush=True)
        facts = {key: getattr(given, key) for key in ("rounds", "every", "seed", "threads")}
        if given.out:
            write_json(given.out, facts | {"curves": curves, "exams": exams})

    race(Training, given.names, given.rounds, given.threads, given.rounds, given.seed, every=given.every, report=report)
    show(curves)


if __name__ == "__main__":
    main()

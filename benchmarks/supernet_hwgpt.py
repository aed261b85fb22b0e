"""A supernet of a cut-down HW-GPT space: sandwich against random, inherited against stand-alone, and its frontier.

All supernets get the same operations (closed form, forward and backward): a sandwich whose networks read the whole
batch, one that divides it among them (four times the steps, for a quarter of the work each), one whose batch is four
times as large and divided (the same steps), and one random network a step. Architectures are trained alone for a fixed
number of steps. Everything is kept in the folder as it is made, so the same command goes on after a stop.

    python benchmarks/supernet_hwgpt.py --out runs/supernet-hwgpt --results results/2026-11-23-supernet
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from tradewind import costs, models, spaces, training
from tradewind.core import Architecture
from tradewind.core.files import read_json, write_json
from tradewind.models.supernet import Supernet
from tradewind.training.supernet import (
    Examination,
    Sampling,
    SupernetTrainer,
    compare,
    covering,
    examine,
    spread,
    train_alone,
)

SPACE = {
    "name": "hwgpt-cut",
    "family": "hwgpt",
    "dimensions": [
        {"name": "n_layer", "choices": [2, 3, 4]},
        {"name": "d_model", "choices": [48, 96, 144]},
        {"name": "n_head", "choices": [1, 2], "per_layer": True},
        {"name": "mlp_ratio", "choices": [1, 2, 4], "per_layer": True},
    ],
    "constants": {"network": "intended", "vocab_size": 256, "context": 64, "bias": True},
}
BATCH, LENGTH, RATE = 8, 64, 3e-3
KINDS = {
    "sandwich": ("sandwich", 4, False, BATCH),
    "divided": ("sandwich", 4, True, BATCH),
    "divided, batch 32": ("sandwich", 4, True, 4 * BATCH),
    "random": ("random", 1, False, BATCH),
}
"""Strategy, networks a step, whether they divide the batch, and sequences of the batch."""
WINDOWS = {"batches": 32, "batch_size": 16, "length": LENGTH}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the trainings")
    parser.add_argument("--results", type=Path, required=True, help="folder for the figures")
    parser.add_argument("--steps", type=int, default=400, help="sandwich steps")
    parser.add_argument("--alone-steps", type=int, default=150, help="steps of an architecture trained alone")
    parser.add_argument("--archs", type=int, default=12, help="architectures trained alone")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of each supernet")
    parser.add_argument("--again", type=int, default=4, help="of these, trained with a second seed, for the noise")
    parser.add_argument("--members", type=int, default=100, help="sub-networks scored for the frontier")
    return parser.parse_args()


def recipe(steps: int, seed: int, batch: int = BATCH) -> training.Recipe:
    return training.Recipe(steps=steps, batch_size=batch, length=LENGTH, learning_rate=RATE, seed=seed)


def flops_of(sampling: Sampling, steps: int, seed: int, batch: int = BATCH) -> int:
    """Operations of the steps when every network reads `batch` sequences."""
    archs = [arch for step in range(steps) for arch in sampling.step(step, seed)]
    return 3 * sum(int(n) for n in costs.flops(archs, seq_len=LENGTH, batch=batch))


def trained(space: Any, kind: str, budget: int, seed: int, text: Any, out: Path) -> tuple[Supernet, dict[str, Any]]:
    """A supernet trained for as many steps as the budget of operations allows, and what it cost."""
    strategy, networks, divided, batch = KINDS[kind]
    sampling = Sampling(space, strategy, networks)
    some = 200
    steps = round(budget / flops_of(sampling, some, seed, batch // (networks if divided else 1)) * some)
    net = Supernet(models.build(covering(space), seed=seed))
    started = time.process_time()
    how, folder = recipe(steps, seed, batch), out / f"{kind}-{seed}"
    trainer = SupernetTrainer(net, text, how, sampling, folder, whole_batch=not divided, batches=4)
    trainer.run()
    facts = {
        "steps": steps,
        "flops": sum(row["flops"] for row in trainer.history),
        "cpu_seconds": sum(row["cpu_seconds"] for row in trainer.history),
        "tokens": steps * batch * LENGTH,
    }
    print(f"{kind} seed {seed}: {facts}, {time.process_time() - started:.0f} s in this run", flush=True)
    return net.eval(), facts


def main() -> None:
    given = arguments()
    text = training.prepare("stdlib", "bytes")
    space = spaces.from_dict(SPACE)
    sandwich = Sampling(space, "sandwich", 4)
    budget = flops_of(sandwich, 200, 0) * given.steps // 200
    archs = chosen(space, given.archs)
    nets, facts = {}, {}
    for seed in range(given.seeds):
        for kind in KINDS:
            name = f"{kind}-{seed}"
            nets[name], facts[name] = trained(space, kind, budget, seed, text, given.out)
    examinations = {name: Examination(net, text, **WINDOWS) for name, net in nets.items()}
    inherited = {}
    for name, examination in examinations.items():
        rows = examine(examination, archs, given.out / f"{name}.jsonl")
        inherited[name] = [row["loss"] for row in rows]
    first = examinations["divided-0"]
    alone: dict[str, list[float]] = {}
    for seed in (0, 1):
        some = archs if seed == 0 else again_of(archs, given.again)
        alone[f"alone-{seed}"] = []
        for arch in some:
            folder = given.out / f"alone-{seed}" / arch.id
            loss = train_alone(arch, first, text, recipe(given.alone_steps, seed), folder)
            alone[f"alone-{seed}"].append(loss)
            print(f"alone {seed} {arch.id} {costs.params(arch):,} {loss:.4f}", flush=True)
    members = spread(space, given.members, 0)
    scored = examine(
        Examination(nets["divided-0"], text, **WINDOWS | {"batches": 8}), members, given.out / "members.jsonl"
    )
    write(given, space, text, archs, facts, inherited, alone, scored)


def chosen(space: Any, n: int) -> list[Architecture]:
    """Both ends and members from the bins between, the same for every run."""
    sampling = Sampling(space, "balanced", 1)
    found = dict.fromkeys(sampling.extremes)
    step = 0
    while len(found) < n:
        found.setdefault(sampling.step(step, 77)[0])
        step += 1
    return sorted(found, key=lambda arch: int(costs.params(arch)))


def again_of(items: list[Any], n: int) -> list[Any]:
    """`n` of them, evenly spaced."""
    return [items[i * len(items) // n] for i in range(n)]


def write(given: Any, space: Any, text: Any, archs: Any, facts: Any, inherited: Any, alone: Any, scored: Any) -> None:
    truth = alone["alone-0"]
    noise = np.abs(np.subtract(again_of(truth, given.again), alone["alone-1"]))
    table = {
        "space": space.to_dict(),
        "text": {"spec": "stdlib", "tokenizer": "bytes", "hash": text.hash},
        "recipe": recipe(given.alone_steps, 0).to_dict(),
        "windows": WINDOWS,
        "supernets": facts,
        "architectures": [
            arch.to_dict() | {"params": int(costs.params(arch)), "flops": int(costs.flops(arch, seq_len=LENGTH))}
            for arch in archs
        ],
        "inherited": inherited,
        "alone": alone,
        "agreement": {name: told(compare(losses, truth)) for name, losses in inherited.items()},
        "params_agreement": told(compare([-float(costs.params(arch)) for arch in archs], truth)),
        "difference_of_seeds": [float(value) for value in noise],
        "members": [
            {
                "id": row["id"],
                "loss": row["loss"],
                "params": int(costs.params(Architecture.from_dict(row["architecture"]))),
                "flops": int(costs.flops(Architecture.from_dict(row["architecture"]), seq_len=LENGTH)),
            }
            for row in scored
        ],
    }
    given.results.mkdir(parents=True, exist_ok=True)
    write_json(given.results / "figures.json", table)
    draw(read_json(given.results / "figures.json"), given.results / "supernet.png")
    print(
        json.dumps(
            {key: table[key] for key in ("supernets", "agreement", "params_agreement", "difference_of_seeds")}, indent=1
        )
    )


def told(found: dict[str, Any]) -> dict[str, Any]:
    return {"n": found["n"]} | {
        name: [round(getattr(found[name], part), 4) for part in ("value", "low", "high")]
        for name in ("spearman", "kendall")
    }


def frontier(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those that no other beats in both, from the cheapest on."""
    kept: list[tuple[float, float]] = []
    for cost, loss in sorted(points):
        if not kept or loss < kept[-1][1]:
            kept.append((cost, loss))
    return kept


def draw(table: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for color, kind in zip(("tab:orange", "tab:blue", "tab:cyan", "tab:green"), KINDS, strict=True):
        for name, losses in table["inherited"].items():
            if name.rpartition("-")[0] == kind:
                label = kind if name.endswith("-0") else None
                left.scatter(table["alone"]["alone-0"], losses, s=12, label=label, color=color)
    ends = [min(table["alone"]["alone-0"]), max(table["alone"]["alone-0"])]
    left.plot(ends, ends, lw=0.8, color="grey")
    left.set(xlabel="trained alone, nats per byte", ylabel="inherited, nats per byte", title="inherited against alone")
    left.legend(fontsize=8)
    points = [(row["params"], math.exp(row["loss"])) for row in table["members"]]
    right.scatter(*zip(*points, strict=True), s=6, color="lightsteelblue", label="sub-networks")
    right.plot(*zip(*frontier(points), strict=True), color="darkblue", marker="o", ms=3, lw=1, label="frontier")
    alone = [(a["params"], math.exp(x)) for a, x in zip(table["architectures"], table["alone"]["alone-0"], strict=True)]
    right.scatter(*zip(*alone, strict=True), s=18, marker="^", color="darkorange", label="trained alone")
    right.set(xlabel="parameters", ylabel="perplexity per byte", title="the space in the divided sandwich's weights")
    right.legend(fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()

"""How few measurements calibrate this machine: errors on unseen architectures against the number that was measured.

A pool of 128 designed architectures and 100 random ones that no fit sees are measured on this processor, in turns, so
that a drifting machine treats both alike. Then the additive cost model is fitted to 8, 16, ... 128 of the pool, chosen
by D-optimal design from a random three quarters of it for each seed, and foretells the unseen. A stopped command
resumes; `--judge` only judges.

    python benchmarks/device_learning_curve.py --space gpt2 --length 64 --out runs/curve-gpt2      # quiet machine
    python benchmarks/device_learning_curve.py --space gpt2 --set n_layer=2..3 --length 16 --pool 16 --unseen 6 \
        --out runs/try
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from tradewind import spaces
from tradewind.core import Architecture, Evaluation, Workload, parse_objectives
from tradewind.core.files import write_json, write_text
from tradewind.core.ranking import kendall
from tradewind.core.seeds import generator
from tradewind.predictors.cost_model import fit_cost_model
from tradewind.predictors.design import design
from tradewind.studies import Study

SIZES = (8, 16, 32, 64, 128)
TIMING = {"min_repeats": 3, "max_seconds": 0.5, "target_spread": 0.01}
TURNS = 4
"""Legs in which pool and unseen architectures are measured alternately."""
KEPT = 0.75
"""Share of the pool, drawn for each seed, from which a design is chosen."""


def main() -> None:
    """Measure what is missing, judge, write curve.json and table.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="gpt2", help="gpt2 or transformer-xl")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=CHOICES", help="narrow a dimension; repeat")
    parser.add_argument("--objectives", default="latency_ms,peak_memory_mb")
    parser.add_argument("--length", type=int, default=192, help="tokens a sequence")
    parser.add_argument("--batch", type=int, default=1, help="sequences in a forward")
    parser.add_argument("--logits", default="all", help="positions the output layer runs for: all or last")
    parser.add_argument("--pool", type=int, default=128, help="designed architectures to measure")
    parser.add_argument("--unseen", type=int, default=100, help="random architectures that no fit sees")
    parser.add_argument("--subsets", type=int, default=10, help="designs of each size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--time-limit", type=float, default=120.0, help="seconds a candidate may take")
    parser.add_argument("--out", type=Path, required=True, help="folder of the measurements, resumed where it stopped")
    parser.add_argument("--judge", action="store_true", help="measure nothing more, judge what is there")
    given = parser.parse_args()
    start = time.monotonic()
    pool, unseen = studies(given)
    if not given.judge:
        for turn in range(1, TURNS + 1):
            for study, wanted in ((pool, given.pool), (unseen, given.unseen)):
                if len(study.evaluations()) < wanted * turn // TURNS:
                    study.run(budget=wanted * turn // TURNS)
    rows = [row for objective in pool.objectives for row in curve(objective.name, pool, unseen, given)]
    facts = {
        "space": given.space,
        "set": given.set,
        "length": given.length,
        "batch": given.batch,
        "pool": len(pool.evaluations()),
        "unseen": len(unseen.evaluations()),
        "wall_s": round(time.monotonic() - start, 1),
        "measuring_s": round(sum(e.seconds for study in (pool, unseen) for e in study.evaluations()), 1),
        "drift": {name: round(worst(study), 4) for name, study in (("pool", pool), ("unseen", unseen))},
        "evaluator": pool.config["evaluator"],
        "rows": rows,
    }
    write_json(given.out / "curve.json", facts)
    write_text(given.out / "table.md", table(rows))
    print(table(rows))


def studies(given: argparse.Namespace) -> tuple[Study, Study]:
    """The study of the designed pool and that of the random architectures."""
    if given.judge:
        return Study.open(given.out / "pool"), Study.open(given.out / "unseen")
    place = spaces.get(given.space)
    place = place.narrow(**spaces.parse_choices(given.set)) if given.set else place

    def create(name: str, algorithm: str, seed: int, **settings: int) -> Study:
        return Study.create(
            given.out / name,
            space=place,
            objectives=parse_objectives(given.objectives, "cpu"),
            algorithm=algorithm,
            settings=settings,
            seed=seed,
            workload=Workload(batch=given.batch, seq_len=given.length, logits=given.logits),
            device_options={"time_limit_s": given.time_limit, "timing": TIMING},
            resume=True,
        )

    pool = create("pool", "designed", given.seed, measurements=given.pool)
    # Another seed than the pool's: the design is drawn from random architectures of its own.
    return pool, create("unseen", "random", given.seed + 1)


def curve(name: str, pool: Study, unseen: Study, given: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a size: means and standard deviations over the designs of that size."""
    load, quantity = pool.workload, name.partition("@")[0]
    archs, values = measured(name, pool.evaluations())
    known = {arch.id for arch in archs}
    tests, truth = measured(name, [e for e in unseen.evaluations() if e.candidate.id not in known])
    where = {arch.id: i for i, arch in enumerate(archs)}
    rows = []
    for n in [n for n in SIZES if n <= len(archs)] or [len(archs)]:
        scores = []
        for seed in range(given.subsets):
            size = max(n, round(KEPT * len(archs)))
            drawn = np.sort(generator(seed, "subset", n).permutation(len(archs))[:size])
            picks = design([archs[i] for i in drawn], n, seed, quantity, load)
            model = fit_cost_model(quantity, picks, values[[where[arch.id] for arch in picks]], load)
            predicted = model.predict(tests)
            errors = np.abs(predicted / truth - 1)
            inside = np.mean(errors <= model.half_width(0.9))
            # A fit that foretells the same for all has no order: that is no correlation, not an undefined one.
            tau = kendall(truth, predicted) if np.ptp(predicted) > 0 else 0.0
            scores.append((tau, np.median(errors), np.quantile(errors, 0.9), inside))
            if size == len(archs) == n:
                break  # there is only one design of the whole pool
        keys = ("kendall", "median_error", "p90_error", "coverage_90")
        mean, spread = np.mean(scores, axis=0), np.std(scores, axis=0, ddof=1) if len(scores) > 1 else np.zeros(4)
        row: dict[str, Any] = {"objective": name, "n": n, "designs": len(scores), "unseen": len(tests)}
        row |= {key: round(float(value), 5) for key, value in zip(keys, mean, strict=True)}
        rows.append(row | {f"{key}_sd": round(float(value), 5) for key, value in zip(keys, spread, strict=True)})
    return rows


def measured(name: str, evaluations: list[Evaluation]) -> tuple[list[Architecture], np.ndarray]:
    """The architectures with a value, and the values."""
    found = [(e.candidate, m.value) for e in evaluations if (m := e.measurements[name]).ok and m.value]
    return [arch for arch, _ in found], np.array([value for _, value in found], dtype=float)


def worst(study: Study) -> float:
    """The furthest that the anchor's stable times were from the first of them, relative; 0 without readings."""
    times = [
        m.value
        for e in study.evaluations("anchor")
        for name, m in e.measurements.items()
        if name.startswith("latency_ms") and m.value and m.details.get("stable", True)
    ]
    return max((abs(t / times[0] - 1) for t in times), default=0.0)


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown: means over designs, standard deviations in brackets."""
    lines = [
        "| quantity | measured | Kendall's tau | median error | 90th percentile | in the 90% interval |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['objective']} | {r['n']} | {r['kendall']:.3f} ({r['kendall_sd']:.3f}) | "
        f"{r['median_error']:.2%} ({r['median_error_sd']:.2%}) | {r['p90_error']:.2%} ({r['p90_error_sd']:.2%}) | "
        f"{r['coverage_90']:.0%} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

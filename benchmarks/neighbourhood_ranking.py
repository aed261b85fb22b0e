"""How well a guided walk ranks the one-edit neighbourhood of a program: its one training each against fresh ones.

    python benchmarks/neighbourhood_ranking.py runs/n [--truth truth.jsonl] [--figure ranking.png] [--json]

The run is one of `tradewind evolve --guided --hurdles 0`: every child was trained once, for the ranking. The truth is
the mean over fresh seeds: those of the file that `neighbourhood_truth.py` wrote, or without it those of the run itself
(`--retrain N` with N at least the number of neighbours). Prints Spearman's and Kendall's correlation with bootstrap
intervals over programs, how well the truth's seeds agree with each other, and where ranking and truth put the edits of
Primer: squared ReLU, and depthwise convolutions after the head projections.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tradewind.core import Evaluation
from tradewind.core.ranking import bootstrap_interval, common_ratio, kendall, spearman
from tradewind.programs import Program, canonical_hash, diff, neighbourhood, primer_ez, transformer
from tradewind.reports.evolution import Retrained, details, interval, retrained
from tradewind.studies import StoredStudy


def published() -> dict[str, str]:
    """What to look for, by canonical hash: one graph is reached by several edits."""
    seed, easy = transformer(), primer_ez()
    found = {
        "squared ReLU": seed.with_body(9, easy.subprograms[9].instructions),
        "DConv after each of q, k and v": seed.with_body(3, easy.subprograms[3].instructions),
    }
    for neighbour in neighbourhood(seed, ["DCONV_3X1"], ["insert"]):
        (line, *_) = diff(seed, neighbour.program)
        if line == "spliced DCONV_3X1 after head-projection in self-attention":
            place = next(i for i, x in enumerate(neighbour.program.subprograms[1].instructions) if x.op == "DCONV_3X1")
            found[f"DConv after {('k', 'q', 'q', 'v')[place - 1]} alone"] = neighbour.program
    return {canonical_hash(program): name for name, program in found.items()}


def ranked_once(study: StoredStudy) -> list[Evaluation]:
    """The evaluations of a walk that trained, of programs that compute the same the first one."""
    return [e for e in study.evaluations() if details(e, "loss") is not None and details(e, "same_as", None) is None]


def truth_of(path: Path, programs: Mapping[str, Program], start: Program) -> list[Retrained]:
    """Fresh trainings from a file of `neighbourhood_truth.py`, of the seeds that are finished for all programs."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    losses: dict[str, dict[int, float | None]] = {}
    for row in rows:
        losses.setdefault(row["id"], {})[row["seed"]] = row["losses"][-1]
    seeds = [s for s in sorted({row["seed"] for row in rows}) if all(s in found for found in losses.values())]
    base = losses[start.id]
    again = []
    for name, found in losses.items():
        kept = {seed: loss for seed in seeds if (loss := found[seed]) is not None}
        pairs = [base[seed] - loss for seed, loss in kept.items()]  # type: ignore[operator]
        gain = (math.nan,) * 3 if name == start.id else interval(pairs)
        again.append(Retrained(programs[name], kept, len(seeds) - len(kept), *gain))
    return again


def summary(run: Path, truth_file: Path | None = None) -> dict[str, Any]:
    """The comparison as plain data."""
    study = StoredStudy(run)
    start: Program = study.space.start  # type: ignore[attr-defined]
    evaluations = ranked_once(study)
    once = {e.candidate.id: float(details(e, "loss")) for e in evaluations}
    programs = {e.candidate.id: e.candidate for e in evaluations}
    fresh = truth_of(truth_file, programs, start) if truth_file else retrained(study.evaluations("retrain"), start)
    again = {r.program.id: r for r in fresh if r.losses and r.program.id in once}
    names, base = list(again), again[start.id]
    ranked = -np.array([once[name] for name in names])
    truth = -np.array([again[name].mean for name in names])
    places = {kind: _places(values) for kind, values in (("ranking", ranked), ("truth", truth))}
    edits, rows = published(), []
    for place, name in enumerate(names):
        gain, low, high = interval([base.losses[s] - x for s, x in again[name].losses.items() if s in base.losses])
        rows.append(
            {
                "edit": edits.get(canonical_hash(programs[name]))
                or "; ".join(diff(start, programs[name]))
                or "the start",
                "published": canonical_hash(programs[name]) in edits,
                "rank_by_walk": int(places["ranking"][place]),
                "rank_by_truth": int(places["truth"][place]),
                "loss_once": once[name],
                "loss_fresh": again[name].mean,
                "gain_once": once[start.id] - once[name],
                "gain": gain,
                "low": low,
                "high": high,
            }
        )
    n = len(names)

    def agreement(measure: Callable[..., float]) -> list[float]:
        bounds = bootstrap_interval(lambda i: measure(truth[i], ranked[i]), n, seed=0, resamples=1000)
        return [measure(truth, ranked), *bounds]

    whole = [name for name in names if len(again[name].losses) == len(base.losses)]
    seeds = np.array([[-again[name].losses[seed] for name in whole] for seed in base.losses])
    return {
        "programs": n,
        "fresh_seeds": len(base.losses),
        "seed_deviation": float(np.median([r.deviation for r in again.values()])),
        # Seeds are paired, so what is common to all programs of a seed is no noise of the comparison.
        "paired_deviation": float(np.median((seeds - seeds.mean(1, keepdims=True)).std(0, ddof=1))),
        "spread_of_truth": float(np.std(truth)),
        "spearman": agreement(spearman),
        "kendall": agreement(kendall),
        "common_ratio_at_10": common_ratio(truth, ranked, min(10, n)),
        "ceiling": ceiling(seeds),
        "edits": sorted(rows, key=lambda r: r["rank_by_truth"]),
    }


def ceiling(seeds: np.ndarray) -> dict[str, float]:
    """How well the truth's seeds, an (S, N) array, agree: the most that a ranking by one training may hope for.

    `single` is the mean Spearman correlation of one seed with the mean of the others; `pairs` that of two seeds, and
    `mean` what it makes of the mean of all (Spearman and Brown): its correlation with another mean of as many.
    """
    count = len(seeds)
    single = np.mean([spearman(np.delete(seeds, i, 0).mean(0), seeds[i]) for i in range(count)])
    pairs = np.mean([spearman(seeds[i], seeds[j]) for i in range(count) for j in range(i)])
    return {"single": float(single), "pairs": float(pairs), "mean": float(count * pairs / (1 + (count - 1) * pairs))}


def write_figure(found: dict[str, Any], path: Path) -> None:
    """Gain by the one training over gain by the truth, a point a program, Primer's edits named."""
    from matplotlib.figure import Figure

    from tradewind.reports import style

    with style.rc_context():
        picture = Figure(figsize=(6.4, 5), layout="constrained")
        axes = picture.subplots()
        rows = [row for row in found["edits"] if row["edit"] != "the start"]
        least = min(row["gain"] for row in rows if row["published"]) - 1.5 * abs(found["spread_of_truth"])
        far = [row for row in rows if row["gain"] < least]
        near = [row for row in rows if row["gain"] >= least]
        others = [row for row in near if not row["published"]]
        axes.axhline(0, color="0.75", lw=0.8)
        axes.axvline(0, color="0.75", lw=0.8)
        axes.scatter(
            [r["gain"] for r in others], [r["gain_once"] for r in others], s=16, color="0.6", label="other edits"
        )
        for i, row in enumerate(r for r in near if r["published"]):
            axes.errorbar(
                row["gain"],
                row["gain_once"],
                xerr=[[row["gain"] - row["low"]], [row["high"] - row["gain"]]],
                fmt="osD^v"[i % 5],
                color=f"C{i}",
                ms=6,
                capsize=2,
                label=row["edit"],
            )
        axes.set(
            xlabel="gain over the start, fresh seeds (nats a token, 95 %)", ylabel="gain in the walk, one training"
        )
        if far:
            axes.set_title(f"{len(far)} edits with a gain below {least:.2f} are not shown", fontsize=8)
        axes.legend(fontsize=7, frameon=False)
        picture.savefig(path, dpi=110)


def _places(values: np.ndarray) -> np.ndarray:
    """1 for the largest."""
    places = np.empty(len(values), dtype=int)
    places[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
    return places


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--truth", type=Path, help="file of neighbourhood_truth.py")
    parser.add_argument("--figure", type=Path, help="PNG to write")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    found = summary(arguments.run, arguments.truth)
    if arguments.figure:
        write_figure(found, arguments.figure)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    console = Console()
    for name in ("spearman", "kendall"):
        value, low, high = found[name]
        console.print(f"{name} {value:.3f} [{low:.3f}, {high:.3f}] over {found['programs']} programs")
    console.print(f"share of the true best 10 among the ranking's best 10: {found['common_ratio_at_10']:.2f}")
    console.print(f"seeds of the truth agree: {', '.join(f'{k} {v:.2f}' for k, v in found['ceiling'].items())}")
    table = Table(title=f"truth: mean of {found['fresh_seeds']} fresh seeds")
    for head in ("edit", "rank by walk", "rank by truth", "gain over the start (nats)"):
        table.add_column(head, justify="left" if head == "edit" else "right")
    for row in found["edits"]:
        gain = f"{row['gain']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]"
        table.add_row(row["edit"], str(row["rank_by_walk"]), str(row["rank_by_truth"]), gain)
    console.print(table)


if __name__ == "__main__":
    main()

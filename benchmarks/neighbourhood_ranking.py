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
import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tradewind.core import Evaluation
from tradewind.core.ranking import bootstrap_interval, common_ratio, kendall, spearman
from tradewind.programs import Program, diff, fingerprint, neighbourhood, primer_ez, resolve, transformer
from tradewind.reports.evolution import Retrained, details, interval, retrained
from tradewind.studies import StoredStudy

FEWEST = 10
"""Programs that two seeds must share to be compared."""


def published() -> dict[str, str]:
    """What to look for, by fingerprint: one function is reached by several edits."""
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
    return {fingerprint(resolve(program)): name for name, program in found.items()}


def ranked_once(study: StoredStudy) -> list[Evaluation]:
    """The evaluations of a walk that trained, of programs that compute the same the first one."""
    return [e for e in study.evaluations() if details(e, "loss") is not None and details(e, "same_as", None) is None]


def truth_of(path: Path, programs: Mapping[str, Program], start: Program) -> list[Retrained]:
    """Fresh trainings from a file of `neighbourhood_truth.py`."""
    losses: dict[str, dict[int, float | None]] = {}
    for row in map(json.loads, path.read_text().splitlines()):
        losses.setdefault(row["id"], {})[row["seed"]] = row["losses"][-1]
    base = losses[start.id]
    again = []
    for name, found in losses.items():
        kept = {seed: loss for seed, loss in found.items() if loss is not None and base.get(seed) is not None}
        pairs = [base[seed] - loss for seed, loss in kept.items()]  # type: ignore[operator]
        gain = (math.nan,) * 3 if name == start.id else interval(pairs)
        again.append(Retrained(programs[name], kept, len(found) - len(kept), *gain))
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
    # Gains over the start on equal seeds: a program that has fewer seeds is not helped or harmed by which they are.
    gains = {name: [base.losses[s] - x for s, x in again[name].losses.items() if s in base.losses] for name in names}
    truth = np.array([np.mean(gains[name]) for name in names])
    places = {kind: _places(values) for kind, values in (("ranking", ranked), ("truth", truth))}
    edits, rows = published(), []
    for place, name in enumerate(names):
        known = edits.get(fingerprint(resolve(programs[name])), "")
        _, low, high = interval(gains[name])
        rows.append(
            {
                "edit": known or "; ".join(diff(start, programs[name])) or "the start",
                "published": bool(known),
                "rank_by_walk": int(places["ranking"][place]),
                "rank_by_truth": int(places["truth"][place]),
                "loss_once": once[name],
                "loss_fresh": again[name].mean,
                "gain_once": once[start.id] - once[name],
                "seeds": len(gains[name]),
                "gain": float(truth[place]),
                "low": None if math.isnan(low) else low,
                "high": None if math.isnan(high) else high,
            }
        )
    n = len(names)

    def agreement(measure: Callable[..., float]) -> list[float]:
        bounds = bootstrap_interval(lambda i: measure(truth[i], ranked[i]), n, seed=0, resamples=1000)
        return [measure(truth, ranked), *bounds]

    several = [name for name in names if len(gains[name]) > 1]
    return {
        "programs": n,
        "fresh_seeds": len(base.losses),
        "with_several_seeds": len(several),
        "seed_deviation": float(np.median([again[name].deviation for name in several])),
        "gain_deviation": float(np.median([np.std(gains[name], ddof=1) for name in several if name != start.id])),
        "spread_of_truth": float(np.std(truth)),
        "spearman": agreement(spearman),
        "kendall": agreement(kendall),
        "common_ratio_at_10": common_ratio(truth, ranked, min(10, n)),
        "ceiling": ceiling([again[name].losses for name in names]),
        "edits": sorted(rows, key=lambda r: r["rank_by_truth"]),
    }


def ceiling(losses: Sequence[Mapping[int, float]]) -> dict[str, float]:
    """How well two seeds of the truth agree, which is what a ranking by one training of that length may hope for.

    The mean Spearman correlation over pairs of seeds that at least `FEWEST` programs share, and the most of these.
    """
    found, most = [], 0
    for one, other in itertools.combinations(sorted({seed for row in losses for seed in row}), 2):
        both = [(row[one], row[other]) for row in losses if one in row and other in row]
        if len(both) >= FEWEST:
            found.append(spearman(*zip(*both, strict=True)))
            most = max(most, len(both))
    return {"spearman": float(np.mean(found)) if found else math.nan, "programs": most}


def write_figure(found: dict[str, Any], path: Path) -> None:
    """Gain by the one training over gain by the truth, a point a program, Primer's edits named."""
    from matplotlib.figure import Figure

    from tradewind.reports import style

    with style.rc_context():
        picture = Figure(figsize=(6.4, 5), layout="constrained")
        axes = picture.subplots()
        rows = [row for row in found["edits"] if row["edit"] != "the start"]
        published = [row["gain"] for row in rows if row["published"]]
        least = min(published, default=0.0) - found["spread_of_truth"]
        far = [row for row in rows if row["gain"] < least]
        near = [row for row in rows if row["gain"] >= least]
        others = [row for row in near if not row["published"]]
        axes.axhline(0, color="0.75", lw=0.8)
        axes.axvline(0, color="0.75", lw=0.8)
        axes.scatter(
            [r["gain"] for r in others], [r["gain_once"] for r in others], s=16, color="0.6", label="other edits"
        )
        for i, row in enumerate(r for r in near if r["published"]):
            axes.plot(row["gain"], row["gain_once"], "osD^v"[i % 5], color=f"C{i}", ms=7, label=row["edit"])
        axes.set(xlabel="gain over the start, fresh seeds (nats a token)", ylabel="gain in the walk, one training")
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
    agreed = found["ceiling"]
    console.print(f"two seeds of the truth: spearman {agreed['spearman']:.3f} over {agreed['programs']} programs")
    table = Table(title=f"truth: mean of {found['fresh_seeds']} fresh seeds")
    for head in ("edit", "rank by walk", "rank by truth", "gain over the start (nats)"):
        table.add_column(head, justify="left" if head == "edit" else "right")
    for row in found["edits"]:
        bounds = "" if row["low"] is None else f" [{row['low']:+.4f}, {row['high']:+.4f}]"
        gain = f"{row['gain']:+.4f}{bounds}"
        table.add_row(row["edit"], str(row["rank_by_walk"]), str(row["rank_by_truth"]), gain)
    console.print(table)


if __name__ == "__main__":
    main()

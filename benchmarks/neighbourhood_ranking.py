"""How well a guided walk ranks the one-edit neighbourhood of a program: its one training each against fresh ones.

    python benchmarks/neighbourhood_ranking.py runs/n [--json]

The run is one of `tradewind evolve --guided --hurdles 0 --retrain N` with N at least the number of neighbours: every
child was trained once for the ranking, and again with fresh seeds, whose mean is the truth. Prints Spearman's and
Kendall's correlation with bootstrap intervals, and where both put the edits of Primer: squared ReLU, and depthwise
convolutions after the head projections.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tradewind.core.ranking import bootstrap_interval, common_ratio, kendall, spearman
from tradewind.programs import canonical_hash, diff, neighbourhood, primer_ez, transformer
from tradewind.reports.evolution import details, interval, retrained
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


def summary(run: Path) -> dict[str, Any]:
    """The comparison as plain data."""
    study = StoredStudy(run)
    start = study.space.start  # type: ignore[attr-defined]
    once = {e.candidate.id: details(e, "loss") for e in study.evaluations()}
    again = {r.program.id: r for r in retrained(study.evaluations("retrain"), start)}
    names = [name for name, row in again.items() if once.get(name) is not None and row.losses]
    ranked = -np.array([once[name] for name in names])
    truth = -np.array([again[name].mean for name in names])
    places = {kind: _places(values) for kind, values in (("ranking", ranked), ("truth", truth))}
    base = again[start.id]
    # Where seeds are paired with the start's, what is left of a difference is noise of the program's own.
    noise = float(np.median([r.deviation for r in again.values() if len(r.losses) > 1]))
    rows, edits = [], published()
    for name, row in again.items():
        words = "; ".join(diff(start, row.program)) or "the start"
        known = edits.get(canonical_hash(row.program), "")
        if name in names and (known or name == start.id or places["truth"][names.index(name)] <= 5):
            place = names.index(name)
            gain, low, high = interval([base.losses[s] - loss for s, loss in row.losses.items() if s in base.losses])
            rows.append(
                {
                    "edit": known or words,
                    "rank_by_walk": int(places["ranking"][place]),
                    "rank_by_truth": int(places["truth"][place]),
                    "loss_once": float(once[name]),
                    "loss_fresh": row.mean,
                    "gain": gain,
                    "low": low,
                    "high": high,
                }
            )
    n = len(names)

    def resampled(measure: Any) -> list[float]:
        return list(bootstrap_interval(lambda i: measure(truth[i], ranked[i]), n, seed=0, resamples=1000))

    return {
        "programs": n,
        "fresh_seeds": max(len(r.losses) for r in again.values()),
        "seed_deviation": noise,
        "spread_of_truth": float(np.std(truth)),
        "spearman": [spearman(truth, ranked), *resampled(spearman)],
        "kendall": [kendall(truth, ranked), *resampled(kendall)],
        "common_ratio_at_10": common_ratio(truth, ranked, min(10, n)),
        "edits": sorted(rows, key=lambda r: r["rank_by_truth"]),
    }


def _places(values: np.ndarray) -> np.ndarray:
    """1 for the largest."""
    places = np.empty(len(values), dtype=int)
    places[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
    return places


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    found = summary(arguments.run)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    console = Console()
    for name in ("spearman", "kendall"):
        value, low, high = found[name]
        console.print(f"{name} {value:.3f} [{low:.3f}, {high:.3f}] over {found['programs']} programs")
    console.print(f"share of the true best 10 among the ranking's best 10: {found['common_ratio_at_10']:.2f}")
    table = Table(title=f"truth: mean of {found['fresh_seeds']} fresh seeds")
    for head in ("edit", "rank by walk", "rank by truth", "gain over the start (nats)"):
        table.add_column(head, justify="left" if head == "edit" else "right")
    for row in found["edits"]:
        gain = f"{row['gain']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]"
        table.add_row(row["edit"], str(row["rank_by_walk"]), str(row["rank_by_truth"]), gain)
    console.print(table)


if __name__ == "__main__":
    main()

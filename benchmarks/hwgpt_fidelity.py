"""Judges the layer models of HW-GPT-Bench on rows that no fit has seen, beside a plain floor fitted to the same rows.

    python benchmarks/hwgpt_fidelity.py --data DIR --out results/DATE-hwgpt-fidelity [--scale s]

DIR holds hwgpt_{s,m,l}.parquet. Three splits, each with the same predictor and the same floor:

held-out    a random fifth of the architectures is kept out of the fit
new-job     fitted to arch_index below 7,500, scored on the 500 rows after it, which other jobs measured
tails       fitted where mean heads and mean MLP ratio lie in their middle 80%, scored where either does not

The floor is relative least squares per width with the features 1, n_layer, bias, bias·n_layer, layers with each MLP
ratio and layers with each head count, one robust pass: no jobs, no positions. `PUBLISHED` are its scores when fitted to
all 8,000 rows and scored on 2,000 other architectures of the release, which lie in one batch of jobs.

Kendall's tau is against raw medians (tau), with the job's level known from other rows (job), and with that level
divided out of the measurement (own).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tradewind import spaces
from tradewind.benchmarks.hwgpt.fidelity import scores
from tradewind.benchmarks.hwgpt.fitting import fit_target
from tradewind.benchmarks.hwgpt.observed import Observed, observed
from tradewind.benchmarks.hwgpt.targets import PREDICTED, SCALES
from tradewind.benchmarks.measured import MeasuredTable
from tradewind.core.files import write_json
from tradewind.core.ranking import kendall
from tradewind.predictors.layer_grid import LayerGrid

PUBLISHED = {
    "perplexity": (0.936, 0.916, 0.861),
    "bfloat16_memory_mb": (0.988, 0.982, 0.984),
    "float16_memory_mb": (0.988, 0.982, 0.984),
    "latency_ms.a100": (0.996, 0.991, 0.979),
    "latency_ms.a40": (0.996, 0.993, 0.988),
    "latency_ms.h100": (0.992, 0.993, 0.996),
    "latency_ms.rtx2080": (0.970, 0.993, 0.994),
    "latency_ms.rtx3080": (0.989, 0.972, 0.983),
    "latency_ms.a6000": (0.996, 0.993, 0.989),
    "latency_ms.v100": (0.934, 0.884, 0.832),
    "latency_ms.p100": (0.994, 0.992, 0.984),
    "latency_ms.cpu_xeon_gold": (0.868, 0.862, 0.827),
    "latency_ms.cpu_xeon_silver": (0.951, 0.832, 0.915),
    "latency_ms.cpu_amd_7502": (0.836, 0.790, 0.846),
    "latency_ms.cpu_amd_7513": (0.894, 0.918, 0.963),
    "latency_ms.cpu_amd_7452": (0.804, 0.787, 0.895),
    "energy_wh.a100": (0.881, 0.824, 0.809),
    "energy_wh.a40": (0.928, 0.905, 0.943),
    "energy_wh.h100": (0.865, 0.903, 0.914),
    "energy_wh.rtx2080": (0.871, 0.922, 0.926),
    "energy_wh.rtx3080": (0.938, 0.887, 0.933),
    "energy_wh.a6000": (0.821, 0.881, 0.850),
    "energy_wh.v100": (0.942, 0.914, 0.938),
    "energy_wh.p100": (0.919, 0.967, 0.974),
    "energy_wh.cpu_xeon_gold": (0.768, 0.832, 0.787),
    "energy_wh.cpu_xeon_silver": (0.955, 0.835, 0.911),
    "energy_wh.cpu_amd_7502": (0.822, 0.817, 0.814),
    "energy_wh.cpu_amd_7513": (0.800, 0.766, 0.775),
    "energy_wh.cpu_amd_7452": (0.784, 0.778, 0.827),
}
"""Kendall's tau of the floor on other rows of the release, scales s, m, l."""

FEWEST = 50
"""Rows that a split must leave on either side."""


def tails(values: Observed) -> np.ndarray:
    archs = values.codes.archs
    away = np.zeros(len(values))
    for field in ("n_head", "mlp_ratio"):
        mean = archs.layer_sum(field) / archs.n_layer
        off = np.abs(mean - np.median(mean))
        away = np.maximum(away, off / np.quantile(off, 0.8))
    return away > 1


SPLITS: dict[str, Callable[[Observed], np.ndarray]] = {
    "held-out": lambda values: values.held_out,
    "new-job": lambda values: values.order >= 7500,
    "tails": tails,
}


def floor(values: Observed, scored: np.ndarray) -> dict[str, float]:
    """Scores of the floor fitted to the other rows."""
    codes = values.codes
    flag, depth = codes.flag[:, None], codes.archs.n_layer[:, None]
    features = np.hstack([np.ones((len(values), 1)), depth, flag, flag * depth, codes.contrast_counts])
    guess = np.empty(len(values))
    for group in range(len(codes.grid.groups)):
        mine = codes.group == group
        fitted = mine & ~scored
        x, y = features[fitted] / values.medians[fitted][:, None], np.ones(fitted.sum())
        prices = np.linalg.lstsq(x, y, rcond=None)[0]
        error = np.abs(x @ prices - 1)
        weight = np.sqrt(np.minimum(1, 2 * 1.4826 * np.median(error) / np.maximum(error, 1e-12)))
        prices = np.linalg.lstsq(x * weight[:, None], y * weight, rcond=None)[0]
        guess[mine] = features[mine] @ prices
    truth = values.medians[scored]
    percent = 100 * np.abs(guess[scored] / truth - 1)
    return {"kendall": round(kendall(truth, guess[scored]), 4), "median_ape": round(float(np.median(percent)), 4)}


def judge(values: Observed) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, split in SPLITS.items():
        scored = split(values)
        if min(scored.sum(), (~scored).sum()) >= FEWEST:
            found[name] = {**scores(fit_target(values[~scored]), values, scored), "floor": floor(values, scored)}
    return found


def markdown(table: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| metric | published floor | floor | tau | job | own | rho | R² | ape | p90 | in 90% | single |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, splits in table.items():
        scale, column = name.split("/")
        f = splits["held-out"]
        published = PUBLISHED.get(column)
        known = f"{published[SCALES.index(scale)]:.3f}" if published else "-"
        lines.append(
            f"| {scale} `{column.replace('.', '@')}` | {known} | {f['floor']['kendall']:.3f} | {f['kendall']:.3f} | "
            f"{f['kendall_known_job']:.3f} | {f['kendall_corrected']:.3f} | {f['spearman']:.4f} | {f['r2']:.4f} | "
            f"{f['median_ape']:.2f}% | {f['p90_ape']:.1f}% | {f['coverage']:.1%} | {f['coverage_observation']:.1%} |"
        )
    return "\n".join(lines) + "\n"


def summary(table: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """How many columns beat the floor, fall more than 0.005 below it, and cover."""
    found: dict[str, Any] = {}
    for split in SPLITS:
        rows = {name: s[split] for name, s in table.items() if split in s}
        gain = {name: f["kendall"] - f["floor"]["kendall"] for name, f in rows.items()}
        found[f"{split}: tau against the floor on the same rows"] = {
            "columns": len(rows),
            "above": sum(g > 0 for g in gain.values()),
            "more than 0.005 below": sorted(name for name, g in gain.items() if g < -0.005),
            "median error, median over columns": float(np.median([f["median_ape"] for f in rows.values()])),
            "floor's": float(np.median([f["floor"]["median_ape"] for f in rows.values()])),
        }
    held_out = {name: splits["held-out"] for name, splits in table.items()}
    for kind in ("kendall", "kendall_known_job", "kendall_corrected"):
        gain = {
            name: f[kind] - PUBLISHED[name.split("/")[1]][SCALES.index(name[0])]
            for name, f in held_out.items()
            if name.split("/")[1] in PUBLISHED
        }
        found[f"held-out: {kind} against the published floor on other rows"] = {
            "columns": len(gain),
            "above": sum(g > 0 for g in gain.values()),
            "more than 0.005 below": {name: round(g, 4) for name, g in gain.items() if g < -0.005},
        }
    covered = {n: f["coverage"] for n, f in held_out.items() if "latency" in n and "cpu" not in n}
    found["held-out: coverage of 90% intervals of GPU latency"] = [min(covered.values()), max(covered.values())]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--scale", action="append", choices=SCALES)
    given = parser.parse_args()
    table = {}
    for scale in given.scale or SCALES:
        measured = MeasuredTable.load(scale, given.data)
        grid = LayerGrid.of_space(spaces.get(f"hwgpt-{scale}"))
        for column, values in observed(measured, grid, PREDICTED).items():
            table[f"{scale}/{column}"] = judge(values)
            print(f"{scale}/{column}", {k: v["kendall"] for k, v in table[f"{scale}/{column}"].items()}, flush=True)
    write_json(given.out / "fidelity.json", {"summary": summary(table), "columns": table})
    (given.out / "fidelity.md").write_text(markdown(table))
    print(*(f"{name}: {facts}" for name, facts in summary(table).items()), sep="\n")


if __name__ == "__main__":
    main()

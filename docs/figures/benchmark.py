"""Draws the figures of docs/benchmark.md from the published measurements.

    python docs/figures/benchmark.py --data DIR --predictors P

DIR holds hwgpt_{s,m,l}.parquet; P is what ``tradewind bench fit DIR --keep-held-out --out P`` wrote, so that every
score is on architectures that no fit has seen.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from PIL import Image

mpl.use("Agg")
import matplotlib.pyplot as plt

from tradewind.benchmarks.hwgpt import HWGPTBenchmark, load
from tradewind.benchmarks.hwgpt.fidelity import job_levels
from tradewind.benchmarks.hwgpt.observed import Observed, observed
from tradewind.benchmarks.hwgpt.targets import PREDICTED
from tradewind.benchmarks.measured import MeasuredTable
from tradewind.benchmarks.schema import GPUS
from tradewind.core import ArchitectureBatch
from tradewind.predictors.layer_grid import LayerGrid

HERE = Path(__file__).parent
COLOURS = ("#1b6ca8", "#e07b39", "#3c8d5a", "#8e5ea2")
KINDS = {
    "quality": lambda column: column in ("perplexity", "accuracy"),
    "latency, GPUs": lambda column: column.startswith("latency") and column.partition(".")[2] in GPUS,
    "latency, CPUs": lambda column: column.startswith("latency_ms.cpu"),
    "energy": lambda column: column.startswith("energy"),
}


def columns_of(bench: HWGPTBenchmark, names: tuple[str, ...]) -> dict[str, Observed]:
    """The measured columns of a scale."""
    table = MeasuredTable.load(bench.scale, bench.data)
    return observed(table, LayerGrid.of_space(bench.space), names)


def save(figure: Any, name: str) -> None:
    """Write a PNG of 48 colours, a third of the size of a full one."""
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=80)
    plt.close(figure)
    Image.open(buffer).convert("RGB").quantize(48).save(HERE / name, optimize=True)


def calibration(benches: list[HWGPTBenchmark]) -> None:
    """Share of held-out medians inside intervals of every nominal level, one line a column."""
    levels = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98])
    figure, axes = plt.subplots(1, 4, figsize=(11, 3), sharey=True)
    for bench in benches:
        for column, values in columns_of(bench, PREDICTED).items():
            rows = values.held_out
            found = bench.predictor(column.replace(".", "@")).predict(values.codes)
            inside = []
            for level in levels:
                low, high = found.interval(level)
                inside.append(np.mean((values.medians >= low)[rows] & (values.medians <= high)[rows]))
            for axis, (kind, belongs) in zip(axes, KINDS.items(), strict=True):
                if belongs(column):
                    few = rows.sum() < 100
                    axis.plot(
                        levels, inside, color="0.6" if few else COLOURS[0], lw=0.8, alpha=0.8, ls=":" if few else "-"
                    )
                    axis.set_title(kind, fontsize=10)
    for axis in axes:
        axis.plot([0, 1], [0, 1], color="black", lw=0.7, ls="--")
        axis.set_xlabel("nominal level")
    axes[0].set_ylabel("share of unseen medians inside")
    save(figure, "benchmark-calibration.png")


def drift(benches: list[HWGPTBenchmark]) -> None:
    """Residuals along the order of measurement, before and after the job's level is taken out."""
    shown = (
        ("s", "latency_ms.cpu_amd_7452"),
        ("l", "latency_ms.a100"),
        ("s", "latency_ms.rtx2080"),
        ("m", "latency_ms.p100"),
    )
    figure, axes = plt.subplots(2, 4, figsize=(12, 4.4), sharex=True)
    for place, (scale, column) in enumerate(shown):
        bench = next(b for b in benches if b.scale == scale)
        values = columns_of(bench, (column,))[column]
        predictor = bench.predictor(column.replace(".", "@"))
        mean = predictor.predict(values.codes).mean
        residual = 100 * np.log(values.medians / mean)
        level = 100 * job_levels(predictor, values, mean, ~values.held_out)
        limits = np.quantile(residual, [0.002, 0.998]) * 1.15
        for row, shift in enumerate((0.0, level)):
            for group, colour in enumerate(COLOURS[:3]):
                mine = values.codes.group == group
                axes[row, place].plot(
                    values.order[mine], (residual - shift)[mine], ".", ms=1, color=colour, rasterized=True,
                    label=f"width {values.codes.grid.groups[group]}",
                )  # fmt: skip
            axes[row, place].set_ylim(*limits)
        axes[0, place].set_title(f"{scale}: {column}", fontsize=9)
        axes[1, place].set_xlabel("arch_index")
    axes[0, 0].set_ylabel("measured / predicted, %")
    axes[1, 0].set_ylabel("... without the job, %")
    axes[0, 3].legend(fontsize=7, markerscale=6)
    save(figure, "benchmark-jobs.png")


def positions(benches: list[HWGPTBenchmark]) -> None:
    """What the largest choice of one layer does to perplexity, by position."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 5))
    for place, bench in enumerate(benches):
        model = bench.predictor("perplexity").model
        grid = model.grid
        assert model.positions is not None
        for row, field in enumerate(("n_head", "mlp_ratio")):
            last = max(c for c, (name, _) in enumerate(grid.contrasts) if name == field)
            for group, colour in enumerate(COLOURS[:3]):
                for d, (depth, style) in enumerate(zip(grid.depths, (":", "--", "-"), strict=True)):
                    effect = model.slopes[group, 0, last] + model.positions[group, d, :depth, last]
                    label = f"width {grid.groups[group]}" if d == 2 else None
                    axes[row, place].plot(100 * effect, color=colour, ls=style, lw=1, label=label)
            choice = grid.contrasts[last][1]
            first = dict(grid.layered)[field][0]
            axes[row, place].set_title(f"{bench.name}: {field} {first} → {choice}", fontsize=9)
            axes[row, place].axhline(0, color="0.7", lw=0.6)
        axes[1, place].set_xlabel("layer (full line: deepest network)")
        axes[0, place].legend(fontsize=7)
    for axis in axes[:, 0]:
        axis.set_ylabel("change of perplexity, %")
    save(figure, "benchmark-positions.png")


def corners(benches: list[HWGPTBenchmark]) -> None:
    """Where searches go and no sample lies: uniform architectures from smallest to largest, with 90% intervals."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.3))
    for axis, bench in zip(axes, benches, strict=True):
        grid = LayerGrid.of_space(bench.space)
        values = columns_of(bench, ("perplexity", "latency_ms.h100"))
        x = values["latency_ms.h100"]
        y = values["perplexity"]
        both = np.isin(x.order, y.order)
        axis.plot(x.medians[both], y.medians, ".", ms=1, color="0.6", label="measured", rasterized=True)
        heads, ratios = (dict(grid.layered)[name] for name in ("n_head", "mlp_ratio"))
        for width, colour in zip(grid.groups, COLOURS, strict=False):
            ends = bench.space.sample_many(1, seed=0)
            archs = [
                ends[0].replace(d_model=width, bias=False, n_head=(h,) * depth, mlp_ratio=(m,) * depth)
                for depth in grid.depths
                for h in heads
                for m in ratios
            ]
            batch = ArchitectureBatch.of(archs)
            cost, quality = bench.predict(batch, "latency_ms@h100"), bench.predict(batch, "perplexity")
            low, high = quality.interval(0.9)
            error = np.abs(np.vstack([quality.mean - low, high - quality.mean]))
            axis.errorbar(
                cost.mean,
                quality.mean,
                yerr=error,
                fmt="o",
                ms=3,
                lw=0.8,
                color=colour,
                label=f"uniform, width {width}",
            )
        axis.set_title(bench.name, fontsize=10)
        axis.set_xlabel("latency on h100, ms")
    axes[0].set_ylabel("perplexity")
    axes[0].legend(fontsize=7)
    save(figure, "benchmark-corners.png")


def main() -> None:
    """Draw all figures beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--predictors", required=True, type=Path)
    given = parser.parse_args()
    benches = [load(f"hwgpt-{scale}", given.predictors, given.data) for scale in ("s", "m", "l")]
    for draw in (calibration, drift, positions, corners):
        draw(benches)


if __name__ == "__main__":
    main()

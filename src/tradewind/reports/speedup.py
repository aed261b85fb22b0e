"""The figure of a speed-up experiment: losses over steps and processor time, factors with their intervals, the rest.

Below the sizes stand, where the experiment has them, the power law over sizes and the tables of parts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind.reports import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COUNTS = {"steps": "steps", "flops": "operations", "cpu_seconds": "processor time"}
PARTS = 3
"""Rows that a table of parts needs to be drawn; the factors show as much of fewer."""


def figure(found: dict[str, Any]) -> Figure:
    """A row a size, with 95% intervals; in a last row the power law and the tables of parts, if any."""
    from matplotlib.figure import Figure

    sizes = found["sizes"]
    matrices = [name for name, parts in found["matrices"].items() if len(parts) >= PARTS]
    below = [name for name in ("power_law",) if name in found] + matrices
    rows = len(sizes) + bool(below)
    with style.rc_context():
        picture = Figure(figsize=(11, 3.4 * rows), layout="constrained")
        grid = picture.subplots(rows, 3, squeeze=False)
        for axes, (size, table) in zip(grid, sizes.items(), strict=False):
            blocks = {block: table["blocks"][block] for block in _blocks(found)}
            _curves(axes[0], blocks, lambda row, steps: steps)
            _curves(axes[1], blocks, lambda row, steps: steps * row["cpu_seconds_per_step"])
            axes[0].set(xlabel="steps", ylabel=f"{size}: validation nats a token")
            axes[1].set(xlabel="processor seconds")
            axes[0].legend(fontsize=7, frameon=False)
            _factors(axes[2], blocks)
        for axes, name in zip(grid[-1] if below else (), [*below, None, None, None], strict=False):
            if name is None:
                axes.set_visible(False)
            elif name == "power_law":
                _power_law(axes, found)
            else:
                _parts(axes, name, found["matrices"][name])
        return picture


def _blocks(found: dict[str, Any]) -> list[str]:
    """The baseline, then the variants in their order."""
    return [found["experiment"]["baseline"], *found["experiment"]["variants"]]


def _mean_curve(row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Steps, and the losses of every seed at them, as far as all went."""
    shortest = min(len(curve["losses"]) for curve in row["curves"])
    losses = np.array([curve["losses"][:shortest] for curve in row["curves"]])
    return np.array(row["curves"][0]["steps"])[:shortest], losses


def _curves(axes: Axes, blocks: dict[str, Any], spent: Any) -> None:
    reached = []
    for i, (block, row) in enumerate(blocks.items()):
        if not row["curves"]:
            continue
        steps, losses = _mean_curve(row)
        x = spent(row, steps)
        axes.plot(x, losses.mean(axis=0), color=f"C{i}", lw=1.2, label=block)
        axes.fill_between(x, losses.min(axis=0), losses.max(axis=0), color=f"C{i}", alpha=0.15, lw=0)
        reached += x.tolist()
    style.scale_axis(axes, "x", reached)


def _factors(axes: Axes, blocks: dict[str, Any]) -> None:
    for i, row in enumerate(blocks.values()):
        for j, (count, name) in enumerate(COUNTS.items()):
            one = row[f"factor_{count}"]
            around = [[max(0.0, one["value"] - one["low"])], [max(0.0, one["high"] - one["value"])]]
            place, shape = -i - 0.22 * (j - 1), "os^"[j]
            axes.errorbar(one["value"], place, xerr=around, color=f"C{i}", fmt=shape, ms=4, lw=1, capsize=2)
            if i == 0:
                axes.plot([], [], shape, color="0.4", ms=4, label=name)
    axes.axvline(1.0, color="0.6", lw=0.8)
    axes.set_yticks([-i for i in range(len(blocks))], list(blocks))
    axes.set(xlabel="how many times less compute")
    axes.legend(title="counted in", title_fontsize=7, fontsize=7, loc="best")


def _power_law(axes: Axes, found: dict[str, Any]) -> None:
    """Mean curves of all sizes over operations, and the law through the least of them."""
    law, spent = found["power_law"], []
    for i, block in enumerate(_blocks(found)):
        for table in found["sizes"].values():
            row = table["blocks"][block]
            steps, losses = _mean_curve(row)
            axes.plot(steps * row["flops_per_step"], losses.mean(axis=0), color=f"C{i}", lw=0.7, alpha=0.5)
            spent += [float(steps[0] * row["flops_per_step"]), float(steps[-1] * row["flops_per_step"])]
        compute = np.geomspace(min(spent), max(spent), 50)
        level = law[f"log a of {block}"]["value"] - law["k"]["value"] * np.log(compute)
        axes.plot(compute, np.exp(level), "--", color=f"C{i}", lw=1.4, label=block)
    style.scale_axis(axes, "x", spent)
    k = law["k"]
    axes.set(xlabel="operations of training", ylabel="validation nats a token")
    axes.set_title(f"loss = a · operations^-k, k = {k['value']:.3f} ({k['low']:.3f} to {k['high']:.3f})", fontsize=8)
    axes.legend(fontsize=7, frameon=False)


def _parts(axes: Axes, name: str, rows: list[dict[str, Any]]) -> None:
    places = [-i for i in range(len(rows))]
    gains, spreads = ([100 * row[key] for row in rows] for key in ("gain", "spread"))
    axes.barh(places, gains, xerr=spreads, height=0.6, color=[f"C{i + 1}" for i in range(len(rows))], capsize=2)
    axes.axvline(0.0, color="0.6", lw=0.8)
    axes.set_yticks(places, [row["part"] for row in rows])
    what = "vanilla with one part" if name == "insertion" else "Primer without one part"
    axes.set(xlabel="what the part gains in perplexity, %, ± deviation", title=f"{name}: {what}")


def write_figure(found: dict[str, Any], path: Path) -> None:
    """Write the figure as PNG."""
    with style.rc_context():
        figure(found).savefig(path, dpi=110)

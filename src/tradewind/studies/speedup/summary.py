"""From curves to figures: speed-up factors with confidence intervals, tables of parts, and a power law over sizes.

Definitions (So et al. 2021, arXiv 2109.08668, section 4.1 and appendix A.4):

factor     compute of the baseline to its final loss over the variant's compute to the same loss; counted
           in steps, in operations (closed forms), and in processor time (the median over all steps of a run)
curve      validation losses, each the median of itself and its neighbours, then the least so far; between two scores
           the loss is linear in the logarithm of the step
never      a variant that does not get there is extrapolated by the line through the last third of its curve, loss over
           the logarithm of the step, and marked so; one that diverged, or does not fall, has the factor 0. A run
           that diverged before its first score is in no mean of losses, and a seed whose baseline did is left out
interval   95%, percentiles of the mean log factor over seeds drawn with replacement. Seeds are paired: a factor
           compares two runs on the same batches. With three seeds such an interval is little more than their range
power law  log loss = log a_block - k log compute, one k for all blocks, through the least losses that any size reaches
           at each of some values of compute; the factor between two blocks is then (a_baseline / a_variant)^(1/k)
"""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from tradewind.core import StudyError
from tradewind.core.files import read_json
from tradewind.core.seeds import generator
from tradewind.studies.speedup.experiment import MATRICES, Experiment, Size, Task
from tradewind.studies.speedup.run import EXPERIMENT, chosen_rate, result

DRAWS = 2000
"""Samples of a bootstrap."""
GRID = 12
"""Values of compute at which the power law reads the least loss."""
COUNTS = ("steps", "flops", "cpu_seconds")

Result = dict[str, Any]


def summarise(out: str | os.PathLike[str]) -> dict[str, Any]:
    """The figures of a folder's experiment, plain data; seeds that are not finished for every block are left out.

    Raises `StudyError` where no seed is finished.
    """
    folder = Path(out)
    if not (folder / EXPERIMENT).is_file():
        raise StudyError(f"{folder} holds no speed-up experiment; make one with tradewind speedup --out {folder}")
    experiment = Experiment.from_dict(read_json(folder / EXPERIMENT))
    tables: dict[str, dict[str, Any]] = {}
    finished: dict[Size, list[dict[str, Result]]] = {}
    for size in experiment.sizes:
        rate = chosen_rate(experiment, size, folder)
        seeds = _finished(experiment, size, rate, folder)
        if seeds:
            finished[size] = seeds
            tables[str(size)] = {"learning_rate": rate, "seeds": len(seeds), "blocks": _table(experiment, seeds)}
    if not finished:
        raise StudyError(f"no seed in {folder} is finished for every block; run the same command again")
    found: dict[str, Any] = {"experiment": experiment.to_dict(), "sizes": tables}
    matrices = {name: _matrix(name, experiment, next(iter(finished.values()))) for name in MATRICES}
    found["matrices"] = {name: rows for name, rows in matrices.items() if rows}
    if len(finished) > 1 and all(row["curves"] for table in tables.values() for row in table["blocks"].values()):
        found["power_law"] = power_law(experiment, finished)
    return found


def smooth(losses: list[float]) -> np.ndarray:
    """Medians of three, then the least so far: one disturbed score neither makes nor breaks a crossing.

    >>> smooth([3.0, 1.0, 2.5, 2.0, 2.2]).tolist()
    [3.0, 2.5, 2.0, 2.0, 2.0]
    """
    raw = np.asarray(losses, dtype=float)
    middle = raw.copy()
    if len(raw) > 2:
        middle[1:-1] = np.median(np.stack([raw[:-2], raw[1:-1], raw[2:]]), axis=0)
    smoothed: np.ndarray = np.minimum.accumulate(middle)
    return smoothed


def steps_to(target: float, run: Result) -> tuple[float, bool]:
    """Steps to a loss, and whether that was extrapolated; infinite where the curve does not fall towards it.

    >>> run = {"steps": [1, 10, 100], "losses": [3.0, 2.0, 1.0], "diverged": False}
    >>> round(steps_to(1.5, run)[0], 2), round(steps_to(0.5, run)[0], 1)
    (31.62, 316.2)
    """
    if not run["losses"]:
        return math.inf, True
    curve, logs = smooth(run["losses"]), np.log(np.asarray(run["steps"], dtype=float))
    below = np.flatnonzero(curve <= target)
    if len(below):
        last = int(below[0])
        if last == 0:
            return float(run["steps"][0]), False
        share = (curve[last - 1] - target) / (curve[last - 1] - curve[last])
        return float(np.exp(logs[last - 1] + share * (logs[last] - logs[last - 1]))), False
    if run["diverged"] or len(curve) < 2:
        return math.inf, True
    tail = slice(-max(2, len(curve) // 3), None)
    slope, level = np.polyfit(logs[tail], curve[tail], 1)
    if slope >= 0:
        return math.inf, True
    return float(np.exp(min((target - level) / slope, 700.0))), True


def factor(baseline: Result, variant: Result, count: str = "steps") -> tuple[float, bool]:
    """Compute of the baseline's run over the variant's to the baseline's final loss, and whether extrapolated."""
    steps, beyond = steps_to(float(smooth(baseline["losses"])[-1]), variant)
    own, other = (1.0, 1.0) if count == "steps" else (run[f"{count}_per_step"] for run in (baseline, variant))
    reached, _ = steps_to(float(smooth(baseline["losses"])[-1]), baseline)
    return float(reached * own / (steps * other)) if math.isfinite(steps) else 0.0, beyond


def interval(values: list[float], seed: int = 0) -> tuple[float, float, float]:
    """Geometric mean and 95% bootstrap interval of positive values; zeros make it 0.

    >>> [round(x, 3) for x in interval([1.0, 1.0, 1.0])]
    [1.0, 1.0, 1.0]
    """
    if min(values) <= 0:
        return 0.0, 0.0, float(max(values))
    logs = np.log(values)
    draws = generator(seed, "speedup", "bootstrap").integers(len(logs), size=(DRAWS, len(logs)))
    low, high = np.quantile(logs[draws].mean(axis=1), [0.025, 0.975])
    return float(np.exp(logs.mean())), float(np.exp(low)), float(np.exp(high))


def power_law(experiment: Experiment, finished: dict[Size, list[dict[str, Result]]]) -> dict[str, Any]:
    """One exponent for all blocks and a level for each, over sizes, with 95% bootstrap intervals over seeds."""
    count = min(len(seeds) for seeds in finished.values())
    every = range(count)
    best = _fit(experiment, finished, every)
    if best is None:
        raise StudyError("the curves of the sizes share no range of compute; train them for longer, or closer sizes")
    draws = generator(experiment.seed, "speedup", "power law").integers(count, size=(200, count))
    fits = [fit for row in draws.tolist() if (fit := _fit(experiment, finished, row)) is not None]
    spread = {key: np.quantile([fit[key] for fit in fits], [0.025, 0.975]).tolist() for key in best}
    return {key: {"value": value, "low": spread[key][0], "high": spread[key][1]} for key, value in best.items()}


def _finished(experiment: Experiment, size: Size, rate: float, folder: Path) -> list[dict[str, Result]]:
    """For each seed that is finished for every block and whose baseline has a score, the results by block."""
    found = []
    for seed in range(experiment.seed, experiment.seed + experiment.seeds):
        runs = {block: result(Task(size, block, seed, rate), folder) for block in experiment.blocks}
        done = {block: run for block, run in runs.items() if run is not None}
        if len(done) == len(runs) and done[experiment.baseline]["losses"]:
            found.append(done)
    return found


def _table(experiment: Experiment, seeds: list[dict[str, Result]]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for block in experiment.blocks:
        runs, bases = [s[block] for s in seeds], [s[experiment.baseline] for s in seeds]
        scored = [(run, base) for run, base in zip(runs, bases, strict=True) if run["losses"]]
        finals = np.array([smooth(run["losses"])[-1] for run, _ in scored])
        gaps = finals - np.array([smooth(base["losses"])[-1] for _, base in scored])
        row: dict[str, Any] = {
            "params": runs[0]["params"],
            "flops_per_step": runs[0]["flops_per_step"],
            "cpu_seconds_per_step": float(np.median([run["cpu_seconds_per_step"] for run in runs])),
            "diverged": sum(run["diverged"] for run in runs),
            "final_loss": float(finals.mean()) if scored else None,
            "final_loss_spread": float(finals.std(ddof=1)) if len(finals) > 1 else 0.0,
            "gap": float(gaps.mean()) if scored else None,
            "gap_spread": float(gaps.std(ddof=1)) if len(gaps) > 1 else 0.0,
            "curves": [{"seed": run["seed"], "steps": run["steps"], "losses": run["losses"]} for run, _ in scored],
        }
        for count in COUNTS:
            pairs = [factor(base, run, count) for base, run in zip(bases, runs, strict=True)]
            value, low, high = interval([pair[0] for pair in pairs], experiment.seed)
            row[f"factor_{count}"] = {
                "value": value,
                "low": low,
                "high": high,
                "seeds": [pair[0] for pair in pairs],
                "extrapolated": sum(pair[1] for pair in pairs),
            }
        rows[block] = row
    return rows


def _matrix(name: str, experiment: Experiment, seeds: list[dict[str, Result]]) -> list[dict[str, Any]]:
    """(P_b - P_m) / P_b for parts put into vanilla, (P_m - P_b) / P_b for parts left out of Primer; P perplexity."""
    base, members = MATRICES[name]
    rows = []
    for part, block in zip(MATRICES["insertion"][1], members, strict=True):
        if base not in experiment.blocks or block not in experiment.blocks:
            continue
        deltas = []
        for seed in seeds:
            if not seed[block]["losses"]:
                continue
            log_ratio = smooth(seed[block]["losses"])[-1] - smooth(seed[base]["losses"])[-1]
            deltas.append(-math.expm1(log_ratio) if name == "insertion" else math.expm1(log_ratio))
        spread = float(np.std(deltas, ddof=1)) if len(deltas) > 1 else 0.0
        if deltas:
            rows.append({"part": part, "gain": float(np.mean(deltas)), "spread": spread, "seeds": len(deltas)})
    return rows


def _fit(experiment: Experiment, finished: dict[Size, list[dict[str, Result]]], seeds: Any) -> dict[str, float] | None:
    rows, targets = [], []
    for place, block in enumerate(experiment.blocks):
        curves = [
            (np.asarray(run["steps"]) * run["flops_per_step"], smooth(run["losses"]))
            for results, i in itertools.product(finished.values(), seeds)
            for run in (results[i][block],)
            if run["losses"]
        ]
        if not curves:
            return None
        low = max(min(compute) for compute, _ in curves)
        high = max(max(compute) for compute, _ in curves)
        if low >= high:
            return None
        grid = np.linspace(math.log(low), math.log(high), GRID)
        least = np.min([np.interp(grid, np.log(c), v, left=np.inf) for c, v in curves], axis=0)
        for at, loss in zip(grid.tolist(), least.tolist(), strict=True):
            rows.append([*(1.0 if place == i else 0.0 for i in range(len(experiment.blocks))), -at])
            targets.append(math.log(loss))
    solved = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0]
    k = float(solved[-1])
    levels = dict(zip(experiment.blocks, solved[:-1].tolist(), strict=True))
    fit = {"k": k} | {f"log a of {block}": level for block, level in levels.items()}
    if k > 0:
        base = levels[experiment.baseline]
        fit |= {f"factor of {block}": math.exp((base - levels[block]) / k) for block in experiment.variants}
    return fit

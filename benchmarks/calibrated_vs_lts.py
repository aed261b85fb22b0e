"""Few calibrated measurements against ten times as many evolutionary ones, on this machine's processor.

For every seed two studies of the same space, workload and objectives (decoder_params, latency_ms, peak_memory_mb) run
one after the other, in turn first: `calibrated` with at most 64 device measurements and `lts` with 640. Both are judged
by the hypervolume of what they measured, up to one reference point (the nadir of all runs' common frontier plus a tenth
of its range), in plain units and in logarithms, and by their seconds. A stopped command resumes; `--judge` only judges.

Every value is judged as it was measured, so luck in the noise counts, and the longer search has more of it.

    python benchmarks/calibrated_vs_lts.py --space gpt2 --length 64 --seeds 3 --out runs/gpt2   # quiet, hours
    python benchmarks/calibrated_vs_lts.py --space gpt2 --set n_layer=2..3 --length 16 --seeds 1 --measurements 4 \
        --calibrated 8 --lts 8 --out runs/try                                                       # half a minute
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from tradewind import spaces
from tradewind.core import Evaluation, Workload, parse_objectives
from tradewind.core.files import read_json, write_json, write_text
from tradewind.pareto import hypervolume, nondominated_mask, oriented, reference_point
from tradewind.studies import Study

OBJECTIVES = parse_objectives("decoder_params,latency_ms,peak_memory_mb", "cpu")
TIMING = {"min_repeats": 3, "max_seconds": 0.25, "target_spread": 0.02}
"""A quarter of the usual time for a candidate: the same for both, and 640 candidates are many."""
WALL_FILE = "wall.json"
"""Seconds of a study's finished legs, beside its database."""
Runs = dict[tuple[str, int], Study]


def main() -> None:
    """Run what is missing, judge, write summary.json and table.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="gpt2", help="gpt2 or transformer-xl")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=CHOICES", help="narrow a dimension; repeat")
    parser.add_argument("--length", type=int, default=192, help="tokens a sequence")
    parser.add_argument("--batch", type=int, default=1, help="sequences in a forward")
    parser.add_argument("--logits", default="all", help="positions the output layer runs for: all or last")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--calibrated", type=int, default=64, help="most measurements of `calibrated`")
    parser.add_argument("--lts", type=int, default=640, help="measurements of `lts`")
    parser.add_argument("--measurements", type=int, default=24, help="of those of `calibrated`, the first design")
    parser.add_argument("--initial", type=int, default=0, help="random starts of `lts`; 0: the paper's 100")
    parser.add_argument("--time-limit", type=float, default=120.0, help="seconds a candidate may take")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs, resumed where it stopped")
    parser.add_argument("--judge", action="store_true", help="measure nothing more, judge what is there")
    given = parser.parse_args()
    budgets = {"calibrated": given.calibrated, "lts": given.lts}
    runs: Runs = {}
    for seed in range(given.seeds):
        # Taking turns keeps a machine that grows slower over the day from favouring one of the two.
        for name in sorted(budgets, reverse=bool(seed % 2)):
            runs[name, seed] = run(given, name, seed, budgets[name])
    summary = judge(runs, budgets) | {"space": given.space, "set": given.set, "length": given.length}
    write_json(given.out / "summary.json", summary)
    write_text(given.out / "table.md", table(summary))
    print(table(summary))


def run(given: argparse.Namespace, name: str, seed: int, budget: int) -> Study:
    """The study of one algorithm and seed, run to its end unless only judging is asked for."""
    folder = given.out / f"{name}-{seed}"
    if given.judge:
        return Study.open(folder)
    place = spaces.get(given.space)
    settings = {"measurements": given.measurements} if name == "calibrated" else {"initial": given.initial}
    study = Study.create(
        folder,
        space=place.narrow(**spaces.parse_choices(given.set)) if given.set else place,
        objectives=OBJECTIVES,
        algorithm=name,
        settings=settings,
        seed=seed,
        workload=Workload(batch=given.batch, seq_len=given.length, logits=given.logits),
        device_options={"time_limit_s": given.time_limit, "timing": TIMING},
        resume=True,
    )
    before = read_json(folder / WALL_FILE) if (folder / WALL_FILE).exists() else {"seconds": 0.0, "done": False}
    if before["done"] and before["budget"] == budget:
        return study
    print(f"{name}, seed {seed}: {len(study.evaluations())} of {budget} measured so far", flush=True)
    start, done = time.monotonic(), False
    try:
        study.run(budget=budget)
        done = True
    finally:
        spent = before["seconds"] + time.monotonic() - start
        write_json(folder / WALL_FILE, {"seconds": round(spent, 1), "done": done, "budget": budget})
    return study


def judge(runs: Runs, budgets: dict[str, int]) -> dict[str, Any]:
    """Hypervolumes at growing numbers of measurements, as shares of what `lts` of the same seed reached, and times."""
    points = {key: values_of(study.evaluations()) for key, study in runs.items()}
    found = np.concatenate([array[~np.isnan(array[:, 0])] for array in points.values()])
    front = oriented(found, OBJECTIVES)
    front = front[nondominated_mask(front)]
    rows = [
        judged(name, seed, study, points[name, seed], points["lts", seed], front, at(budgets[name]))
        for (name, seed), study in sorted(runs.items())
    ]
    final = {name: [r for r in rows if r["algorithm"] == name] for name in budgets}
    pairs = list(zip(final["calibrated"], final["lts"], strict=True))
    ratios = {
        "hypervolume": [a["share"][-1] for a, _ in pairs],
        "log_hypervolume": [a["log_share"][-1] for a, _ in pairs],
        "measuring_seconds": [a["seconds"][-1] / b["seconds"][-1] for a, b in pairs],
        "wall_seconds": [a["wall_s"] / b["wall_s"] for a, b in pairs if a["wall_s"] and b["wall_s"]],
    }
    machine = next(iter(runs.values())).config["evaluator"]
    return {
        "objectives": [o.name for o in OBJECTIVES],
        "reference": oriented([reference_point(front)], OBJECTIVES)[0].tolist(),
        "log_reference": logs_of(front)[1].tolist(),
        "ratios": {
            name: {"mean": float(np.mean(v)), "sd": float(np.std(v, ddof=1)) if len(v) > 1 else None, "each": v}
            for name, v in ratios.items()
            if v
        },
        "runs": rows,
        "evaluator": machine,
    }


def judged(
    name: str, seed: int, study: Study, points: np.ndarray, rival: np.ndarray, front: np.ndarray, numbers: list[int]
) -> dict[str, Any]:
    """One run at each number of measurements that it reached: shares of the rival's final hypervolume, seconds."""
    evaluations = study.evaluations()
    numbers = sorted({min(n, len(evaluations)) for n in numbers})
    # A candidate's seconds hold those of the anchor that was measured with it.
    spent = np.cumsum([e.seconds for e in evaluations])
    wall = study.path / WALL_FILE
    clean = points[~np.isnan(points[:, 0])]
    return {
        "algorithm": name,
        "seed": seed,
        "measured": numbers,
        "share": [volume(points[:n], front) / volume(rival, front) for n in numbers],
        "log_share": [log_volume(points[:n], front) / log_volume(rival, front) for n in numbers],
        "seconds": [round(float(spent[n - 1]), 1) for n in numbers],
        "wall_s": read_json(wall)["seconds"] if wall.exists() else None,
        "failed": int(len(points) - len(clean)),
        "frontier": int(nondominated_mask(oriented(clean, OBJECTIVES)).sum()),
        "drift": drift(study),
    }


def at(budget: int) -> list[int]:
    """Numbers of measurements to judge after: multiples of 8 up to 64, then doublings, then the budget."""
    small = list(range(8, min(budget, 64) + 1, 8))
    return sorted({*small, *(n for n in (128, 256, 384, 512) if n < budget), budget})


def values_of(evaluations: list[Evaluation]) -> np.ndarray:
    """Measured values (N, M) in their units, rows of NaN where one is missing."""
    rows = [e.values(OBJECTIVES) for e in evaluations]
    return np.array([row if row is not None else [np.nan] * len(OBJECTIVES) for row in rows], dtype=float)


def volume(points: np.ndarray, front: np.ndarray) -> float:
    """Hypervolume in units of the common frontier's ranges."""
    return _share(oriented(points[~np.isnan(points[:, 0])], OBJECTIVES), reference_point(front), front)


def log_volume(points: np.ndarray, front: np.ndarray) -> float:
    """The same of the logarithms, where the small networks count as much as the large ones."""
    logs, corner = logs_of(front)
    found = points[~np.isnan(points[:, 0])]
    return _share(oriented(np.log(found), OBJECTIVES), corner, logs)


def logs_of(front: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Oriented logarithms of oriented points, and their reference point."""
    logs = oriented(np.log(oriented(front, OBJECTIVES)), OBJECTIVES)
    return logs, reference_point(logs)


def _share(points: np.ndarray, corner: np.ndarray, front: np.ndarray) -> float:
    extent = corner - front.min(axis=0)
    extent = np.where(extent > 0, extent, 1.0)
    return float(hypervolume((points - corner) / extent, np.zeros(len(corner))))


def drift(study: Study) -> float | None:
    """The furthest that the anchor's stable times were from the first of them."""
    name = "latency_ms@cpu"
    readings = [e.measurements[name] for e in study.evaluations("anchor")]
    times = [m.value for m in readings if m.value and m.details.get("stable", True)]
    return round(max(abs(t / times[0] - 1) for t in times), 4) if times else None


def table(summary: dict[str, Any]) -> str:
    """The summary as Markdown: one row a number of measurements, mean over seeds with the least and the most."""
    ratios = summary["ratios"]
    lines = [
        f"`{summary['space']}` {' '.join(summary['set'])} length {summary['length']}: calibrated over lts, "
        + ", ".join(f"{name.replace('_', ' ')} {r['mean']:.3f}" for name, r in ratios.items()),
        "",
        "| algorithm | measured | share of lts's final hypervolume | of logarithms | seconds of measuring |",
        "|---|---|---|---|---|",
    ]
    for name in ("calibrated", "lts"):
        runs = [r for r in summary["runs"] if r["algorithm"] == name]
        for n in sorted({n for r in runs for n in r["measured"]}):
            cells = [(r, r["measured"].index(n)) for r in runs if n in r["measured"]]
            seconds = np.mean([r["seconds"][i] for r, i in cells])
            shares, logs = (_spread([r[key][i] for r, i in cells]) for key in ("share", "log_share"))
            lines.append(f"| {name} | {n} | {shares} | {logs} | {seconds:.0f} |")
    return "\n".join(lines) + "\n"


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.4f} [{min(values):.4f}, {max(values):.4f}]"


if __name__ == "__main__":
    main()

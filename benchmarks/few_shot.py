"""How few measurements calibrate a device: learning curves on the released data of HW-GPT-Bench.

For every device and scale a pool of measured architectures stands for the device; `n` of them, chosen by design, are
"measured" (their published medians) and the additive cost model fitted to them predicts the latency, or the energy, of
others.

    python benchmarks/few_shot.py --data DIR --out results/NAME      # needs hwgpt_{s,m,l}.parquet
    python benchmarks/few_shot.py --data DIR --quantity energy_wh --out results/NAME
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from tradewind.core import ArchitectureBatch, Workload
from tradewind.core.files import write_json
from tradewind.core.ranking import kendall
from tradewind.predictors.cost_model import fit_cost_model
from tradewind.predictors.design import design

SHAPE = ["embed_dim", "n_layer", "n_head", "mlp_ratio", "bias"]
BATCH = {"s": 8, "m": 4, "l": 1}
SIZES = (8, 16, 32, 64, 128)
POOL, UNSEEN = 2000, 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of hwgpt_s.parquet, hwgpt_m.parquet, ...")
    parser.add_argument("--out", type=Path, help="folder for few_shot.json")
    parser.add_argument("--scales", default="s,m,l")
    parser.add_argument("--devices", default="", help="comma-separated; all if not given")
    parser.add_argument("--quantity", default="latency_ms", choices=("latency_ms", "energy_wh"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    rows, start = [], time.perf_counter()
    for scale in options.scales.split(","):
        path = options.data / f"hwgpt_{scale}.parquet"
        start_of = f"{options.quantity}."
        names = [c.removeprefix(start_of) for c in pq.read_schema(path).names if c.startswith(start_of)]
        for device in [d for d in names if not options.devices or d in options.devices.split(",")]:
            found = curve(path, scale, device, options.seeds, options.quantity)
            rows += found
            text = "  ".join(f"n={r['n']}: {r['kendall']:.3f} / {100 * r['median_error']:.2f}%" for r in found)
            print(f"{scale} {device:16} {text}", flush=True)
    if options.out:
        facts = {
            "command": f"python benchmarks/few_shot.py --quantity {options.quantity} --seeds {options.seeds}",
            "quantity": options.quantity,
            "machine": platform.processor() or platform.machine(),
            "seconds": round(time.perf_counter() - start),
            "pool": POOL,
            "unseen": UNSEEN,
            "rows": rows,
        }
        file = options.out / (
            "few_shot.json" if options.quantity == "latency_ms" else f"few_shot_{options.quantity}.json"
        )
        write_json(file, facts)
        print(json.dumps({"rows": len(rows), "out": str(file)}))


def curve(path: Path, scale: str, device: str, seeds: int, quantity: str = "latency_ms") -> list[dict[str, object]]:
    """One row a number of measurements: means and standard deviations over seeds."""
    table = pq.read_table(path, columns=[*SHAPE, f"{quantity}.{device}"])
    batch = ArchitectureBatch.from_arrow(table.select(SHAPE), "hwgpt")
    cells = table.column(f"{quantity}.{device}").to_pylist()
    values = np.array([np.nan if v is None else np.median(v) for v in cells], dtype=float)
    known = np.flatnonzero(values > 0)
    batch, values = batch[known], values[known]
    load = Workload(batch=BATCH[scale], seq_len=1024)
    rows = []
    for n in SIZES:
        scores = []
        for seed in range(seeds):
            order = np.random.default_rng(seed).permutation(len(batch))
            pool, unseen = order[:POOL], order[POOL : POOL + UNSEEN]
            where = {batch[int(i)].id: int(i) for i in pool}
            picks = design([batch[int(i)] for i in pool], n, seed, quantity, load)
            chosen = np.array([where[arch.id] for arch in picks])
            model = fit_cost_model(quantity, batch[chosen], values[chosen], load)
            predicted = model.predict(batch[unseen])
            errors = np.abs(predicted / values[unseen] - 1)
            inside = errors <= model.half_width(0.9)
            scores.append(
                (kendall(values[unseen], predicted), np.median(errors), np.quantile(errors, 0.9), inside.mean())
            )
        mean, spread = np.mean(scores, axis=0), np.std(scores, axis=0, ddof=1) if seeds > 1 else np.zeros(4)
        keys = ("kendall", "median_error", "p90_error", "coverage_90")
        row: dict[str, object] = {"scale": scale, "device": device, "n": n, "seeds": seeds}
        row |= {key: round(float(value), 5) for key, value in zip(keys, mean, strict=True)}
        row |= {f"{key}_sd": round(float(value), 5) for key, value in zip(keys, spread, strict=True)}
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()

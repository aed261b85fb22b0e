"""Queries a second of HW-GPT-Bench's predictors, beside a torch MLP of the released shape, in one run on one core.

    python benchmarks/hwgpt_queries.py [--scale s] [--architectures 33334] [--out FILE.json]

The release answers with a multilayer perceptron of four hidden layers of 128 ReLU units on 2·maxL + 3 tabular features
(27, 51 or 75), one architecture at a time and one network a metric, read from disk for each query. Here it stays in
memory, with random weights, since only its speed counts; it is timed with one output, as released, and with one output
a metric, 30 networks in one. Both start from the same architectures in memory and end with numbers in memory; ours
checks that the architecture belongs to the space and gives a standard deviation (in single queries an interval, the
workload and the record of the fit) with each number, the network a bare number.
Times are medians of repetitions. Import time and installed size of what a query needs are printed too.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tradewind as tw
from tradewind.benchmarks.hwgpt.benchmark import FITTED
from tradewind.benchmarks.hwgpt.targets import METRICS, PREDICTED
from tradewind.core import HWGPT, ArchitectureBatch
from tradewind.core.files import write_json

REPEATS = 7


def seconds(work: Callable[[], Any]) -> float:
    work()
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def tabular(batch: ArchitectureBatch, deepest: int) -> np.ndarray:
    """The release's features: width, depth, ratios, heads (-1 past the depth), bias; (N, 2·maxL + 3)."""
    dead = np.arange(deepest) >= batch.n_layer[:, None]
    ratios, heads = (np.where(dead, -1, batch.columns[name][:, :deepest]) for name in ("mlp_ratio", "n_head"))
    return np.column_stack([batch.d_model, batch.n_layer, ratios, heads, batch.bias]).astype(np.float32)


def tabular_one(arch: HWGPT, deepest: int) -> np.ndarray:
    dead = [-1] * (deepest - arch.n_layer)
    row = [arch.d_model, arch.n_layer, *arch.mlp_ratio, *dead, *arch.n_head, *dead, arch.bias]
    return np.array([row], dtype=np.float32)


def perceptron(n_in: int, n_out: int) -> Any:
    import torch

    sizes = [n_in, 128, 128, 128, 128]
    layers: list[Any] = []
    for a, b in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(128, n_out)).eval()


def fresh_process(code: str) -> float:
    """Wall seconds of a new interpreter that runs `code`, median of five."""
    found = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def installed_size() -> dict[str, float]:
    """Megabytes on disk of what a query imports: our modules, the fitted files, numpy."""
    code = (
        "import sys, json, tradewind as tw\n"
        "bench = tw.benchmarks.get('hwgpt-s'); bench.query(bench.space.sample(0), 'perplexity')\n"
        "ours = [m for name, m in sys.modules.items() if name.split('.')[0] == 'tradewind']\n"
        "print(json.dumps([getattr(m, '__file__', None) for m in ours]))"
    )
    files = json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    ours = sum(Path(f).stat().st_size for f in files if f)
    fitted = sum(p.stat().st_size for p in FITTED.rglob("*.json"))
    numeric = sum(p.stat().st_size for p in Path(np.__file__).parent.rglob("*") if p.is_file())
    return {"our modules": ours / 1e6, "90 fitted files": fitted / 1e6, "numpy": numeric / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="s", choices=("s", "m", "l"))
    parser.add_argument("--architectures", type=int, default=33_334)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    bench = tw.benchmarks.get(f"hwgpt-{given.scale}")
    deepest = max(bench.space.depths)
    batch = bench.space.sample_many(given.architectures, seed=0)
    archs = [batch[row] for row in range(200)]
    predicted = [metric for metric in METRICS if metric not in ("params", "flops")]
    network = perceptron(2 * deepest + 3, len(predicted))
    single = perceptron(2 * deepest + 3, 1)

    def network_once(module: Any) -> Any:
        with torch.inference_mode():
            return module(torch.from_numpy(tabular(batch, deepest))).numpy()

    def network_one_by_one() -> None:
        for arch in archs:
            with torch.inference_mode():
                single(torch.from_numpy(tabular_one(arch, deepest))).numpy()

    def ours_one_by_one() -> None:
        for arch in archs:
            bench.query(arch, "latency_ms@a100")

    rows = {
        "one at a time: ours, with interval and record": len(archs) / seconds(ours_one_by_one),
        "one at a time: torch MLP, a bare number": len(archs) / seconds(network_one_by_one),
        "batch: ours, 30 metrics, mean and std": len(batch) * 30 / seconds(lambda: bench.query_many(batch, predicted)),
        "batch: torch MLP, 30 outputs of one network": len(batch) * 30 / seconds(lambda: network_once(network)),
        "batch: torch MLP, 30 networks as released": len(batch) / seconds(lambda: network_once(single)),
    }
    width = max(map(len, rows))
    print(f"hwgpt-{given.scale}, {len(batch):,} architectures, one core; (architecture, metric) predictions a second")
    for name, rate in rows.items():
        print(f"{name:{width}}  {rate:14,.0f}")
    one, many = rows["one at a time: ours, with interval and record"], rows["batch: ours, 30 metrics, mean and std"]
    print(f"ratio to torch, one at a time: {one / rows['one at a time: torch MLP, a bare number']:.2f}")
    print(f"ratio to torch, batch of one network: {many / rows['batch: torch MLP, 30 outputs of one network']:.2f}")
    print(f"ratio to torch, batch as released: {many / rows['batch: torch MLP, 30 networks as released']:.2f}")

    start = "import tradewind as tw; b = tw.benchmarks.get('hwgpt-s'); b.query(b.space.sample(0), 'latency_ms@a100')"
    cold = {
        "python alone": fresh_process("pass"),
        "import numpy": fresh_process("import numpy"),
        "a first query from Python": fresh_process(start),
        "import torch": fresh_process("import torch"),
    }
    print("cold start, wall seconds of a new process:", {k: round(v, 3) for k, v in cold.items()})
    size = installed_size()
    print("installed megabytes of what a query imports:", {k: round(v, 2) for k, v in size.items()})
    if given.out is not None:
        facts = {"scale": given.scale, "architectures": len(batch), "columns": len(PREDICTED)}
        write_json(given.out, {**facts, "per_second": rows, "cold_seconds": cold, "megabytes": size})


if __name__ == "__main__":
    main()

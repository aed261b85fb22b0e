"""Latency of the same architectures run by torch and by ONNX Runtime, side by side in one process.

    python benchmarks/onnxruntime_latency.py [--archs 12] [--rounds 11] [--length 192] [--seed 0] [--out FILE.json]

A sample of the gpt2 space between two and six layers wide 128 to 512. Both runtimes run what the measuring layer runs
(`tradewind.devices.runtimes`), float32 on one thread, and are measured in processor time. Every round times each once,
so that load on the machine falls on both; a ratio is the median over rounds of the ratio within a round, with the
quartiles. Kendall's tau compares the two rankings by median time: whether a search on one runtime orders architectures
as a search on the other would.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402
from rich.table import Table  # noqa: E402

from tradewind import costs, spaces  # noqa: E402
from tradewind.core import Workload  # noqa: E402
from tradewind.core.files import write_json  # noqa: E402
from tradewind.core.ranking import kendall  # noqa: E402
from tradewind.devices.messages import Trial  # noqa: E402
from tradewind.devices.runtimes import RUNTIMES, warm_up_exporter  # noqa: E402

QUANTITIES = ("latency_ms", "decode_latency_ms")


def milliseconds(call: Callable[[], object], calls: int) -> float:
    """Processor time of one call."""
    start = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - start) * 1e3 / calls


def trial_of(arch: Any, load: Workload, quantity: str) -> Trial:
    """What a worker would be asked."""
    return Trial(
        candidate=arch.to_dict(), quantities=[quantity], device="cpu", threads=1, workload=load.to_dict(), timing={}
    )


def compare(arch: Any, load: Workload, quantity: str, rounds: int) -> dict[str, Any]:
    """Times of one architecture by runtime, one a round."""
    calls = {}
    for name, runtime in RUNTIMES.items():
        model = runtime(trial_of(arch, load, quantity), load)
        model.build()
        calls[name] = model.forward if quantity == "latency_ms" else model.decoder()
    # A block of calls lasts long against the tick of the processor's clock.
    blocks = {name: max(1, int(30 / max(milliseconds(call, 3), 0.1))) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(milliseconds(call, blocks[name]))
    ratio = np.array(times["onnxruntime"]) / np.array(times["torch"])
    low, middle, high = np.quantile(ratio, [0.25, 0.5, 0.75])
    medians = {f"{name}_ms": float(np.median(taken)) for name, taken in times.items()}
    return {**medians, "ratio": float(middle), "quartiles": [float(low), float(high)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--archs", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--length", type=int, default=192)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    load = Workload(seq_len=given.length)
    space = spaces.get("gpt2").narrow(
        n_layer="2..6", d_model="128..512", d_inner="256..2048", vocab_size="8192", context=str(given.length + 1)
    )
    archs = space.sample_many(given.archs, seed=given.seed)
    rows = []
    warm_up_exporter(trial_of(archs[0], load, QUANTITIES[0]), load)
    with torch.inference_mode():
        for arch in track(archs, "measuring", console=Console(stderr=True)):
            row: dict[str, Any] = {
                "architecture": arch.to_dict(),
                "id": arch.id,
                "decoder_params": costs.decoder_params(arch),
            }
            rows.append(row | {quantity: compare(arch, load, quantity, given.rounds) for quantity in QUANTITIES})
    summary = {}
    for quantity in QUANTITIES:
        first, second = (np.array([row[quantity][f"{name}_ms"] for row in rows]) for name in ("torch", "onnxruntime"))
        ratios = np.array([row[quantity]["ratio"] for row in rows])
        summary[quantity] = {
            "kendall": kendall(first, second),
            "ratio": float(np.median(ratios)),
            "smallest_ratio": float(ratios.min()),
            "largest_ratio": float(ratios.max()),
        }
    versions = {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__}
    found = {"workload": load.to_dict(), "rounds": given.rounds, "seed": given.seed, **versions, "summary": summary}
    if given.out:
        write_json(given.out, found | {"architectures": rows})
    table = Table("architecture", "layers", "width", "torch ms", "onnxruntime ms", "ratio", "decode ratio", box=None)
    for arch, row in zip(archs, rows, strict=True):
        whole, step = (row[quantity] for quantity in QUANTITIES)
        figures = (f"{whole['torch_ms']:.2f}", f"{whole['onnxruntime_ms']:.2f}", f"{whole['ratio']:.3f}")
        table.add_row(arch.id, str(arch.n_layer), str(arch.d_model), *figures, f"{step['ratio']:.3f}")
    Console(stderr=True).print(table)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

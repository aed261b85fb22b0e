"""Time of exact frontiers of whole spaces on one core: HW-GPT-Bench with two and three objectives, the spaces of LTS.

    python benchmarks/exact_frontier.py [--runs 5] [--out FILE]

Processor seconds of one thread, the median and the range over runs after the first one (which loads libraries); the
spaces are taken in turn, so what disturbs the machine meets all of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

import tradewind as tw  # noqa: E402
from tradewind import benchmarks  # noqa: E402
from tradewind.core import parse_objectives  # noqa: E402
from tradewind.core.files import write_json  # noqa: E402
from tradewind.costs.layerwise import closed_form  # noqa: E402
from tradewind.pareto import exact_frontier  # noqa: E402

CASES = (
    ("hwgpt-s", "perplexity,latency_ms@h100"),
    ("hwgpt-m", "perplexity,latency_ms@h100"),
    ("hwgpt-l", "perplexity,latency_ms@h100"),
    ("hwgpt-l", "perplexity,latency_ms@cpu_xeon_gold"),
    ("hwgpt-s", "perplexity,latency_ms@h100,energy_wh@h100"),
    ("hwgpt-m", "perplexity,latency_ms@h100,energy_wh@h100"),
    ("hwgpt-l", "perplexity,latency_ms@h100,energy_wh@h100"),
    ("hwgpt-m", "perplexity,params,float16_memory_mb"),
    ("gpt2", "decoder_params,flops"),
    ("gpt2", "decoder_params,flops,activation_mb"),
    ("transformer-xl", "decoder_params,flops"),
    ("transformer-xl", "decoder_params,flops,activation_mb"),
)


def problem(name: str, names: str) -> tuple[Any, Any, dict[str, Any]]:
    """The space, the objectives and what these are made of, layer by layer."""
    objectives = parse_objectives(names)
    if name.startswith("hwgpt"):
        bench = benchmarks.get(name)
        return bench.space, objectives, {o.name: bench.additive(o.name) for o in objectives}
    return tw.spaces.get(name), objectives, {o.name: closed_form(o.name) for o in objectives}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()
    problems = {case: problem(*case) for case in CASES}
    seconds: dict[tuple[str, str], list[float]] = {case: [] for case in CASES}
    points = {}
    for _ in range(given.runs + 1):
        for case, (space, objectives, parts) in problems.items():
            started = time.process_time()
            points[case] = len(exact_frontier(space, objectives, parts))
            seconds[case].append(time.process_time() - started)
    table = Table("space", "architectures", "objectives", "frontier", "processor s", "range")
    rows = []
    for (name, names), (space, _, _) in problems.items():
        times = seconds[name, names][1:]
        rows.append(
            {"space": name, "architectures": space.size(), "objectives": names.split(","),
             "frontier": points[name, names], "seconds": times}
        )  # fmt: skip
        spread = f"{min(times):.2f} to {max(times):.2f}"
        middle = f"{statistics.median(times):.2f}"
        table.add_row(name, f"{space.size():.1e}", names, f"{points[name, names]:,}", middle, spread)
    if given.out:
        facts = {"python": platform.python_version(), "machine": platform.machine(), "runs": given.runs}
        write_json(given.out, facts | {"cases": rows})
    Console(width=140).print(table)


if __name__ == "__main__":
    main()

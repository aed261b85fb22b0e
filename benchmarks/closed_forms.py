"""Speed of the closed forms: architectures a second in batch, microseconds for one, and what the alternatives cost.

The yardsticks are the least that any batch formula must do, one numpy sum over the per-layer inner sizes, and the way
parameters are usually counted, building the PyTorch module (here on the meta device, which allocates nothing).

    python benchmarks/closed_forms.py [--space gpt2] [--architectures 1000000] [--json]

Each figure is the best of several runs in one process with one thread: other load on the machine only ever adds time.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

import tradewind as tw  # noqa: E402


def seconds(call: Callable[[], object], loops: int = 1, runs: int = 7) -> float:
    """Least time of one call over `runs` runs of `loops` calls each, after one warm-up."""
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        for _ in range(loops):
            call()
        times.append((time.perf_counter() - start) / loops)
    return min(times)


def count_by_building(arch: tw.Architecture) -> int:
    """All parameters of a module on the meta device."""
    return sum(p.numel() for p in tw.models.build(arch, init="meta").parameters())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--space", default="gpt2")
    parser.add_argument("--architectures", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    arguments = parser.parse_args()

    many = tw.spaces.get(arguments.space).sample_many(arguments.architectures, seed=0)
    one = many[0]
    figures = {}
    for quantity in tw.costs.quantities():
        batch = seconds(lambda q=quantity: tw.costs.evaluate(q, many))
        single = seconds(lambda q=quantity: tw.costs.evaluate(q, one), loops=1000)
        figures[quantity] = {"architectures_per_second": len(many) / batch, "microseconds_for_one": single * 1e6}

    inner = many.columns["mlp_ratio" if many.family == "hwgpt" else "d_inner"]
    plain_sum = seconds(lambda: np.sum(inner, axis=1))
    assert count_by_building(one) == tw.costs.params(one)
    building = seconds(lambda: count_by_building(one), loops=3)
    in_batch = len(many) / figures["decoder_params"]["architectures_per_second"]
    alone = figures["decoder_params"]["microseconds_for_one"] / 1e6
    ratios = {
        "decoder_params in batch / one numpy sum of the inner sizes": in_batch / plain_sum,
        "building on meta / decoder_params of one": building / alone,
        "building on meta / decoder_params in batch, each": building / (in_batch / len(many)),
    }
    if arguments.json:
        facts = {"space": arguments.space, "architectures": len(many), "seconds_to_build_on_meta": building}
        print(json.dumps(facts | {"quantities": figures, "ratios": ratios}, indent=2))
        return
    table = Table(
        title=f"{len(many):,} architectures of {arguments.space}, up to {inner.shape[1]} layers, {inner.dtype}"
    )
    table.add_column("quantity")
    table.add_column("architectures/s in batch", justify="right")
    table.add_column("µs for one", justify="right")
    for quantity, row in figures.items():
        table.add_row(quantity, f"{row['architectures_per_second']:,.0f}", f"{row['microseconds_for_one']:.2f}")
    console = Console()
    console.print(table)
    for what, ratio in ratios.items():
        console.print(f"{what}: {ratio:,.2f} times the time")
    console.print(f"building on meta: {building * 1e3:.2f} ms")


if __name__ == "__main__":
    main()

"""A small ground truth in the released layout, made of published rows' shapes and invented numbers."""

from __future__ import annotations

from typing import Any

from tradewind.benchmarks import forms
from tradewind.benchmarks.schema import CPUS, GPUS
from tradewind.core.seeds import generator


def released_stats(scale: str = "s", n: int = 6, devices: tuple[str, ...] = (*GPUS[:2], "P100", CPUS[0])) -> dict:
    """``stats.pkl`` as the release packs it: plain numbers, lists, dictionaries."""
    rng = generator(0, "released", scale)
    stats: dict[str, Any] = {}
    for arch in forms.space_of(scale).sample_many(n, seed=1):
        entry: dict[str, Any] = {"flops": 2 * 10**12, "params": 10**8, "perplexity": float(rng.uniform(20, 40))}
        entry |= {"float16_memory": 500.5, "bfloat16_memory": 500.25}
        for device in devices:
            cpu = device.startswith("cpu")
            latencies = rng.uniform(2000, 4000, 10) if cpu else rng.uniform(10, 20, 10)
            watt_hours = rng.uniform(50, 150, 50) * latencies.mean() / 3.6e6
            entry[device] = {
                "latencies": latencies.tolist(),
                "energies": float(watt_hours.mean()) if cpu else watt_hours.tolist(),
            }
        stats[forms.to_released_string(arch)] = entry
    return stats

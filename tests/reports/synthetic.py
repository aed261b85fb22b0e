"""A made-up study whose numbers follow simple rules, so that what a report says of it can be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tradewind.core import GPT2, Constraint, Evaluation, Measurement, Objective, parse_objectives
from tradewind.core.seeds import generator
from tradewind.reports import ReportData

NAMES = "decoder_params,latency_ms@cpu,peak_memory_mb@cpu"
DETAILS = {"batch": 1, "seq_len": 192, "threads": 1, "dtype": "float32", "torch": "2.13.0", "home": "/root/secret"}
DEVICE = "cpu"


def decoder_params(arch: GPT2) -> int:
    d, depth = arch.d_model, arch.n_layer
    return depth * (4 * d * d + 9 * d) + sum(2 * d * f + f for f in arch.d_inner) + 2 * d


def measured(arch: GPT2, rng: np.random.Generator) -> dict[str, Measurement]:
    params = decoder_params(arch)
    heads = sum(arch.n_head)
    latency = 2.0 + params * 0.8e-6 + 0.9 * arch.n_layer + 0.25 * heads
    memory = 60 + params * 4e-6 + 0.03 * max(arch.d_inner) + 50257 * arch.d_model * 4e-6
    noise = 1 + 0.005 * rng.standard_normal(2)
    facts = {"method": "median wall time", "device": DEVICE, "details": DETAILS}
    return {
        "decoder_params": Measurement.of(params, "parameters"),
        "latency_ms@cpu": Measurement.of(
            latency * noise[0], "ms", spread=0.03 * latency, n=int(rng.integers(10, 30)), **facts
        ),
        "peak_memory_mb@cpu": Measurement.of(
            memory * noise[1], "MB", spread=0.4, n=3, **{**facts, "method": "resident high-water mark"}
        ),
    }


def study(count: int = 200, seed: int = 0, names: str = NAMES, constraints: Sequence[str] = ()) -> ReportData:
    objectives: tuple[Objective, ...] = parse_objectives(names)
    trials = []
    for index in range(count):
        rng = generator(seed, "trial", index)
        depth, width = int(rng.integers(2, 16)), int(rng.integers(2, 16)) * 64
        inner = tuple(int(x) * 64 for x in rng.integers(max(2, int(1.7 * width) // 64 + 1), 64, depth))
        heads = tuple(int(x) for x in rng.choice([2, 4, 8], depth))
        arch = GPT2(d_model=width, n_head=heads, d_inner=inner)
        values = measured(arch, rng)
        if index % 17 == 16:
            reason = ("timeout: 120 s", "oom: 2 GB", "crash: signal 9")[index % 3]
            values |= {n: Measurement.failed(reason, values[n].unit) for n in values if "@" in n}
        if index % 61 == 60:
            values["latency_ms@cpu"] = Measurement.invalid("unstable: spread 40 %", "ms")
        trials.append(Evaluation(index, arch, values))
    homogeneous = [GPT2(d_model=1024, n_head=(16,) * n, d_inner=(2048,) * n) for n in range(1, 16)]
    baseline = [
        Evaluation(-1 - i, arch, measured(arch, generator(seed, "baseline", i)), role="baseline")
        for i, arch in enumerate(homogeneous)
    ]
    return ReportData(
        name="laptop",
        objectives=objectives,
        evaluations=tuple(trials),
        baseline=tuple(baseline),
        constraints=tuple(Constraint.parse(c, DEVICE) for c in constraints),
        setup={
            "tradewind": "0.1.0",
            "space": "gpt2",
            "algorithm": "lts",
            "seed": seed,
            "budget": count,
            "processor": "Example CPU 3 GHz",
            "workload": {"batch": 1, "seq_len": 192, "dtype": "float32"},
        },
        drift=tuple((i, 1 + 0.0002 * i) for i in range(0, count, 20)),
    )

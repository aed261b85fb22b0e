"""One trial, run in the worker: build the model once, then measure all that is asked of it."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from tradewind.core import GPT2, Workload
from tradewind.devices import energy, failures, memory
from tradewind.devices.messages import Answer, Reading, Trial
from tradewind.devices.runtimes import RUNTIMES, Loaded, warm_up_exporter
from tradewind.devices.timing import LEAST_CPU_SHARE, Timing, iqr, time_calls

_WATCHED_CALLS = 2
"""Forwards before the timed ones: one that loads code, one under the memory gauge."""


def prepare(runtime: str = "torch") -> dict[str, Any]:
    """Load what a first model needs by a runtime, so that forks find it in place; returns the version of torch.

    One thread, whatever a trial will use: threads do not survive a fork.
    """
    torch.set_num_interop_threads(1)
    arch = GPT2(d_model=64, n_head=(2,), d_inner=(128,), vocab_size=512, context=64)
    workload = Workload(seq_len=32)
    tiny = Trial(
        candidate=arch.to_dict(),
        quantities=["latency_ms", "decode_latency_ms"],
        device="cpu",
        threads=1,
        workload=workload.to_dict(),
        timing=Timing(min_repeats=1, max_repeats=1, block_seconds=0).to_dict(),
        runtime=runtime,
    )
    if runtime == "onnxruntime":
        warm_up_exporter(tiny, workload)
    run(tiny.model_dump())
    # A fork would fill free pages that it inherits without growing.
    memory.release()
    gc.freeze()
    return {"torch": torch.__version__}


def run(data: Any) -> dict[str, Any]:
    """The answer to a trial, both as plain data; what fails by itself, other than by lack of memory, fails alone."""
    trial = Trial.model_validate(data)
    workload = Workload(**trial.workload)
    torch.set_num_threads(trial.threads)
    model = RUNTIMES[trial.runtime](trial, workload)
    memory.return_blocks()
    gauge = memory.gauge(trial.device)
    start = time.perf_counter()
    model.build()
    gauge.built()
    seconds = round(time.perf_counter() - start, 4)
    decode = [q for q in trial.quantities if q == "decode_latency_ms"]
    prefill = [q for q in trial.quantities if q not in decode]
    with torch.inference_mode():
        readings = _attempt(prefill, lambda: _prefill(trial, model, gauge, prefill))
        readings |= _attempt(decode, lambda: {"decode_latency_ms": _decode(trial, model)})
    if model.label:
        readings = {q: r.model_copy(update={"method": f"{r.method}, {model.label}"}) for q, r in readings.items()}
    facts = {"build_s": seconds, "load": round(os.getloadavg()[0], 2), **model.facts}
    return Answer(readings=readings, facts=facts).model_dump()


def _prefill(trial: Trial, model: Loaded, gauge: memory.Gauge, quantities: Sequence[str]) -> dict[str, Reading]:
    """Readings of one forward over batch x length."""
    model.forward()
    peak = gauge.peak(model.forward)
    memory.keep_blocks()
    readings = {}
    if "peak_memory_mb" in quantities:
        parts = {"weights_mb": round(gauge.weights, 3), "activations_mb": round(peak - gauge.weights, 3)}
        readings["peak_memory_mb"] = Reading(value=peak, method=gauge.method, details=parts)
    if "latency_ms" in quantities:
        readings["latency_ms"] = _timed(model.forward, trial, _WATCHED_CALLS)
    if "energy_wh" in quantities:
        readings |= _attempt(["energy_wh"], lambda: {"energy_wh": _energy(model.forward, trial)})
    return readings


def _decode(trial: Trial, model: Loaded) -> Reading:
    """Reading of one token after `context` tokens whose keys and values are in the cache."""
    memory.keep_blocks()
    step = model.decoder()
    step()
    return _timed(step, trial, 1)


def _timed(call: Callable[[], object], trial: Trial, calls_before: int) -> Reading:
    timing = Timing(**trial.timing)
    wall, cpu = time.perf_counter(), time.process_time()
    samples = time_calls(call, timing, synchronise=_synchroniser(trial.device))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    share = cpu / wall / trial.threads
    ours = trial.device != "cpu" or trial.threads > 1 or share >= LEAST_CPU_SHARE
    return Reading(
        value=samples.median * 1e3,
        spread=samples.iqr * 1e3,
        n=len(samples.seconds),
        method="median wall time",
        details={
            "warm_up": calls_before + timing.warm_up,
            "block": samples.block,
            "samples_ms": [round(s * 1e3, 6) for s in samples.seconds],
            "half_width": round(samples.half_width, 5) if len(samples.seconds) > 2 else None,
            "stable": samples.stable and ours,
            "cpu_share": round(share, 3),
            "cpu_ms": round(cpu * 1e3 / (timing.warm_up + samples.block * len(samples.seconds)), 6),
        },
    )


def _energy(call: Callable[[], object], trial: Trial) -> Reading:
    windows, calls = energy.energy_wh(call, trial.device)
    return Reading(
        value=statistics.median(windows),
        spread=iqr(windows),
        n=len(windows),
        method="median of the device's energy counter (zeus)",
        details={"calls_a_window": calls, "samples_wh": list(windows)},
    )


def _attempt(quantities: Sequence[str], measure: Callable[[], dict[str, Reading]]) -> dict[str, Reading]:
    """The readings, or for each quantity why there is none."""
    if not quantities:
        return {}
    try:
        return measure()
    except Exception as error:
        reason = failures.of_error(error)
        if reason.startswith("oom"):
            raise
        return {quantity: Reading(failed=reason) for quantity in quantities}


def _synchroniser(device: str) -> Callable[[], object]:
    if device.startswith("cuda"):
        return lambda: torch.cuda.synchronize(device)
    return lambda: None

"""`tradewind measure`: measure one architecture on a device, in an isolated worker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tradewind.cli.common import (
    BatchOption,
    ConstantOption,
    ContextOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    LengthOption,
    LogitsOption,
    MemoryLimitOption,
    SpaceOption,
    ThreadsOption,
    TimeLimitOption,
    console,
    get_space_of_file,
    make_workload,
    print_json,
    read_architecture,
    use_device,
)
from tradewind.core import TradewindError, UsageError, parse_objectives


def measure(
    arch: Annotated[Path, typer.Option("--arch", help="JSON file of one architecture.")],
    space: SpaceOption = "gpt2",
    device: DeviceOption = "cpu",
    objectives: Annotated[
        str,
        typer.Option("--objectives", help="Comma-separated: latency_ms, decode_latency_ms, peak_memory_mb, energy_wh."),
    ] = "latency_ms,decode_latency_ms,peak_memory_mb",
    threads: ThreadsOption = 1,
    batch: BatchOption = 1,
    length: LengthOption = 192,
    context: ContextOption = 0,
    dtype: DtypeOption = "float32",
    logits: LogitsOption = "all",
    time_limit: TimeLimitOption = 120.0,
    memory_limit: MemoryLimitOption = None,
    sets: ConstantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure latency, peak memory and energy of one architecture on this machine.

    Exit status 1 if a quantity could not be measured; the reason is in its place.

    Example: tradewind spaces sample gpt2 --seed 0 --out a.json && tradewind measure --space gpt2 --arch a.json
    """
    from tradewind import evaluators
    from tradewind.evaluators.device import beyond_positions

    one = read_architecture(arch, get_space_of_file(space, sets))
    workload = make_workload(batch, length, context, dtype, logits)
    wanted = parse_objectives(objectives, use_device(device))
    problem = beyond_positions(one.family, one.context, workload, [o.quantity for o in wanted])
    if problem:
        raise UsageError(problem)
    evaluator = evaluators.for_objectives(
        wanted,
        workload=workload,
        threads=threads,
        time_limit_s=time_limit,
        memory_limit_mb=memory_limit,
    )
    try:
        (found,) = evaluator.evaluate([one])
    finally:
        evaluator.close()
    if as_json:
        print_json(
            {
                "id": one.id,
                "architecture": one.to_dict(),
                "workload": workload.to_dict(),
                "measurements": {name: m.to_dict() for name, m in found.items()},
            }
        )
    else:
        for name, measurement in found.items():
            console().print(f"{name:24} {measurement!r}", soft_wrap=True)
    failed = [f"{name}: {m.reason}" for name, m in found.items() if not m.ok]
    if failed:
        raise TradewindError(f"not measured: {'; '.join(failed)}")

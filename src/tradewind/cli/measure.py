"""`tradewind measure`: measure one architecture on a device, in an isolated worker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tradewind.cli.common import (
    ConstantOption,
    DeviceOption,
    JsonOption,
    SpaceOption,
    device_options,
    get_space_of_file,
    print_json,
    read_architecture,
    say,
    use_device,
    workload_options,
)
from tradewind.core import TradewindError, UsageError, Workload, parse_objectives


@workload_options
@device_options
def measure(
    *,
    arch: Annotated[Path, typer.Option("--arch", help="JSON file of one architecture.")],
    space: SpaceOption = "gpt2",
    device: DeviceOption = "cpu",
    objectives: Annotated[
        str,
        typer.Option("--objectives", help="Comma-separated: latency_ms, decode_latency_ms, peak_memory_mb, energy_wh."),
    ] = "latency_ms,decode_latency_ms,peak_memory_mb",
    sets: ConstantOption = None,
    as_json: JsonOption = False,
    workload: Workload,
    device_options: dict[str, Any],
) -> None:
    """Measure latency, peak memory and energy of one architecture on this machine.

    Exit status 1 if a quantity could not be measured; the reason is in its place.

    Example: tradewind spaces sample gpt2 --seed 0 --out a.json && tradewind measure --space gpt2 --arch a.json
    """
    from tradewind import evaluators
    from tradewind.evaluators.device import beyond_positions

    one = read_architecture(arch, get_space_of_file(space, sets))
    wanted = parse_objectives(objectives, use_device(device))
    problem = beyond_positions(one.family, one.context, workload, [o.quantity for o in wanted])
    if problem:
        raise UsageError(problem)
    evaluator = evaluators.for_objectives(
        wanted,
        workload=workload,
        **device_options,
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
            say(f"{name:24} {measurement!r}")
    failed = [f"{name}: {m.reason}" for name, m in found.items() if not m.ok]
    if failed:
        raise TradewindError(f"not measured: {'; '.join(failed)}")

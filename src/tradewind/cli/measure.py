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
    print_rows,
    read_architecture,
    use_device,
    workload_options,
)
from tradewind.core import Measurement, TradewindError, UsageError, Workload, parse_objectives


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

    Exit status 1 if a quantity could not be measured; the kind of reason is in its row, the whole told once at the end.

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
        print_rows([_row(name, measurement) for name, measurement in found.items()])
    failed: dict[str, list[str]] = {}
    for name, measurement in found.items():
        if not measurement.ok:
            failed.setdefault(measurement.reason, []).append(name)
    if failed:
        told = [f"{', '.join(names)}: {reason}" for reason, names in failed.items()]
        raise TradewindError(f"not measured: {'; '.join(told)}")


def _row(name: str, measurement: Measurement) -> dict[str, Any]:
    return {
        "quantity": name,
        "value": "" if measurement.value is None else measurement.value,
        "unit": measurement.unit,
        "spread": "" if measurement.spread is None else measurement.spread,
        "n": measurement.n if measurement.ok else "",
        "method": measurement.method,
        "reason": measurement.reason.partition(":")[0],
    }

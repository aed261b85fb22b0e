"""`tradewind calibrate`: measure a designed handful of architectures and fit the prices of a device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tradewind.cli.common import (
    JsonOption,
    SeedOption,
    SetOption,
    SpaceOption,
    check_ending,
    device_options,
    get_space,
    note,
    print_json,
    print_rows,
    workload_options,
)
from tradewind.core import QUANTITIES as ALL_QUANTITIES
from tradewind.core import UsageError, Workload, parse_objectives


@workload_options
@device_options
def calibrate(
    *,
    out: Annotated[
        Path, typer.Option("--out", help="File to write, e.g. devices/laptop.json; its name names the device.")
    ],
    space: SpaceOption = "gpt2",
    sets: SetOption = None,
    device: Annotated[str, typer.Option("--device", help="What is measured: cpu, cuda or cuda:N.")] = "cpu",
    objectives: Annotated[
        str, typer.Option("--objectives", help="Quantities to calibrate; energy_wh needs a counter.")
    ] = "latency_ms,decode_latency_ms,peak_memory_mb",
    measurements: Annotated[int, typer.Option("--measurements", help="Architectures to measure.", min=4)] = 32,
    prior: Annotated[
        Path | None, typer.Option("--prior", help="Calibration of a similar device; 8 to 16 measurements then do.")
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    workload: Workload,
    device_options: dict[str, Any],
) -> None:
    """Calibrate a device in about a minute; afterwards its costs are predicted, e.g. latency_ms@laptop.

    The measurements are kept in a study beside the file, so that the same command resumes after a stop.

    Example: tradewind calibrate --space gpt2 --device cpu --measurements 32 --out devices/laptop.json
    """
    from tradewind.benchmarks.schema import DEVICES
    from tradewind.evaluators.sources import LOCAL_DEVICE
    from tradewind.predictors.calibration import Calibration, device_name
    from tradewind.predictors.calibration import calibrate as fit
    from tradewind.predictors.features import QUANTITIES, counted
    from tradewind.studies import Study

    check_ending(out, ".json")
    name = device_name(out)
    if name.lower() in DEVICES:
        raise UsageError(f"{name} is a device with published measurements; give yours another name, e.g. my-{out.name}")
    for place in (device, *(o.device for o in parse_objectives(objectives, "cpu"))):
        if place is not None and not LOCAL_DEVICE.fullmatch(place):
            raise UsageError(
                f"{place} cannot be measured here; calibrate cpu, cuda or cuda:N (a calibrated device is predicted "
                "already; --prior takes its file as the calibration of a similar device)"
            )
    for objective in parse_objectives(objectives, device):
        if objective.quantity not in QUANTITIES:
            raise UsageError(
                f"{objective} is no cost that a device is calibrated for (those that are: {', '.join(QUANTITIES)}); "
                "leave it out"
            )
    earlier = Calibration.load(prior) if prior else None
    study = Study.create(
        out.with_suffix(".study"),
        space=get_space(space, sets),
        objectives=objectives,
        device=device,
        algorithm="designed",
        settings={"measurements": measurements},
        seed=seed,
        workload=workload,
        device_options=device_options,
        resume=True,
    )
    study.run(budget=measurements, progress=not as_json)
    config = study.config
    calibration = fit(name, study.evaluations(), config["space"], study.workload, config["evaluator"], earlier)
    calibration.save(out)
    if as_json:
        print_json(_summary(calibration, out))
        return
    print_rows([_short(row) for row in calibration.quality()], f"{name}: predictions left out of the fit")
    for quantity, model in calibration.models.items():
        unit = ALL_QUANTITIES[quantity].unit
        rows = [(key, value, f"{unit} / {counted(quantity, key)}") for key, value in model.prices.items()]
        print_rows([{"work": key, "price": value, "unit": per} for key, value, per in rows], f"prices: {quantity}")
    for doubt in calibration.doubts():
        note(doubt)
    note(f"Written to {out}. Use it: {_use(calibration, out, space, sets)}")


def _use(calibration: Any, out: Path, space: str, sets: list[str] | None) -> str:
    """A command that searches the calibrated space on the calibrated device, at the same workload."""
    from tradewind.reports.stored import workload_words

    words = ["tradewind search", f"--space {space}", *(f"--set {one}" for one in sets or ())]
    words += [*workload_words(calibration.workload.to_dict()), f"--device {out}"]
    words += [f"--objectives decoder_params,{next(iter(calibration.models))}", "--algorithm exact", "--out runs/b"]
    return " ".join(words)


def _summary(calibration: Any, out: Path) -> dict[str, Any]:
    return {
        "device": calibration.name,
        "out": str(out),
        "quality": calibration.quality(),
        "doubts": calibration.doubts(),
        "prices": {quantity: dict(model.prices) for quantity, model in calibration.models.items()},
    }


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `Calibration.quality` under titles that fit a terminal."""
    width = row["half_width_90"]
    return {
        "quantity": row["quantity"],
        "n": row["n"],
        "tau": f"{row['left_out_kendall']:.3f}",
        "median error": f"{row['left_out_median_error']:.1%}",
        "p90 error": f"{row['left_out_p90_error']:.1%}",
        "±90%": "none" if width is None else f"{width:.1%}",
    }

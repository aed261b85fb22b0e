"""`tradewind search`: run or resume a study and show its frontier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.common import (
    DeviceOption,
    JsonOption,
    SeedOption,
    SetOption,
    SpaceOption,
    device_options,
    get_space,
    note,
    print_json,
    read_settings,
    reasons,
    use_device,
    workload_options,
)
from tradewind.cli.train import StepsOption, read_recipe
from tradewind.core import StudyError, TradewindError, UsageError, Workload
from tradewind.core.terminal import console

if TYPE_CHECKING:
    from tradewind.spaces import ArchitectureSpace
    from tradewind.training import Recipe

ROWS = 24
"""Rows of the frontier that are printed; the report has all."""


@workload_options
@device_options
def search(
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; the same command resumes it.")],
    space: SpaceOption = "gpt2",
    sets: SetOption = None,
    device: DeviceOption = "cpu",
    objectives: Annotated[
        str, typer.Option("--objectives", help="Comma-separated quantities, e.g. decoder_params,latency_ms@cpu.")
    ] = "decoder_params,latency_ms,peak_memory_mb",
    where: Annotated[
        list[str] | None, typer.Option("--where", help="Constraint such as 'decoder_params>=4e6'. Repeatable.")
    ] = None,
    algorithm: Annotated[
        str | None,
        typer.Option(
            "--algorithm",
            help="How to search: calibrated, exact, local-search, nsga2, lts, mo-asha, random...; also "
            "optuna:NSGAIISampler, pymoo:NSGA2 and their like (default: calibrated where it can, else mo-asha or "
            "local-search).",
        ),
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--setting", help="Setting of the algorithm, e.g. population=50. Repeatable.")
    ] = None,
    budget: Annotated[int, typer.Option("--budget", help="Evaluations of the whole study.", min=1)] = 60,
    seed: SeedOption = 0,
    supernet: Annotated[
        Path | None,
        typer.Option("--supernet", help="Folder of a supernet: perplexity is read from it, and its space searched."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", help="Text to train candidates on (as in train): perplexity is that after training."),
    ] = None,
    steps: StepsOption = None,
    training: Annotated[
        list[str] | None, typer.Option("--training", help="Setting of the recipe, e.g. length=64. Repeatable.")
    ] = None,
    baseline: Annotated[
        bool, typer.Option("--baseline/--no-baseline", help="Measure homogeneous models of growing depth beside.")
    ] = True,
    as_json: JsonOption = False,
    workload: Workload,
    device_options: dict[str, Any],
) -> None:
    """Search a space for the Pareto frontier, measured on a device. Ctrl-C or a crash loses nothing: run it again.

    Exit status 1 if no candidate could be evaluated (the commonest reasons are told), or none is within --where (how
    near they come is told).

    Example: tradewind search --space gpt2 --device cpu --budget 60 --seed 0 --out runs/a

    Example: tradewind search --space small.json --objectives perplexity,latency_ms --data stdlib --steps 90 --training
    length=64 --algorithm mo-asha --out runs/trained
    """
    from tradewind.studies import Study
    from tradewind.studies.descriptions import doubts

    place = get_space(space, sets) if supernet is None else _space_of(supernet, space, sets)
    if data is not None:
        _train_on(data, read_recipe("default", steps, training, seed), out)
    elif steps or training:
        raise UsageError(
            "--steps and --training belong to --data, the text that candidates are trained on; give it too"
        )
    study = Study.create(
        out,
        space=place,
        objectives=objectives,
        device=use_device(device),
        algorithm=algorithm,
        settings=read_settings(setting or []),
        constraints=tuple(where or ()),
        seed=seed,
        workload=workload,
        device_options=device_options,
        baselines=baseline,
        resume=True,
    )
    for doubt in doubts(study.config["evaluator"]):
        note(doubt)
    try:
        study.run(budget=budget, progress=not as_json)
    except KeyboardInterrupt:
        done = len(study.evaluations())
        raise StudyError(f"stopped; {done} evaluations are kept in {out}, and the same command goes on") from None
    frontier, status = study.frontier(), study.status()
    if as_json:
        print_json({"run": str(out), "status": status, "frontier": frontier.to_rows()})
    if status["failed"] == status["evaluations"]:
        why = reasons(study.evaluations()) or status["note"]
        raise TradewindError(f"none of {status['evaluations']} evaluations has a value for every objective: {why}")
    if status["exhausted"] and not as_json:
        note(f"The search ended before its budget of {budget}: {status['note']}.")
    if not len(frontier):
        raise TradewindError(f"{frontier.why_empty}: relax --where or raise --budget; all are kept in {out}")
    if as_json:
        return
    console().print(frontier.table(ROWS))
    note(f"{len(frontier)} of {status['evaluations']} evaluated are on the frontier, kept in {out}.")
    note(f"Look at it: tradewind report {out}")


def _train_on(data: str, recipe: Recipe, out: Path) -> None:
    """Let ``perplexity`` be that after training; the state of each training is kept beside the study."""
    from tradewind.evaluators.training import use
    from tradewind.training.data import prepare

    use(prepare(data), recipe, out / "trainings")


def _space_of(supernet: Path, space: str, sets: list[str] | None) -> ArchitectureSpace:
    """The space of a supernet, narrowed; `perplexity` then means that of its sub-networks."""
    from tradewind import spaces
    from tradewind.evaluators.supernet import use

    if space != "gpt2":
        raise UsageError(f"--supernet {supernet} brings its space; leave --space {space} out")
    own = use(supernet)
    return own.narrow(**spaces.parse_choices(sets)) if sets else own

"""`tradewind evolve`: search the transformer block itself, as a program of primitive operations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from tradewind.cli.common import JsonOption, MemoryLimitOption, SeedOption, note, print_json, reasons, say
from tradewind.core import Space, StudyError, TradewindError, UsageError
from tradewind.core.counting import count
from tradewind.core.terminal import console

if TYPE_CHECKING:
    from tradewind.programs import Program, ProgramSpace
    from tradewind.studies import Study

START_OPTION = typer.Option("--start", help="transformer, primer-ez, primer, evolved, or a JSON file of a program.")


def evolve(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; the same command resumes it.")],
    data: Annotated[str, typer.Option("--data", help="Text: a file, a folder, stdlib or hf:NAME.")] = "stdlib",
    tokenizer: Annotated[str, typer.Option("--tokenizer", help="bytes, or bpe:SIZE.")] = "bytes",
    individuals: Annotated[int, typer.Option("--individuals", help="Programs of the whole run.", min=1)] = 300,
    population: Annotated[int, typer.Option("--population", help="Programs that live at a time.", min=1)] = 100,
    tournament: Annotated[int, typer.Option("--tournament", help="Programs drawn for a parent.", min=1)] = 10,
    budget_steps: Annotated[float | None, typer.Option("--budget-steps", help="Training steps a program.")] = None,
    budget_flops: Annotated[float | None, typer.Option("--budget-flops", help="Training FLOPs a program.")] = None,
    budget_seconds: Annotated[
        float | None, typer.Option("--budget-seconds", help="Processor seconds of training a program.")
    ] = None,
    hurdles: Annotated[
        int | None, typer.Option("--hurdles", help="Halving hurdles (default: 2, with several objectives 0).", min=0)
    ] = None,
    guided: Annotated[bool, typer.Option("--guided", help="Walk and rank the start's one-edit neighbourhood.")] = False,
    start: Annotated[str, START_OPTION] = "transformer",
    vocabulary: Annotated[
        str, typer.Option("--vocabulary", help="Primitives that may come in, e.g. SQUARE,DCONV_3X1 (default: all).")
    ] = "",
    edits: Annotated[
        str, typer.Option("--edits", help="Mutations to make, e.g. insert,mutate_field (default: all six).")
    ] = "",
    objectives: Annotated[
        str, typer.Option("--objectives", help="perplexity, or perplexity,latency_ms@cpu for a frontier.")
    ] = "perplexity",
    d_model: Annotated[int, typer.Option("--d-model", help="Width of the models, a multiple of 8.")] = 64,
    layers: Annotated[int, typer.Option("--layers", help="Blocks of the models.", min=1)] = 2,
    length: Annotated[int, typer.Option("--length", help="Tokens a window.", min=1)] = 64,
    batch: Annotated[int, typer.Option("--batch", help="Windows a step.", min=1)] = 8,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="Highest learning rate.")] = 5e-3,
    warmup: Annotated[int, typer.Option("--warmup", help="Steps to the highest learning rate.", min=0)] = 30,
    schedule: Annotated[str, typer.Option("--schedule", help="rsqrt or constant after the warm-up.")] = "rsqrt",
    init_std: Annotated[
        float | None,
        typer.Option("--init-std", help="Deviation of weights at the start, e.g. GPT-2's 0.02 (default: 1/√inputs)."),
    ] = None,
    retrain: Annotated[
        int, typer.Option("--retrain", help="Best programs to train again, beside the start, at the end.", min=0)
    ] = 3,
    retrain_seeds: Annotated[int, typer.Option("--retrain-seeds", help="Fresh seeds of each.", min=1)] = 5,
    workers: Annotated[int, typer.Option("--workers", help="Processes that train at a time.", min=1)] = 1,
    time_limit: Annotated[float, typer.Option("--time-limit", help="Seconds a program may take.")] = 600.0,
    memory_limit: MemoryLimitOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Evolve a transformer block by mutation, trained small. Ctrl-C or a crash loses nothing: run it again.

    With --guided every child that one edit makes is trained instead, and they are ranked.
    Exit status 1 if no program could be trained; the commonest reasons are told.

    Example: tradewind evolve --data stdlib --individuals 300 --budget-steps 200 --workers 2 --seed 0 --out runs/e
    """
    from tradewind import training
    from tradewind.evaluators.program_training import Budget, ProgramTraining
    from tradewind.programs import MUTATIONS, OPERATIONS, ProgramSpace, Sizes
    from tradewind.studies import Study

    text = training.prepare(data, tokenizer)
    space = ProgramSpace(
        read_start(start),
        _names(vocabulary) or tuple(OPERATIONS),
        _names(edits) or tuple(MUTATIONS),
        Sizes(d_model, layers, text.vocab_size, length),
    )
    unit, amount = _budget(budget_steps, budget_flops, budget_seconds)
    several = "," in objectives
    budget = Budget(
        unit=unit,
        amount=amount,
        hurdles=(0 if several else 2) if hurdles is None else hurdles,
        window=max(5, population),
    )
    recipe = training.Recipe(
        batch_size=batch, length=length, learning_rate=learning_rate, schedule=schedule, warmup=warmup, seed=seed
    )
    trained = ProgramTraining(
        space, text, recipe, budget, seed=seed, init_std=init_std, workers=workers, time_limit_s=time_limit,
        **({} if memory_limit is None else {"memory_limit_mb": memory_limit}),  # type: ignore[arg-type]
    )  # fmt: skip
    with trained:
        study = Study.create(
            out,
            space=cast(Space, space),
            objectives=objectives,
            algorithm="neighbourhood" if guided else "aging",
            settings={} if guided else {"population": population, "tournament": tournament},
            seed=seed,
            evaluator=beside(trained, objectives, space, workers),
            resume=True,
        )
        _run(study, trained, individuals, retrain, retrain_seeds, as_json)


def _run(study: Study, trained: Any, individuals: int, retrain: int, seeds: int, as_json: bool) -> None:
    from tradewind.reports.evolution import lineage, retrained
    from tradewind.studies import StoredStudy
    from tradewind.studies.retraining import retrain as train_again

    out = study.path

    def told(done: int, total: int) -> None:
        if not as_json:
            note(f"trained again: {done}/{total}")

    try:
        study.run(budget=individuals, progress=not as_json)
        if retrain:
            train_again(out, trained, top=retrain, seeds=seeds, progress=told)
    except KeyboardInterrupt:
        done = len(study.evaluations())
        raise StudyError(f"stopped; {count(done, 'program')} kept in {out}, and the same command goes on") from None
    stored = StoredStudy(out)
    found, status = stored.frontier(), stored.status()
    if not len(found):
        why = reasons(stored.evaluations())
        raise TradewindError(f"no program of {status['evaluations']} could be trained: {why}")
    if status["exhausted"] and not as_json:
        note(f"It ended before {individuals} programs: {status['note']}.")
    best = found[0]
    again = [row.to_dict() for row in retrained(stored.evaluations("retrain"), stored.space.start)]  # type: ignore[attr-defined]
    if as_json:
        print_json({"run": str(out), "status": status, "frontier": found.to_rows(), "retrained": again})
        return
    console().print(found.table(24))
    for line in lineage(best, stored.evaluations()):
        say(line)
    for row in again:
        say(row["sentence"])
    note(f"{count(status['evaluations'], 'program')} kept in {out}. Look at it: tradewind report {out}")


def read_start(name: str) -> Program:
    """The program that a search begins with, by name or from a file."""
    from tradewind import programs
    from tradewind.core.files import read_json

    known = {
        "transformer": programs.transformer,
        "primer-ez": programs.primer_ez,
        "primer": programs.primer,
        "evolved": programs.evolved,
    }
    if name in known:
        return known[name]()
    if not name.endswith(".json"):
        raise UsageError(f"--start {name!r} is neither one of {', '.join(known)} nor a JSON file")
    return programs.Program.from_dict(read_json(name))


def beside(trained: Any, objectives: str, space: ProgramSpace, workers: int) -> Any:
    """The evaluator of all objectives: training, and measuring on a device where that is asked for."""
    from tradewind.core import Workload, parse_objectives
    from tradewind.evaluators import CombinedEvaluator

    wanted = parse_objectives(objectives, "cpu")
    others = [o for o in wanted if o not in trained.objectives]
    if len(others) == len(wanted):
        raise UsageError(f"programs are searched for perplexity; add it to --objectives {objectives}")
    if not others:
        return trained
    if workers > 1:
        raise UsageError(
            f"{others[0]} is measured on the machine that trains, and two workers would disturb it; use --workers 1"
        )
    from tradewind.evaluators.program_device import ProgramDevice

    load = Workload(batch=1, seq_len=space.sizes.context)
    return CombinedEvaluator([trained, ProgramDevice(others, sizes=space.sizes, workload=load)])


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _budget(steps: float | None, flops: float | None, seconds: float | None) -> tuple[str, float]:
    given = [(u, a) for u, a in (("steps", steps), ("flops", flops), ("seconds", seconds)) if a is not None]
    if len(given) > 1:
        raise UsageError(f"--budget-{given[0][0]} and --budget-{given[1][0]} are two budgets; give one")
    return given[0] if given else ("steps", 200.0)

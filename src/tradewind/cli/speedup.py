"""`tradewind speedup`: how much less compute other blocks need to reach what the baseline reaches."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tradewind.cli.common import JsonOption, SeedOption, ThreadsOption, print_json, print_rows, say
from tradewind.core import UsageError, unknown
from tradewind.core.counting import count
from tradewind.core.terminal import console

LINE_SECONDS = 30.0
"""Pause between lines where there is no terminal."""


def speedup(
    out: Annotated[Path, typer.Option("--out", help="Folder of the experiment; the same command goes on from there.")],
    baseline: Annotated[str, typer.Option("--baseline", help="Block that the others are compared with.")] = "vanilla",
    variants: Annotated[
        str, typer.Option("--variants", help="Blocks, with commas between; see tradewind spaces describe gpt2.")
    ] = "squared-relu,mdha,primer-ez,transformer++",
    matrix: Annotated[
        str, typer.Option("--matrix", help="insertion (vanilla and one part), ablation (Primer less one), or none.")
    ] = "none",
    data: Annotated[str, typer.Option("--data", help="Text file, folder, stdlib or hf:NAME.")] = "stdlib",
    tokenizer: Annotated[str, typer.Option("--tokenizer", help="bytes, or bpe:SIZE.")] = "bytes",
    sizes: Annotated[
        str, typer.Option("--sizes", help="Width x layers, with commas between; two or more give a power law.")
    ] = "128x4",
    steps: Annotated[int, typer.Option("--steps", help="Steps of a run.", min=1)] = 1000,
    batch: Annotated[int, typer.Option("--batch", help="Sequences in a step.", min=1)] = 8,
    length: Annotated[int, typer.Option("--length", help="Tokens of a sequence.", min=1)] = 128,
    rates: Annotated[
        str, typer.Option("--rates", help="Learning rates among which the baseline's best is taken.")
    ] = "1e-3,3e-3,6e-3",
    schedule: Annotated[str, typer.Option("--schedule", help="rsqrt or constant: no cooldown.")] = "rsqrt",
    warmup: Annotated[int, typer.Option("--warmup", help="Steps of warm-up.", min=0)] = 100,
    evaluate_every: Annotated[int, typer.Option("--evaluate-every", help="Steps between scores.", min=1)] = 20,
    batches: Annotated[int, typer.Option("--batches", help="Validation batches a score.", min=1)] = 16,
    seeds: Annotated[int, typer.Option("--seeds", help="Runs of each block.", min=1)] = 3,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Train blocks on the same batches and tell how much less compute each needs than the baseline.

    A factor of 2 means: half the compute to the baseline's final loss; in steps, in operations, and in processor time,
    with 95% intervals over seeds. More --variants, --seeds or --sizes go on with what is there. Writes speedup.json and
    speedup.png into the folder. Ctrl-C or a crash: run it again.

    Example: tradewind speedup --baseline vanilla --variants primer-ez,mdha --data stdlib --steps 500 --out runs/s
    """
    import torch

    from tradewind.core.files import write_json
    from tradewind.studies.speedup import Experiment, Size, run, summarise
    from tradewind.studies.speedup.experiment import MATRICES

    others = _names(variants)
    if matrix != "none":
        if matrix not in MATRICES:
            raise unknown("matrix", matrix, (*MATRICES, "none"))
        baseline, others = MATRICES[matrix]
    experiment = Experiment(
        baseline=baseline,
        variants=others,
        sizes=tuple(Size.parse(text) for text in _names(sizes)),
        seeds=seeds,
        seed=seed,
        data=data,
        tokenizer=tokenizer,
        steps=steps,
        batch_size=batch,
        length=length,
        rates=_numbers(rates),
        schedule=schedule,
        warmup=warmup,
        evaluate_every=evaluate_every,
        batches=batches,
    )
    torch.set_num_threads(threads)
    with _progress(not as_json) as report:
        run(experiment, out, report)
    found = summarise(out)
    write_json(out / "speedup.json", found)
    picture = _figure(found, out / "speedup.png")
    if as_json:
        print_json(found)
        return
    _tell(found)
    say(f"written: {out / 'speedup.json'}{f', {picture}' if picture else ''}")


def _tell(found: dict[str, Any]) -> None:
    for size, table in found["sizes"].items():
        blocks = table["blocks"]
        losses = [
            {
                "block": block,
                "parameters": row["params"],
                "loss": _pm(row["final_loss"], row["final_loss_spread"]),
                "gap": _pm(row["gap"], row["gap_spread"]),
            }
            for block, row in blocks.items()
        ]
        print_rows(losses, f"{size}: {count(table['seeds'], 'seed')}, learning rate {table['learning_rate']:g}")
        factors = [
            {"block": block, "compute": word, **_factor(row[f"factor_{of}"])}
            for block, row in blocks.items()
            for of, word in (("steps", "steps"), ("flops", "FLOPs"), ("cpu_seconds", "CPU time"))
        ]
        print_rows(factors)
    if any(row["factor_steps"]["extrapolated"] for t in found["sizes"].values() for row in t["blocks"].values()):
        say("* beyond the end of some curve: extrapolated in the logarithm of the step")
    for name, rows in found["matrices"].items():
        shown = [
            {"part": r["part"], "gain in perplexity": f"{100 * r['gain']:.1f} ± {100 * r['spread']:.1f} %"}
            for r in rows
        ]
        print_rows(shown, f"{name}: positive means that the part is good")
    if "power_law" in found:
        law = [
            {"": key, "value": v["value"], "low": v["low"], "high": v["high"]} for key, v in found["power_law"].items()
        ]
        print_rows(law, "power law over sizes: loss = a · compute^-k, with 95% intervals over seeds")


def _figure(found: dict[str, Any], path: Path) -> Path | None:
    """Write the figure; None where the plot extra is missing."""
    try:
        from tradewind.reports.speedup import write_figure
    except ImportError:
        return None
    write_figure(found, path)
    return path


def _factor(one: dict[str, Any]) -> dict[str, str]:
    mark = "*" if one["extrapolated"] else ""
    return {"factor": f"{one['value']:.2f}{mark}", "95% interval": f"{one['low']:.2f} to {one['high']:.2f}"}


def _pm(value: float | None, spread: float) -> str:
    return "diverged" if value is None else f"{value:.4f} ± {spread:.4f}"


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in _names(text))
    except ValueError as error:
        raise UsageError(f"--rates {text!r} are no numbers; write them with commas between, e.g. 1e-3,3e-3") from error
    if not found or min(found) <= 0:
        raise UsageError(f"--rates {text!r}: give one or more learning rates above 0, e.g. 1e-3,3e-3")
    return found


@contextlib.contextmanager
def _progress(shown: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    if not shown:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    err = console(err=True)
    with Progress(
        TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), MofNCompleteColumn(), console=err
    ) as drawn:
        task = drawn.add_task("starting", visible=err.is_terminal)
        last = time.monotonic()

        def report(name: str, step: int, steps: int) -> None:
            nonlocal last
            drawn.update(task, completed=step, total=steps, description=name)
            if not err.is_terminal and (step == steps or time.monotonic() - last >= LINE_SECONDS):
                last = time.monotonic()
                err.print(f"{name}: step {step} of {steps}")

        yield report

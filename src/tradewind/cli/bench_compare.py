"""`tradewind bench compare`: search algorithms against each other and against the exact optimum."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.bench_metrics import with_devices
from tradewind.cli.common import JsonOption, SeedOption, note, print_json, print_rows, say
from tradewind.core import StudyError
from tradewind.core.terminal import console

if TYPE_CHECKING:
    from rich.progress import Progress

    from tradewind.studies.compare import Outcome, Summary


def compare(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Benchmarks: hwgpt-s, hwgpt-m, hwgpt-l.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the comparison; the same command resumes it.")],
    objectives: Annotated[
        list[str] | None,
        typer.Option("--objectives", help="Comma-separated, e.g. perplexity,latency_ms@a100. Repeat for more cases."),
    ] = None,
    algorithms: Annotated[
        str,
        typer.Option(
            "--algorithms",
            help="Comma-separated: lts, nsga2/hwgpt (a preset), 'morea(population=20)', optuna:NSGAIISampler, "
            "pymoo:NSGA2...; or all of our own.",
        ),
    ] = "all",
    evaluations: Annotated[int, typer.Option("--evaluations", help="Evaluations a run.", min=2)] = 200,
    seeds: Annotated[int, typer.Option("--seeds", help="Runs of each algorithm on each case.", min=2)] = 20,
    sees: Annotated[
        str, typer.Option("--sees", help="What algorithms are told: draws (noisy), means, or both in turn.")
    ] = "draws",
    seed: SeedOption = 0,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes of one thread each (default: cores - 1).", min=1)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare search algorithms at equal evaluations: share of the exact optimum's hypervolume, ranks, certainty.

    Whatever an algorithm is told, it is judged by noise-free means. Writes report.html, figures, comparison.json and
    curves.parquet into the folder; every run is kept in runs/, so that stopping loses nothing and more seeds,
    algorithms or cases only add what is missing.

    Example: tradewind bench compare hwgpt-s --objectives perplexity,latency_ms@a100 --algorithms random,lts,nsga2
    --evaluations 200 --seeds 20 --out results/a100
    """
    from tradewind.reports import style
    from tradewind.reports.compare import write_comparison
    from tradewind.studies.compare import Contest, run, summarise

    style.require_plot_extra()
    contest = Contest.of(
        names,
        [with_devices(each) for each in objectives or ["perplexity,latency_ms@a100"]],
        algorithms,
        evaluations=evaluations,
        seeds=seeds,
        sees=sees,
        seed=seed,
    )
    for contestant, case, reason in contest.absent:
        note(f"left out: {contestant} on {case}: {reason}")
    with _bar() as bar:
        task = bar.add_task("running", total=None)

        def show(done: int, total: int, last: str) -> None:
            bar.update(task, completed=done, total=total, description=last or "running")

        try:
            run(contest, out, workers, show)
        except KeyboardInterrupt:
            raise StudyError(f"stopped; finished runs are kept in {out}, and the same command goes on") from None
        bar.reset(task, description="judging")
        summary = summarise(contest, out, show)
    paths = [*write_comparison(summary, out), *summary.write(out)]
    if as_json:
        print_json({"out": str(out), "files": [str(path) for path in paths], **summary.to_dict()})
        return
    _print(summary)
    note(f"Look at it: {paths[0]}")


def _print(summary: Summary) -> None:
    for told in summary.contest.sees:
        say(
            f"Share of the exact optimum's hypervolume after {summary.contest.evaluations} evaluations, mean of "
            f"{summary.contest.seeds} runs; algorithms were told {told}, means judge; ask and tell are the algorithm's "
            "own time an evaluation\n"
        )
        for case in summary.contest.cases:
            print_rows([_row(outcome) for outcome in summary.of(case, told)], case.name)
            say("")
        found = summary.ranking(told)
        if found is not None:
            ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in zip(found.names, found.ranks, strict=True))
            say(
                f"Mean rank over {found.blocks} blocks of a case and a seed: {ranks} (differences above "
                f"{found.critical_difference:.2f} are significant at 0.05)\n"
            )


def _row(outcome: Outcome) -> dict[str, Any]:
    facts = outcome.to_dict([outcome.share.shape[1]])
    low, high = facts["share"]["ci95"]
    to_95 = facts["evaluations_to"]["0.95"]
    return {
        "algorithm": outcome.contestant.name,
        "share": f"{facts['share']['final']:.2%}",
        "95% interval": f"{low:.2%} to {high:.2%}",
        "worst\nrun": f"{facts['share']['worst']:.2%}",
        "evaluations\nto 95%": "never" if to_95 is None else str(to_95),
        "ask and\ntell, ms": f"{facts['ask_ms'] + facts['tell_ms']:.2f}",
    }


def _bar() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    return Progress(*columns, console=console(err=True), transient=True)

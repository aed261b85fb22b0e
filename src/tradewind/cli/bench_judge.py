"""`tradewind bench judge`: how well training-free proxies rank published, trained architectures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from tradewind.cli.common import JsonOption, SeedOption, print_json, print_rows

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of your copy of the published tables (default: TRADEWIND_DATA).")
]


def judge(
    name: Annotated[str, typer.Argument(help="A table of trained architectures, e.g. lts-gpt2-wt103.")],
    proxy: Annotated[
        list[str] | None, typer.Option("--proxy", help="decoder_params, quality, total_params, ... Repeat to compare.")
    ] = None,
    data: DataOption = None,
    resamples: Annotated[int, typer.Option("--resamples", help="Bootstrap resamples an interval.", min=1)] = 1000,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Show Spearman, Kendall and agreement at the top of each proxy with the perplexities, with 95% intervals.

    Example: tradewind bench judge lts-gpt2-wt103 --proxy decoder_params --proxy quality --data DIR
    """
    from tradewind.benchmarks import lts

    table = lts.load(name, data)
    proxies = proxy or ["decoder_params", "quality"]
    judged = {each: table.judge(each, seed=seed, resamples=resamples) for each in dict.fromkeys(proxies)}
    if as_json:
        print_json(
            {
                "benchmark": name,
                "architectures": len(table.perplexity),
                "resamples": resamples,
                "seed": seed,
                "proxies": {p: {metric: e.to_dict() for metric, e in found.items()} for p, found in judged.items()},
            }
        )
        return
    first = next(iter(judged.values()))
    print_rows(
        [
            {"metric": metric, **{p: str(found[metric]) for p, found in judged.items()}}
            for metric in first
            if not all(math.isnan(found[metric].value) for found in judged.values())
        ],
        title=f"{name}: {len(table.perplexity)} trained architectures, 95% intervals",
    )

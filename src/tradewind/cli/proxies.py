"""`tradewind proxies`: how well proxies order architectures by perplexity after training, on the user's own text."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tradewind.cli.common import (
    JsonOption,
    SeedOption,
    SetOption,
    SpaceOption,
    ThreadsOption,
    get_space,
    note,
    print_json,
    print_rows,
)
from tradewind.cli.train import (
    DataOption,
    RecipeOption,
    RecipeSettingOption,
    StepsOption,
    TokenizerOption,
    read_recipe,
)
from tradewind.core import TradewindError

SHOWN = (("spearman", "kendall"), ("common_ratio@20%", "common_ratio@50%"))
"""Metrics of the two printed tables; the JSON has all."""
ORDERS = 100.0
"""Largest over smallest number of decoder parameters, where no bounds are given: two orders of magnitude."""


def proxies(
    out: Annotated[Path, typer.Option("--out", help="Folder of the experiment; the same command goes on from there.")],
    space: SpaceOption = "gpt2",
    sets: SetOption = None,
    data: DataOption = "stdlib",
    tokenizer: TokenizerOption = "bytes",
    archs: Annotated[int, typer.Option("--archs", help="Architectures, even in log decoder parameters.", min=3)] = 24,
    low: Annotated[float | None, typer.Option("--low", help="Least decoder parameters (default: the space's).")] = None,
    high: Annotated[
        float | None, typer.Option("--high", help="Most decoder parameters (default: 100 x low, at most the space's).")
    ] = None,
    again: Annotated[int, typer.Option("--again", help="Every n-th trains with a second seed, 0: none.", min=0)] = 3,
    recipe: RecipeOption = "default",
    steps: StepsOption = None,
    setting: RecipeSettingOption = None,
    threads: ThreadsOption = 1,
    resamples: Annotated[int, typer.Option("--resamples", help="Bootstrap resamples an interval.", min=1)] = 1000,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a sample of a space to truth and judge the proxies by it. Ctrl-C or a crash loses one training at most.

    Proxies: decoder_params, quality, grad_norm, snip, grasp, fisher, jacob_cov, synflow, and the loss after 5, 10 and
    25% of the training. Writes proxies.json and proxies.png.

    Example: tradewind proxies --space gpt2 --set n_layer=2..4 --archs 24 --steps 300 --out runs/proxies
    """
    import numpy as np
    import torch

    from tradewind import costs, training
    from tradewind.core.files import write_json
    from tradewind.proxies import Experiment, stratified
    from tradewind.proxies.experiment import noise
    from tradewind.proxies.sample import POOL
    from tradewind.reports import proxies as figure

    place = get_space(space, sets)
    how = read_recipe(recipe, steps, setting, seed)
    torch.set_num_threads(threads)
    text = training.prepare(data, tokenizer)
    sizes = np.asarray(costs.decoder_params(place.sample_many(POOL, seed)))
    least = float(sizes.min()) if low is None else low
    most = min(ORDERS * least, float(sizes.max()) + 1) if high is None else high
    chosen = stratified(place, archs, least, most, seed)
    experiment = Experiment(tuple(chosen), text, how, again)
    rows = experiment.run(out, (lambda _: None) if as_json else note)
    judged, left_out = judge(rows, seed, resamples)
    facts = {
        **{name: value for name, value in experiment.to_dict().items() if name != "architectures"},
        "space": place.to_dict(),
        "decoder_params": [row["decoder_params"] for row in rows],
        "noise": noise(rows),
        "left_out": left_out,
        "resamples": resamples,
        "proxies": judged,
        "rows": rows,
    }
    write_json(out / "proxies.json", facts)
    figure.write(facts, out / "proxies.png")
    if as_json:
        print_json({name: value for name, value in facts.items() if name != "rows"})
        return
    _print(facts, out)


def judge(rows: Sequence[dict[str, Any]], seed: int, resamples: int) -> tuple[dict[str, Any], list[str]]:
    """Every metric of every proxy, with its cost; and the ids of the architectures whose training diverged.

    Truth is minus the loss of the first seed. Raises `TradewindError` where fewer than three trainings came through.
    """
    from tradewind.benchmarks.judging import judge as judge_one

    kept = [row for row in rows if row["losses"][0] is not None]
    if len(kept) < 3:
        raise TradewindError(f"only {len(kept)} of {len(rows)} trainings came through; use a smaller learning rate")
    truth = [-row["losses"][0] for row in kept]
    judged = {}
    for name in kept[0]["proxies"]:
        found = judge_one(truth, [row["proxies"][name]["value"] for row in kept], seed=seed, resamples=resamples)
        judged[name] = {
            "cpu_seconds": statistics.fmean(row["proxies"][name]["cpu_seconds"] for row in kept),
            "metrics": {metric: estimate.to_dict() for metric, estimate in found.items()},
        }
    return judged, [row["id"] for row in rows if row["losses"][0] is None]


def _print(facts: dict[str, Any], out: Path) -> None:
    rows = facts["rows"]
    sizes = facts["decoder_params"]
    title = f"{len(rows)} architectures, {min(sizes):,} to {max(sizes):,} decoder parameters, 95% intervals"
    for metrics in SHOWN:
        table = []
        for name, found in facts["proxies"].items():
            cells = {metric: _words(found["metrics"][metric]) for metric in metrics}
            table.append({"proxy": name, **cells, "CPU s": f"{found['cpu_seconds']:.2g}"})
        print_rows(table, title)
        title = ""
    spent = statistics.fmean(row["truth_cpu_seconds"] for row in rows)
    note(f"Truth: {facts['recipe']['steps']} steps each, {spent:.1f} CPU s on average.")
    if facts["noise"]:
        floor = facts["noise"]
        note(
            f"Noise floor: two seeds of {floor['architectures']} architectures agree with Spearman "
            f"{floor['spearman']:.3f}; one training varies by {floor['deviation']:.3f} nats."
        )
    if facts["left_out"]:
        note(f"Left out, training diverged: {', '.join(facts['left_out'])}")
    note(f"Written to {out}: proxies.json, proxies.png")


def _words(estimate: dict[str, float | None]) -> str:
    if estimate["value"] is None:
        return "undefined"
    return f"{estimate['value']:.3f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"

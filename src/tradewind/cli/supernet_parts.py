"""`tradewind supernet evaluate`, `extract` and `rank`: what is done with the sub-networks of a trained supernet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.common import (
    JsonOption,
    SeedOption,
    ThreadsOption,
    note,
    print_json,
    print_rows,
    read_architecture,
    use_torch,
)
from tradewind.cli.folders import refuse_another
from tradewind.cli.supernet_tables import REMEDY, architectures, fitted, frontier_of, progress
from tradewind.cli.train import RecipeOption, RecipeSettingOption, StepsOption, read_recipe
from tradewind.core import TradewindError, UsageError
from tradewind.core.counting import count

if TYPE_CHECKING:
    from tradewind.training.supernet import StoredSupernet

RunArgument = Annotated[Path, typer.Argument(help="Folder that `supernet train` or `supernet prune` made.")]
DeviceOption = Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N.")]
WindowsOption = Annotated[int, typer.Option("--batches", help="Batches of validation text a network reads.", min=1)]
SampleOption = Annotated[int, typer.Option("-n", help="Sub-networks to draw, spread over all sizes.", min=1)]
FEWEST = 8
"""Networks from which a rank correlation is told with an interval: resamples of fewer say nothing."""
ROWS = 24
"""Rows of a frontier that are printed."""


def evaluate(
    run: RunArgument,
    n: SampleOption = 100,
    archs: Annotated[
        Path | None, typer.Option("--archs", help="Architectures to score instead: .json (one or a list) or .parquet.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="JSONL table (default: evaluations.jsonl in the folder); resumed.")
    ] = None,
    batches: WindowsOption = 16,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = 1,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Score many sub-networks with inherited weights; prints the frontier of perplexity and parameters.

    The vocabulary is the supernet's, whatever a file of architectures says.

    Example: tradewind supernet evaluate runs/net -n 1000
    """
    from tradewind.training import supernet as room

    use_torch(device, threads)
    stored = room.load_supernet(run, device)
    chosen = architectures(archs, stored) if archs else room.spread(stored.space, n, seed)
    windows = _windows(stored, batches)
    table = out or run / "evaluations.jsonl"
    with progress(not as_json) as report:
        rows = room.examine(windows, chosen, table, report)
    frontier = frontier_of(rows)
    if as_json:
        print_json({"run": str(run), "table": str(table), "evaluated": len(rows), "frontier": frontier})
        return
    short = [{key: row[key] for key in ("id", "params", "perplexity")} for row in frontier]
    print_rows(short[:ROWS], f"{len(frontier)} of {count(len(rows), 'sub-network')} are on the frontier")
    note(f"All rows are in {table}.")


def extract(
    run: RunArgument,
    arch: Annotated[Path, typer.Option("--arch", help="JSON file of one architecture of the supernet's space.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the model.")],
    recover: Annotated[int, typer.Option("--recover", help="Steps to train it on alone, to recover.", min=0)] = 0,
    recipe: RecipeOption = "default",
    setting: RecipeSettingOption = None,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = 1,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Write one sub-network as a model of its own, as it is or trained on for a while on the supernet's text.

    The vocabulary is the supernet's, whatever the file says.

    Example: tradewind supernet extract runs/net --arch a.json --recover 200 --out runs/small
    """
    from tradewind import training
    from tradewind.training import supernet as room

    use_torch(device, threads)
    stored = room.load_supernet(run, device)
    one = fitted(read_architecture(arch, stored.space, REMEDY), stored)
    windows = _windows(stored)
    origin = windows.facts["weights"]
    facts = {name: stored.facts[name] for name in ("data", "tokenizer")}
    facts |= {"text": windows.facts["text"], "supernet": origin, "id": one.id}
    refuse_another(out, facts, trains=recover > 0)
    row = windows.row(one)
    model = stored.supernet.extract(one)
    after: float | None = None
    if recover:
        given = {"length": stored.facts["length"]}
        how = read_recipe(recipe, recover, [*(f"{k}={v}" for k, v in given.items()), *(setting or [])], seed)
        trainer = training.Trainer(model, stored.text(), how, out, start=origin)
        with training.bar(how.steps, not as_json) as report:
            trainer.run(report=report)
        if trainer.diverged:
            raise TradewindError(f"training diverged at step {trainer.step}: {trainer.diverged}; try a smaller rate")
        after = windows.loss_of(model)
    training.save_model(model, out, facts, stored.tokenizer)
    found = {"id": one.id, "out": str(out), "inherited_loss": row["loss"], "recovered_loss": after}
    if as_json:
        print_json(found)
        return
    losses = {"inherited": row["loss"], **({"recovered": after} if recover else {})}
    print_rows([{"loss, nats per token": name, "value": loss} for name, loss in losses.items()])
    note(f"The model is in {out}.")


def rank(
    run: RunArgument,
    out: Annotated[Path, typer.Option("--out", help="Folder of the trainings; the same command goes on from there.")],
    n: SampleOption = 12,
    recipe: RecipeOption = "default",
    steps: StepsOption = None,
    setting: RecipeSettingOption = None,
    batches: WindowsOption = 16,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = 1,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a sample of the space from scratch and correlate its ranking with that of inherited weights.

    Prints Spearman's and Kendall's correlation with 95% bootstrap intervals (of 8 networks or more), beside those of
    parameters alone.

    Example: tradewind supernet rank runs/net -n 12 --steps 300 --out runs/rank
    """
    from tradewind import costs, training
    from tradewind.core.files import write_json
    from tradewind.training import supernet as room

    if n < 3:
        raise UsageError(f"-n is {n}; a ranking needs at least 3 architectures")
    use_torch(device, threads)
    stored = room.load_supernet(run, device)
    text, windows = stored.text(), _windows(stored, batches)
    own = [f"length={stored.facts['length']}", *(setting or [])]
    how = read_recipe(recipe, steps, own, seed)
    rows = []
    for arch in room.spread(stored.space, n, seed):
        with training.bar(how.steps, not as_json) as report:
            alone = room.train_alone(arch, windows, text, how, out / arch.id, report)
        inherited = windows.row(arch)["loss"]
        rows.append(
            {
                "id": arch.id,
                "params": costs.params(arch),
                "inherited": inherited,
                "alone": alone if alone == alone else None,
            }
        )
    truth = [float("nan") if row["alone"] is None else row["alone"] for row in rows]
    scores = {
        "inherited weights": [float("nan") if r["inherited"] is None else r["inherited"] for r in rows],
        "parameters": [-float(r["params"]) for r in rows],
    }
    found = {name: room.compare(losses, truth, seed) for name, losses in scores.items()}
    plain = {
        name: {"n": f["n"]} | {kind: vars(f[kind]) for kind in ("spearman", "kendall")} for name, f in found.items()
    }
    report_of = {"run": str(run), "recipe": how.to_dict(), "architectures": rows, "agreement": plain}
    write_json(out / "ranking.json", report_of)
    if as_json:
        print_json(report_of)
        return
    print_rows(rows, "loss in nats per token, inherited and trained alone")
    fewest = min(f["n"] for f in found.values())
    told = []
    for name, f in found.items():
        for kind in ("spearman", "kendall"):
            row = {"ranked by": name, "correlation": kind, "value": f[kind].value}
            told.append(row | ({"95% from": f[kind].low, "to": f[kind].high} if fewest >= FEWEST else {}))
    print_rows(told)
    if fewest < FEWEST:
        note(f"{fewest} networks are too few for an interval, which takes {FEWEST}; give a larger -n")


def _windows(stored: StoredSupernet, batches: int = 16) -> Any:
    from tradewind.training.supernet import Examination

    return Examination(stored.supernet, stored.text(), batches=batches, length=stored.facts["length"])

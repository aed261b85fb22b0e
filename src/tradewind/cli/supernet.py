"""`tradewind supernet`: train one network that holds a whole space, and score, cut out and rank its sub-networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.common import (
    JsonOption,
    SeedOption,
    SetOption,
    SpaceOption,
    ThreadsOption,
    console,
    count,
    get_space,
    print_json,
    print_rows,
    read_architecture,
)
from tradewind.cli.supernet_tables import architectures, frontier_of, progress
from tradewind.cli.train import (
    DataOption,
    RecipeOption,
    RecipeSettingOption,
    StepsOption,
    TokenizerOption,
    read_recipe,
)
from tradewind.core import TradewindError, UsageError

if TYPE_CHECKING:
    from tradewind.spaces import ArchitectureSpace
    from tradewind.training import TokenData
    from tradewind.training.supernet import StoredSupernet

app = typer.Typer(
    help="Train one network that holds every network of a space; score, extract and rank its sub-networks.\n\n"
    "Example: tradewind supernet train --space hwgpt-s --set network=intended --data stdlib --out runs/net",
    no_args_is_help=True,
    rich_markup_mode=None,
)
RunArgument = Annotated[Path, typer.Argument(help="Folder that `supernet train` or `supernet prune` made.")]
DeviceOption = Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N.")]
WindowsOption = Annotated[int, typer.Option("--batches", help="Batches of validation text a network reads.", min=1)]
SampleOption = Annotated[int, typer.Option("-n", help="Sub-networks to draw, spread over all sizes.", min=1)]
ROWS = 24
"""Rows of a frontier that are printed."""


@app.callback()
def _supernet() -> None:
    """Train one network that holds every network of a space; score, extract and rank its sub-networks.

    Example: tradewind supernet train --space hwgpt-s --set network=intended --data stdlib --out runs/net
    """


@app.command()
def train(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; the same command goes on from there.")],
    space: SpaceOption = "gpt2",
    sets: SetOption = None,
    data: DataOption = "stdlib",
    tokenizer: TokenizerOption = "bytes",
    strategy: Annotated[
        str, typer.Option("--strategy", help="Networks of a step: sandwich, random, or balanced (by parameters).")
    ] = "sandwich",
    networks: Annotated[int, typer.Option("--networks", help="Networks a step.", min=1)] = 4,
    distill: Annotated[
        float, typer.Option("--distill", help="Weight, 0 to 1, of the largest's predictions as targets of the others.")
    ] = 0.0,
    start: Annotated[
        str | None,
        typer.Option("--from", help="Start from this model (a folder of ours or a Hugging Face GPT-2) or supernet."),
    ] = None,
    recipe: RecipeOption = "default",
    steps: StepsOption = None,
    setting: RecipeSettingOption = None,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = 1,
    checkpoint_every: Annotated[int, typer.Option("--checkpoint-every", help="Steps between checkpoints.")] = 200,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a supernet of a space. Ctrl-C or a crash: run it again; it goes on exactly where it was.

    The vocabulary is that of the tokenizer. The folder is also that of an ordinary model, the largest network.

    Example: tradewind supernet train --space hwgpt-s --set network=intended --steps 500 --out runs/net
    """
    import torch

    from tradewind import training
    from tradewind.training import supernet as room

    torch.set_num_threads(threads)
    how = read_recipe(recipe, steps, setting, seed)
    room.Sampling(get_space(space, sets), strategy, networks)  # refuses what is wrong before any text is read
    text = training.prepare(data, tokenizer)
    net, place = _begin(start, space, sets, text, how.length, device, seed)
    sampling = room.Sampling(place, strategy, networks)
    trainer = room.SupernetTrainer(net, text, how, sampling, out, distill=distill, checkpoint_every=checkpoint_every)
    with training.bar(how.steps, not as_json) as report:
        trainer.run(report=report)
    if trainer.diverged:
        raise TradewindError(f"training diverged at step {trainer.step}: {trainer.diverged}; try a smaller rate")
    facts = {"data": data, "tokenizer": tokenizer, "length": how.length, "steps": trainer.step}
    stored = room.StoredSupernet(net.eval(), place, facts)
    room.save_supernet(out, stored)
    windows = room.Examination(net, text, length=how.length)
    ends = {name: windows.row(arch) for name, arch in zip(("smallest", "largest"), sampling.extremes, strict=True)}
    _tell(out, stored, ends, as_json)


@app.command()
def prune(
    model: Annotated[str, typer.Argument(help="A trained model: a folder of ours, or a Hugging Face GPT-2.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    data: DataOption = "stdlib",
    tokenizer: TokenizerOption = "bytes",
    batches: Annotated[int, typer.Option("--batches", help="Batches of training text to judge by.", min=1)] = 8,
    length: Annotated[int, typer.Option("--length", help="Tokens a window.", min=1)] = 128,
    device: DeviceOption = "cpu",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Make a supernet of a trained model: layers, heads, neurons and channels in order of importance; no training.

    Its sub-networks are the model, structurally pruned: evaluate them, search them, extract one and let it recover.

    Example: tradewind supernet prune runs/t --data stdlib --out runs/pruned
    """
    from tradewind import training
    from tradewind.training import supernet as room

    text = training.prepare(data, tokenizer)
    net = room.order_units(room.open_model(model, device), text, batches=batches, length=length, seed=seed)
    place = room.pruning_space(net.arch)
    stored = room.StoredSupernet(net, place, {"data": data, "tokenizer": tokenizer, "length": length, "from": model})
    room.save_supernet(out, stored)
    windows = room.Examination(net, text, length=length)
    ends = {"smallest": windows.row(room.extremes(place)[0]), "largest": windows.row(net.arch)}
    _tell(out, stored, ends, as_json)


@app.command()
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

    Example: tradewind supernet evaluate runs/net -n 1000
    """
    import torch

    from tradewind.training import supernet as room

    torch.set_num_threads(threads)
    stored = room.load_supernet(run, device)
    chosen = architectures(archs, stored.space) if archs else room.spread(stored.space, n, seed)
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
    console(err=True).print(f"All rows are in {table}.", soft_wrap=True)


@app.command()
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

    Example: tradewind supernet extract runs/net --arch a.json --recover 200 --out runs/small
    """
    import torch

    from tradewind import training
    from tradewind.training import supernet as room

    torch.set_num_threads(threads)
    stored = room.load_supernet(run, device)
    one = read_architecture(arch, stored.space)
    windows = _windows(stored)
    row = windows.row(one)
    model = stored.supernet.extract(one)
    after: float | None = None
    if recover:
        given = {"length": stored.facts["length"]}
        how = read_recipe(recipe, recover, [*(f"{k}={v}" for k, v in given.items()), *(setting or [])], seed)
        trainer = training.Trainer(model, _text(stored), how, out)
        with training.bar(how.steps, not as_json) as report:
            trainer.run(report=report)
        if trainer.diverged:
            raise TradewindError(f"training diverged at step {trainer.step}: {trainer.diverged}; try a smaller rate")
        after = windows.loss_of(model)
    training.save_model(model, out, {name: stored.facts[name] for name in ("data", "tokenizer")})
    found = {"id": one.id, "out": str(out), "inherited_loss": row["loss"], "recovered_loss": after}
    if as_json:
        print_json(found)
        return
    print_rows([{"loss, nats per token": k.removesuffix("_loss"), "value": v} for k, v in found.items() if "_" in k])
    console(err=True).print(f"The model is in {out}.", soft_wrap=True)


@app.command()
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

    Prints Spearman's and Kendall's correlation with 95% bootstrap intervals, beside those of parameters alone.

    Example: tradewind supernet rank runs/net -n 12 --steps 300 --out runs/rank
    """
    import torch

    from tradewind import costs, training
    from tradewind.core.files import write_json
    from tradewind.training import supernet as room

    if n < 3:
        raise UsageError(f"-n is {n}; a ranking needs at least 3 architectures")
    torch.set_num_threads(threads)
    stored = room.load_supernet(run, device)
    text, windows = _text(stored), _windows(stored, batches)
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
    print_rows(
        [
            {"ranked by": name, "correlation": kind, "value": f[kind].value, "low": f[kind].low, "high": f[kind].high}
            for name, f in found.items()
            for kind in ("spearman", "kendall")
        ]
    )


def _begin(
    start: str | None, space: str, sets: list[str] | None, text: TokenData, length: int, device: str, seed: int
) -> tuple[Any, ArchitectureSpace]:
    """The supernet to train and its space, fitted to the text."""
    from tradewind import models, training
    from tradewind.models.supernet import Supernet
    from tradewind.training import supernet as room
    from tradewind.training.supernet.store import FILE

    if start is not None and (Path(start) / FILE).is_file():
        stored = room.load_supernet(start, device)
        return stored.supernet, stored.space
    place = get_space(space, sets)
    if start is not None:
        net = room.order_units(room.open_model(start, device), text, length=length, seed=seed)
        return net, place.narrow(vocab_size=net.arch.vocab_size)
    fitted = training.for_text(room.covering(place), text)
    changed = {name: getattr(fitted, name) for name in ("vocab_size", "cutoffs") if name in place.constants}
    place = place.narrow(**changed)
    return Supernet(models.build(room.covering(place), device=device, seed=seed)), place


def _text(stored: StoredSupernet) -> TokenData:
    from tradewind import training

    return training.prepare(stored.facts["data"], stored.facts["tokenizer"])


def _windows(stored: StoredSupernet, batches: int = 16) -> Any:
    from tradewind.training.supernet import Examination

    return Examination(stored.supernet, _text(stored), batches=batches, length=stored.facts["length"])


def _tell(out: Path, stored: StoredSupernet, ends: dict[str, dict[str, Any]], as_json: bool) -> None:
    from tradewind import costs
    from tradewind.core import Architecture

    rows = [
        {
            "network": name,
            "params": costs.params(Architecture.from_dict(row["architecture"])),
            "perplexity": row["perplexity"],
        }
        for name, row in ends.items()
    ]
    if as_json:
        print_json({"out": str(out), "space": stored.space.name, "networks": rows})
        return
    print_rows(rows, f"{stored.space.name}: {count(stored.space.size(), 'network')} in one")
    console(err=True).print(f"Score them: tradewind supernet evaluate {out}", soft_wrap=True)

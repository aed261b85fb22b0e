"""`tradewind supernet`: train one network that holds a whole space, and score, cut out and rank its sub-networks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    use_torch,
)
from tradewind.cli.folders import refuse_another
from tradewind.cli.supernet_parts import DeviceOption, evaluate, extract, rank
from tradewind.cli.train import (
    DataOption,
    RecipeOption,
    RecipeSettingOption,
    StepsOption,
    read_recipe,
)
from tradewind.core import TradewindError, UsageError
from tradewind.core.counting import count

if TYPE_CHECKING:
    from tradewind.spaces import ArchitectureSpace
    from tradewind.training import TokenData
    from tradewind.training.supernet import StoredSupernet

OwnTokenizerOption = Annotated[
    str | None,
    typer.Option(
        "--tokenizer",
        help="bytes, or bpe:SIZE trained on the training text (default: the model's own, or bytes).",
    ),
]

app = typer.Typer(
    help="Train one network that holds every network of a space; score, extract and rank its sub-networks.\n\n"
    "Example: tradewind supernet train --space hwgpt-s --set network=intended --data stdlib --out runs/net",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("evaluate")(evaluate)
app.command("extract")(extract)
app.command("rank")(rank)


@app.callback()
def _supernet() -> None:
    """Train one network that holds every network of a space; score, extract and rank its sub-networks.

    Example: tradewind supernet train --space hwgpt-s --set network=intended --data stdlib --out runs/net
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise UsageError("tradewind supernet works in one process; start it without torchrun")


@app.command()
def train(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; the same command goes on from there.")],
    space: SpaceOption = "gpt2",
    sets: SetOption = None,
    data: DataOption = "stdlib",
    tokenizer: OwnTokenizerOption = None,
    strategy: Annotated[
        str, typer.Option("--strategy", help="Networks of a step: sandwich, random, or balanced (by parameters).")
    ] = "sandwich",
    networks: Annotated[int, typer.Option("--networks", help="Networks a step.", min=1)] = 4,
    distill: Annotated[
        float, typer.Option("--distill", help="Weight, 0 to 1, of the largest's predictions as the others' targets.")
    ] = 0.0,
    whole_batch: Annotated[
        bool, typer.Option("--whole-batch", help="Let every network of a step read the whole batch, not a part of it.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", help="Start from this model (a folder of ours or a Hugging Face GPT-2) or supernet and its space."
        ),
    ] = None,
    recipe: RecipeOption = "default",
    steps: StepsOption = None,
    setting: RecipeSettingOption = None,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = 1,
    checkpoint_every: Annotated[
        int, typer.Option("--checkpoint-every", help="Steps between checkpoints.", min=0)
    ] = 200,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a supernet of a space. Ctrl-C or a crash: run it again; it goes on exactly where it was.

    The vocabulary is that of the tokenizer; a model to start from brings its own. The folder is also that of
    an ordinary model, the largest network.

    Example: tradewind supernet train --space hwgpt-s --set network=intended --steps 500 --out runs/net
    """
    from tradewind import training
    from tradewind.training import supernet as room

    use_torch(device, threads)
    refuse_another(out, None, trains=True)
    how = read_recipe(recipe, steps, setting, seed)
    room.Sampling(get_space(space, sets), strategy, networks)  # refuses what is wrong before any text is read
    text = training.prepare(data, room.choose_tokenizer(start, tokenizer))
    net, place, origin = _begin(start, space, sets, text, how.length, device, seed)
    sampling = room.Sampling(place, strategy, networks)
    lessons: dict[str, Any] = {"distill": distill, "whole_batch": whole_batch, "start": origin}
    trainer = room.SupernetTrainer(net, text, how, sampling, out, **lessons, checkpoint_every=checkpoint_every)
    with training.bar(how.steps, not as_json) as report:
        trainer.run(report=report)
    if trainer.diverged:
        raise TradewindError(f"training diverged at step {trainer.step}: {trainer.diverged}; try a smaller rate")
    facts = room.text_facts(data, text) | {"length": how.length, "steps": trainer.step}
    stored = room.StoredSupernet(net.eval(), place, facts, text.tokenizer)
    room.save_supernet(out, stored)
    windows = room.Examination(net, text, length=how.length)
    ends = {name: windows.row(arch) for name, arch in zip(("smallest", "largest"), sampling.extremes, strict=True)}
    _tell(out, stored, ends, as_json)


@app.command()
def prune(
    model: Annotated[str, typer.Argument(help="A trained model: a folder of ours, or a Hugging Face GPT-2.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    data: DataOption = "stdlib",
    tokenizer: OwnTokenizerOption = None,
    batches: Annotated[int, typer.Option("--batches", help="Batches of training text to judge by.", min=1)] = 8,
    length: Annotated[int, typer.Option("--length", help="Tokens a window.", min=1)] = 128,
    device: DeviceOption = "cpu",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Make a supernet of a trained model: layers, heads, neurons and channels in order of importance; no training.

    Its sub-networks are the model, structurally pruned: evaluate them, search them, extract one and let it recover.
    The text is read with the model's own tokenizer; --tokenizer names it where the folder does not tell.

    Example: tradewind supernet prune runs/t --data stdlib --out runs/pruned
    """
    from tradewind import training
    from tradewind.devices import get
    from tradewind.training import supernet as room

    get(device)
    text = training.prepare(data, room.choose_tokenizer(model, tokenizer))
    judged = {"batches": batches, "length": length, "seed": seed}
    facts = room.text_facts(data, text) | judged | {"from": model}
    refuse_another(out, facts)
    net = room.order_units(room.open_model(model, device), text, **judged)
    place = room.pruning_space(net.arch)
    stored = room.StoredSupernet(net, place, facts, text.tokenizer)
    room.save_supernet(out, stored)
    windows = room.Examination(net, text, length=length)
    ends = {"smallest": windows.row(room.extremes(place)[0]), "largest": windows.row(net.arch)}
    _tell(out, stored, ends, as_json)


def _begin(
    start: str | None, space: str, sets: list[str] | None, text: TokenData, length: int, device: str, seed: int
) -> tuple[Any, ArchitectureSpace, str | None]:
    """The supernet to train and its space, fitted to the text, and a name of its weights unless they are the seed's."""
    from tradewind import models, training
    from tradewind.models.supernet import Supernet
    from tradewind.training import supernet as room
    from tradewind.training.supernet.store import FILE

    if start is not None and (Path(start) / FILE).is_file():
        if space != "gpt2" or sets:
            raise UsageError(f"--from {start} is a supernet and brings its space; leave --space and --set out")
        stored = room.load_supernet(start, device)
        return stored.supernet, stored.space, room.fingerprint(stored.supernet)
    place = get_space(space, sets)
    if start is not None:
        model = room.open_model(start, device)
        net = room.order_units(model, text, length=length, seed=seed)
        # The order of the units inside a layer is in the checkpoint; another number of threads may change it.
        origin = room.fingerprint(Supernet(model, net.layer_order))
        return net, place.narrow(vocab_size=net.arch.vocab_size), origin
    fitted = training.for_text(room.covering(place), text)
    changed = {name: getattr(fitted, name) for name in ("vocab_size", "cutoffs") if name in place.constants}
    place = place.narrow(**changed)
    return Supernet(models.build(room.covering(place), device=device, seed=seed)), place, None


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
    note(f"Score them: tradewind supernet evaluate {out}")

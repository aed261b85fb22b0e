"""`tradewind train`: train one architecture on a text."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.common import (
    ConstantOption,
    JsonOption,
    SeedOption,
    SpaceOption,
    ThreadsOption,
    get_space_of_file,
    note,
    print_json,
    print_rows,
    read_architecture,
    read_settings,
    use_torch,
)
from tradewind.cli.folders import refuse_another
from tradewind.core import TradewindError

if TYPE_CHECKING:
    from tradewind.core import Architecture
    from tradewind.training import Recipe, TokenData, Trainer

DataOption = Annotated[
    str, typer.Option("--data", help="Text file, folder, stdlib (Python's own library) or hf:NAME (Hugging Face).")
]
TokenizerOption = Annotated[str, typer.Option("--tokenizer", help="bytes, or bpe:SIZE trained on the training text.")]
RecipeOption = Annotated[
    str, typer.Option("--recipe", help="default, lts-wikitext103, lts-lm1b, lts-text, hwgpt or primer.")
]
StepsOption = Annotated[int | None, typer.Option("--steps", help="Steps of the optimizer.", min=1)]
RecipeSettingOption = Annotated[
    list[str] | None,
    typer.Option("--setting", help="Of the recipe: batch_size=8, length=256, learning_rate=3e-3, schedule=rsqrt..."),
]


def train(
    arch: Annotated[Path, typer.Option("--arch", help="JSON file of one architecture.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; the same command goes on from there.")],
    data: DataOption = "stdlib",
    tokenizer: TokenizerOption = "bytes",
    space: SpaceOption = "gpt2",
    sets: ConstantOption = None,
    recipe: RecipeOption = "default",
    steps: StepsOption = None,
    setting: RecipeSettingOption = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N.")] = "cpu",
    threads: ThreadsOption = 1,
    evaluate_every: Annotated[int, typer.Option("--evaluate-every", help="Steps; 0: after the last.", min=0)] = 0,
    checkpoint_every: Annotated[
        int, typer.Option("--checkpoint-every", help="Steps between checkpoints.", min=0)
    ] = 200,
    compiled: Annotated[bool, typer.Option("--compile", help="Run the model through torch.compile.")] = False,
    strategy: Annotated[str, typer.Option("--strategy", help="Under torchrun: ddp or fsdp.")] = "ddp",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train one architecture on a text and tell its validation perplexity. Ctrl-C or a crash: run it again.

    The vocabulary is that of the tokenizer, whatever the file says. The folder then holds the weights, the metrics and
    the last checkpoint. Exit status 1 if training diverged.

    Example: tradewind spaces sample gpt2 --out a.json && tradewind train --arch a.json --steps 200 --out runs/t

    Example: torchrun --nproc-per-node=2 -m tradewind train --arch a.json --data text/ --out runs/two
    """
    from tradewind import models, training
    from tradewind.training.parallel import processes

    one = read_architecture(arch, get_space_of_file(space, sets))
    how = read_recipe(recipe, steps, setting, seed)
    use_torch(device, threads)
    refuse_another(out, None, trains=True)
    with processes(device) as (place, here):
        text = training.prepare(data, tokenizer)
        fitted = training.for_text(one, text)
        model = models.build(fitted, device=here, seed=seed)
        trainer = training.Trainer(
            model,
            text,
            how,
            out,
            evaluate_every=evaluate_every,
            checkpoint_every=checkpoint_every,
            compiled=compiled,
            strategy=strategy,
        )
        chief = place.rank == 0
        if chief and trainer.step and not as_json:
            whole = trainer.step >= how.steps
            note(f"{out} holds {trainer.step} of {how.steps} steps; {'finished already' if whole else 'it goes on'}")
        with training.bar(how.steps, chief and not as_json) as report:
            trainer.run(report=report)
        found = _found(fitted, text, trainer, out)
        trainer.save_model({"text": text.hash, "validation": found["validation"]})
    if chief:
        _tell(found, how, as_json)


def read_recipe(name: str, steps: int | None, settings: list[str] | None, seed: int) -> Recipe:
    """The recipe of the ``--recipe --steps --setting --seed`` options; raises `UsageError`."""
    from tradewind import training

    given: dict[str, Any] = {"seed": seed} | ({"steps": steps} if steps else {})
    for key, text in read_settings(settings or []).items():
        try:
            given[key] = json.loads(text)
        except ValueError:
            given[key] = text
    return training.preset(name, **given)


def _found(arch: Architecture, text: TokenData, trainer: Trainer, out: Path) -> dict[str, Any]:
    from tradewind import costs

    last = trainer.evaluations[-1] if trainer.evaluations else {}
    return {
        "run": str(out),
        "id": arch.id,
        "decoder_params": costs.decoder_params(arch),
        "text": text.manifest["source"],
        "steps": trainer.step,
        "tokens": trainer.step * trainer.recipe.batch_size * trainer.recipe.length,
        "diverged": trainer.diverged,
        "tokens_per_second": None if math.isnan(trainer.tokens_per_second) else round(trainer.tokens_per_second, 1),
        "validation": last.get("validation"),
    }


def _tell(found: dict[str, Any], how: Recipe, as_json: bool) -> None:
    from tradewind.training.evaluation import FIGURES

    if as_json:
        print_json(found)
    elif found["validation"]:
        figures = {name: found["validation"][name] for name in FIGURES if name in found["validation"]}
        title = f"{found['id']}: {found['decoder_params']:,} decoder parameters, {found['tokens']:,} tokens"
        print_rows([{"validation": name, "value": value} for name, value in figures.items()], title)
        note(f"Weights, metrics and checkpoint are in {found['run']}.")
    if found["diverged"]:
        rate = how.learning_rate
        raise TradewindError(
            f"training diverged at step {found['steps']}: {found['diverged']}; try a smaller --setting "
            f"learning_rate (it was {rate:g}) or more warmup, in another --out"
        )

"""`tradewind export`: what was found, in the form that another tool opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tradewind.cli.common import (
    ConstantOption,
    JsonOption,
    SeedOption,
    SpaceOption,
    check_ending,
    get_space_of_file,
    note,
    print_json,
    read_architecture,
)
from tradewind.core import TradewindError, UsageError
from tradewind.core.counting import count

CheckpointOption = Annotated[
    Path | None, typer.Option("--checkpoint", help="Folder of a trained model: tradewind train, or Hugging Face GPT-2.")
]
ArchOption = Annotated[Path | None, typer.Option("--arch", help="JSON file of one architecture.")]

app = typer.Typer(
    help="Write what was found in the form that another tool opens.\n\n"
    "Example: tradewind export hf --checkpoint runs/t --out model\n\n"
    "Example: tradewind export onnx --checkpoint runs/t --out model.onnx --check\n\n"
    "Example: tradewind export optuna runs/a --out a.db",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _export() -> None:
    """Write what was found in the form that another tool opens.

    Example: tradewind export hf --checkpoint runs/t --out model

    Example: tradewind export onnx --checkpoint runs/t --out model.onnx --check

    Example: tradewind export optuna runs/a --out a.db
    """


@app.command("hf")
def hf(
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    checkpoint: CheckpointOption = None,
    arch: ArchOption = None,
    space: SpaceOption = "gpt2",
    sets: ConstantOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Write a GPT-2 whose layers are alike, with its tokenizer, as a folder that Hugging Face's transformers loads.

    Without a checkpoint the weights are random ones, to train there.

    Example: tradewind export hf --checkpoint runs/t --out model
    """
    from tradewind import training
    from tradewind.models.export import write_huggingface

    model, tokenizer = _model(checkpoint, arch, space, sets, seed)
    text = training.tokenizer_json(tokenizer) if tokenizer else None
    folder = write_huggingface(model, out, tokenizer=text, end=tokenizer.end if tokenizer else None)
    if as_json:
        print_json({"id": model.arch.id, "out": str(folder), "files": sorted(path.name for path in folder.iterdir())})
        return
    told = f"transformers.AutoModelForCausalLM.from_pretrained({str(folder)!r}) loads it"
    note(told if tokenizer else f"{told}; no tokenizer is known")


@app.command("onnx")
def onnx(
    out: Annotated[Path, typer.Option("--out", help="ONNX file to write.")],
    checkpoint: CheckpointOption = None,
    arch: ArchOption = None,
    space: SpaceOption = "gpt2",
    sets: ConstantOption = None,
    logits: Annotated[str, typer.Option("--logits", help="Positions scored: all or last.")] = "all",
    decode: Annotated[
        bool, typer.Option("--decode", help="One decoding step, with keys and values in and out, instead.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare with the model itself, in ONNX Runtime.")] = False,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Write a model of any family as an ONNX graph, batch and length left open.

    Without a checkpoint the weights are random ones, for timing. With --check exit status 1 where the logits differ.

    Example: tradewind export onnx --arch a.json --out model.onnx --check
    """
    from tradewind.models import export
    from tradewind.models.export.onnx_check import TOLERANCE

    check_ending(out, ".onnx")
    model, _ = _model(checkpoint, arch, space, sets, seed)
    found: dict[str, Any] = {"id": model.arch.id, "out": str(out)}
    if decode:
        export.write_onnx_decoder(model, out)
    else:
        export.write_onnx(model, out, logits=logits)
    if check:
        vocabulary = model.arch.vocab_size
        found["largest_difference"] = difference = (
            export.largest_step_difference(model, out, seed=seed)
            if decode
            else export.largest_difference(model, out, vocabulary, logits=logits, seed=seed)
        )
        if not difference <= TOLERANCE:
            raise TradewindError(
                f"{out} differs from the model by {difference:.2g} of the largest logit; do not use it"
            )
    if as_json:
        print_json(found)
        return
    equal = f"; it differs from the model by {found['largest_difference']:.1g} of the largest logit" if check else ""
    note(f"Written to {out}{equal}")


def _model(
    checkpoint: Path | None, arch: Path | None, space: str, sets: list[str] | None, seed: int
) -> tuple[Any, Any]:
    """The model, and the tokenizer where it is known, of the ``--checkpoint`` and ``--arch`` options."""
    from tradewind import models, training

    if checkpoint is None and arch is None:
        raise UsageError("give --checkpoint FOLDER of a trained model, or --arch FILE.json for random weights")
    one = read_architecture(arch, get_space_of_file(space, sets)) if arch is not None else None
    if checkpoint is None:
        assert one is not None
        return models.build(one, seed=seed), None
    model, tokenizer = training.open_saved(checkpoint)
    if one is not None:
        # Training gives an architecture the vocabulary of its text.
        mine, theirs = (
            {key: value for key, value in a.to_dict().items() if key not in ("vocab_size", "cutoffs")}
            for a in (one, model.arch)
        )
        for key, value in mine.items():
            if value != theirs.get(key):
                raise UsageError(
                    f"{checkpoint} holds another architecture than {arch} ({key} is {theirs.get(key)}, not {value}); "
                    "leave --arch out or give the one that was trained"
                )
    return model, tokenizer


@app.command("optuna")
def optuna(
    run: Annotated[Path, typer.Argument(help="Folder that `tradewind search --out` made; it may still be running.")],
    out: Annotated[Path, typer.Option("--out", help="SQLite file to write; it must not be there yet.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the Optuna study (default: the folder's).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run as an Optuna study, for optuna-dashboard and everything else that reads Optuna's storage.

    Genes become parameters, objectives values, measured constraints constraints; failures stay failures. The run itself
    is not changed.

    Example: tradewind export optuna runs/a --out a.db && optuna-dashboard sqlite:///a.db
    """
    from tradewind.studies import StoredStudy

    study = StoredStudy.open(run)
    path = study.to_optuna(out, name)
    trials = len(study.evaluations())
    if as_json:
        print_json({"run": str(run), "out": str(path), "trials": trials})
        return
    note(f"{count(trials, 'trial')} written to {path}. Look at it: optuna-dashboard sqlite:///{path}")

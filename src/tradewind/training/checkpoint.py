"""Weights and the state of a training run at rest: safetensors, and JSON for everything that is no tensor.

A checkpoint is one file, written to a temporary name and renamed, so a crash leaves the old one or the new one. What is
no tensor stands as JSON in the header of the file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tradewind.core import Architecture, FileFormatError, UsageError
from tradewind.core.files import canonical_json, parse_json, read_json, sync_folder, write_json, write_text
from tradewind.models.factory import build
from tradewind.training.parallel import copy_into, here, whole
from tradewind.training.tokenizers import FILE as TOKENIZER
from tradewind.training.tokenizers import BPETokenizer, Tokenizer

WEIGHTS = "weights.safetensors"
ARCHITECTURE = "architecture.json"


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and plain facts as one file, atomically and durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    try:
        plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
        save_file(plain, name, metadata={"facts": canonical_json(facts)})
        with open(name, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileFormatError(f"cannot write {path} ({reason}); make room or name another folder") from error
    finally:
        Path(name).unlink(missing_ok=True)
    sync_folder(path.parent)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors, on the CPU, and facts of a file that `write` wrote; raises `FileFormatError`."""
    if not path.is_file():
        raise FileFormatError(f"there is no file {path}; give the path of an existing checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            facts = (file.metadata() or {}).get("facts", "{}")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise FileFormatError(
            f"{path} is no safetensors file ({error}); give a checkpoint that was written whole"
        ) from error
    return tensors, parse_json(facts, f"the header of {path}")


def training_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights as ``model.NAME`` and what the optimizer remembers as ``optimizer.NAME.KEY``, gathered where sharded."""
    tensors = {}
    for name, parameter in model.named_parameters():
        tensors[f"model.{name}"] = whole(parameter.detach())
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{name}.{key}"] = whole(torch.as_tensor(value))
    return tensors


def restore(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `training_state` took; raises `FileFormatError` where it is of another model."""
    load_weights(model, {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    for name, parameter in model.named_parameters():
        prefix = f"optimizer.{name}."
        state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        if not state:
            continue
        optimizer.state[parameter] = {
            # The number of updates stays on the CPU unless the optimizer keeps it beside the weights.
            key: _beside(parameter, value) if value.ndim or _fused_on_accelerator(parameter) else value.clone()
            for key, value in state.items()
        }


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy weights by name; raises `FileFormatError` where names or shapes are not the model's."""
    parameters = dict(model.named_parameters())
    missing, spare = sorted(parameters.keys() - tensors.keys()), sorted(tensors.keys() - parameters.keys())
    if missing or spare:
        raise FileFormatError(
            f"these weights are of another model: {len(missing)} are missing ({', '.join(missing[:3])}), {len(spare)} "
            f"are of no use ({', '.join(spare[:3])}); give those of this architecture"
        )
    for name, parameter in parameters.items():
        if parameter.shape != tensors[name].shape:
            raise FileFormatError(
                f"the weight {name} has shape {list(tensors[name].shape)}, the model's {list(parameter.shape)}; give "
                "weights of this architecture"
            )
        copy_into(parameter, tensors[name])


def save_model(
    model: Any,
    folder: str | os.PathLike[str],
    facts: Mapping[str, Any] | None = None,
    tokenizer: Tokenizer | None = None,
) -> Path:
    """Write ``weights.safetensors`` and ``architecture.json`` of a model; returns the folder.

    `facts` (the text, the perplexity) go into the header of the weights, beside what `open_saved` needs to know of the
    `tokenizer`; one that was trained is ``tokenizer.json``. Of several processes the first writes, and all must ask.
    """
    place, facts = Path(folder), dict(facts or {})
    weights = {name: whole(parameter.detach()) for name, parameter in model.named_parameters()}
    if here().rank:
        return place
    if tokenizer is not None:
        facts |= {"tokenizer": tokenizer.name, "end": tokenizer.end}
    if isinstance(tokenizer, BPETokenizer):
        write_text(place / TOKENIZER, tokenizer.to_json())
    write(place / WEIGHTS, weights, facts)
    if isinstance(getattr(model, "arch", None), Architecture):
        write_json(place / ARCHITECTURE, model.arch.to_dict())
    return place


def load_model(folder: str | os.PathLike[str], device: str | torch.device = "cpu") -> Any:
    """The model of a folder written by `save_model` (or ``tradewind train``), in evaluation mode.

    Raises `FileFormatError` for a folder without a model.
    """
    place = Path(folder)
    if not (place / ARCHITECTURE).is_file():
        raise FileFormatError(f"{place} holds no {ARCHITECTURE}; give the folder of a finished `tradewind train --out`")
    data = read_json(place / ARCHITECTURE)
    if not isinstance(data, dict):
        raise UsageError(f"{place / ARCHITECTURE} holds no architecture")
    model = build(Architecture.from_dict(data), init="meta")
    model.to_empty(device=device)
    tensors, _ = read(place / WEIGHTS)
    load_weights(model, tensors)
    return model


def _beside(parameter: Tensor, value: Tensor) -> Tensor:
    fresh = torch.empty_like(parameter) if value.shape == parameter.shape else None
    if fresh is None:
        return value.to(parameter.device)
    fresh = fresh.to(value.dtype)
    copy_into(fresh, value)
    return fresh


def _fused_on_accelerator(parameter: Tensor) -> bool:
    return parameter.device.type != "cpu"

"""From a trained model to a supernet: its units in order of importance, and the space of its sub-networks.

Any model of ours will do, and a Hugging Face GPT-2. What is cut away is structure (layers, channels, heads, neurons),
so what is left is an ordinary smaller model, which `Trainer` trains on to recover.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from tradewind import spaces
from tradewind.core import HWGPT, Architecture, TransformerXL, UsageError
from tradewind.models.base import LanguageModel
from tradewind.models.export.huggingface import from_huggingface, hub_tokenizer
from tradewind.models.supernet import Supernet, measure, ranked
from tradewind.spaces import ArchitectureSpace
from tradewind.training.data import TokenData
from tradewind.training.evaluation import as_tensor
from tradewind.training.fit import check_fit
from tradewind.training.saved import open_saved, tokenizer_of
from tradewind.training.tokenizers import BYTES, BPETokenizer, Tokenizer

SHARES = (4, 5, 6, 7, 8)
"""Widths that a pruned network may have, in eighths of the whole."""


def open_model(source: str, device: str = "cpu") -> LanguageModel:
    """A trained model: a folder of ours, or a Hugging Face GPT-2 (a folder, or a name of the hub)."""
    model: LanguageModel = open_saved(source)[0] if Path(source).is_dir() else from_huggingface(source)
    return model.to(device)


def choose_tokenizer(source: str | None, asked: str | None) -> str | Tokenizer:
    """What a text is read with: a model's own tokenizer, or without a model the one `asked` for (None: bytes).

    Raises `UsageError` where the model has another than the one asked for, or does not tell and none is asked for.
    """
    if source is None:
        return asked or BYTES
    own = tokenizer_of(source) if Path(source).is_dir() else _of_hub(source)
    if own is None and asked is None:
        raise UsageError(f"{source} does not tell its tokenizer; name the one that it was trained with (--tokenizer)")
    if own is not None and asked not in (None, own.name):
        raise UsageError(
            f"{source} has learned the tokens of its own tokenizer, {own.name}; those of {asked} mean nothing to it; "
            "leave --tokenizer out"
        )
    return own or asked or BYTES


def _of_hub(name: str) -> Tokenizer:
    text, end = hub_tokenizer(name)
    return BPETokenizer.from_json(text, end=end)


def order_units(
    model: LanguageModel, text: TokenData, *, batches: int = 8, batch_size: int = 8, length: int = 128, seed: int = 0
) -> Supernet:
    """A supernet equal to `model` at full size, its units in order of importance on `batches` of training text."""
    check_fit(model, text, length)
    drawn = (text.batch("train", i, batch_size=batch_size, length=length, seed=seed) for i in range(batches))
    device = model.device
    return ranked(model, measure(model, ((as_tensor(x, device), as_tensor(y, device)) for x, y in drawn)))


def pruning_space(arch: Architecture) -> ArchitectureSpace:
    """The sub-networks of a trained model that are worth asking for.

    Half to all of the layers and of the width, a quarter to all of the neurons of each layer. Where the head size
    follows from the width it stays as it is, so narrower networks have fewer whole heads; hwgpt drops heads layer by
    layer. Raises `UsageError` for gpt2 and transformer-xl with unlike heads, which have no common head size.

    >>> from tradewind.core import GPT2
    >>> space = pruning_space(GPT2(d_model=768, n_head=(12,) * 12, d_inner=(3072,) * 12))
    >>> sorted({(arch.d_model, arch.n_head[0]) for arch in space.sample_many(50, seed=0)})
    [(384, 6), (448, 7), (576, 9), (640, 10), (768, 12)]
    """
    depth, width = arch.n_layer, arch.d_model
    dimensions: list[dict[str, Any]] = [{"name": "n_layer", "choices": list(range((depth + 1) // 2, depth + 1))}]
    rules: list[dict[str, Any]] = []
    own = {"n_layer", "d_model", *arch.per_layer_fields()}
    constants = {f.name: getattr(arch, f.name) for f in dataclasses.fields(arch) if f.name not in own}
    if isinstance(arch, HWGPT):
        dimensions += [
            {"name": "d_model", "choices": _shares(width)},
            {"name": "n_head", "choices": list(range(1, min(arch.n_head) + 1)), "per_layer": True},
            {"name": "mlp_ratio", "choices": list(range(1, min(arch.mlp_ratio) + 1)), "per_layer": True},
        ]
    else:
        if len(set(arch.n_head)) > 1:
            raise UsageError(
                f"the layers have {sorted(set(arch.n_head))} heads, so there is no head size to keep; name a space "
                "yourself: tradewind supernet train --from MODEL --space SPACE"
            )
        size = width // arch.n_head[0]
        kept = _shares(arch.n_head[0])
        inner = min(arch.layer_column("d_inner"))
        dimensions += [
            {"name": "d_model", "choices": [size * k for k in kept]},
            {"name": "n_head", "choices": kept},
            {"name": "d_inner", "choices": sorted({max(1, inner * q // 4) for q in (1, 2, 3, 4)}), "per_layer": True},
        ]
        # Two inequalities that only n_head · size = d_model satisfies, for up to a hundred heads.
        rules = [
            {"gene": "n_head", "relation": "exceeds", "of": "d_model", "factor": [100, 100 * size + 1]},
            {"gene": "d_model", "relation": "exceeds", "of": "n_head", "factor": [100 * size - 1, 100]},
        ]
        if isinstance(arch, TransformerXL) and arch.d_embed == width:
            constants["d_embed"] = 0
    return spaces.from_dict(
        {
            "name": f"pruned-{arch.family}",
            "family": arch.family,
            "description": "sub-networks of a trained model",
            "dimensions": dimensions,
            "constants": constants,
            "rules": rules,
        }
    )


def _shares(whole: int) -> list[int]:
    return sorted({max(1, whole * share // 8) for share in SHARES})

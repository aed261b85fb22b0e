"""A trained model with its tokenizer, from a folder of `tradewind train` or of Hugging Face."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from tradewind.core import FileFormatError, UsageError
from tradewind.core.files import parse_json, read_json
from tradewind.models.export import from_huggingface
from tradewind.training.checkpoint import ARCHITECTURE, WEIGHTS, load_model
from tradewind.training.tokenizers import FILE, BPETokenizer, Tokenizer, open_tokenizer

CONFIG, GENERATION = "config.json", "generation_config.json"


def open_saved(folder: str | os.PathLike[str]) -> tuple[Any, Tokenizer | None]:
    """The model of a folder, in evaluation mode, and its tokenizer, None where the folder does not tell.

    The folder is one of `tradewind train` (``architecture.json``) or of a Hugging Face GPT-2 (``config.json``). Raises
    `FileFormatError` where it is neither.
    """
    place = Path(folder)
    if (place / ARCHITECTURE).is_file():
        return load_model(place), tokenizer_of(place)
    if (place / CONFIG).is_file():
        return from_huggingface(place), tokenizer_of(place)
    raise FileFormatError(
        f"{place} holds no model ({ARCHITECTURE} of `tradewind train --out`, or {CONFIG} of Hugging Face); give the "
        "folder of one"
    )


def tokenizer_of(folder: str | os.PathLike[str]) -> Tokenizer | None:
    """The tokenizer of a model's folder, None where the folder does not tell."""
    place = Path(folder)
    if (place / ARCHITECTURE).is_file():
        told = facts(place)
        return open_tokenizer(place, str(told["tokenizer"]), told.get("end")) if "tokenizer" in told else None
    return BPETokenizer.load(place / FILE, end=_end(place)) if (place / FILE).is_file() else None


def facts(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What the header of a trained model's weights says: text, tokenizer, validation; empty where it says nothing."""
    path = Path(folder) / WEIGHTS
    try:
        with safe_open(path, framework="pt") as file:
            found: dict[str, Any] = parse_json((file.metadata() or {}).get("facts", "{}"), f"the header of {path}")
    except (SafetensorError, OSError) as error:
        raise FileFormatError(f"{path} is no safetensors file ({error}); train the model again") from error
    return found


def tokenizer_json(tokenizer: Tokenizer) -> str:
    """A tokenizer in the format of the `tokenizers` library (``tokenizer.json``); bytes become byte-level tokens.

    >>> import json
    >>> from tradewind.training.tokenizers import ByteTokenizer
    >>> len(json.loads(tokenizer_json(ByteTokenizer()))["model"]["vocab"])
    256
    """
    if isinstance(tokenizer, BPETokenizer):
        return tokenizer.to_json()
    try:
        import tokenizers
    except ImportError as error:
        raise UsageError("writing a tokenizer needs tokenizers: pip install 'tradewind[train]'") from error
    inner = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=_byte_names(), merges=[]))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    text: str = inner.to_str()
    return text


def _byte_names() -> dict[str, int]:
    """The character by which byte-level tokenizers write each byte: itself where it can be printed (GPT-2's table)."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = (byte for byte in range(256) if byte not in plain)
    return {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(others)}


def _end(folder: Path) -> int | None:
    """The token that ends a document by the configuration of a Hugging Face folder; the first where it has many."""
    for path in (folder / GENERATION, folder / CONFIG):
        found = read_json(path).get("eos_token_id") if path.is_file() else None
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, int):
            return found
    return None

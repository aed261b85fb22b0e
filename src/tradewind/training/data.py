"""Text as tokens on disk, memory-mapped, with batches that are a pure function of seed and step.

A cache folder holds one folder for each content and tokenizer: ``train.bin`` and ``validation.bin`` (uint16 or uint32,
little-endian), ``tokenizer.json`` where they are not bytes, and ``manifest.json``, which is written last.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tradewind.core import FileFormatError, UsageError, unknown
from tradewind.core.files import content_hash, parse_json, read_json, sync_folder, write_json
from tradewind.core.seeds import Streams
from tradewind.training.documents import Chosen, choose, documents
from tradewind.training.tokenizers import (
    FILE,
    BPETokenizer,
    ByteTokenizer,
    Tokenizer,
    check_name,
    open_tokenizer,
    token_dtype,
)

SPLITS = ("train", "validation")
CACHE_VARIABLE = "TRADEWIND_CACHE"
_FORMAT = 1

Batch = tuple[np.ndarray, np.ndarray]
"""Inputs and targets, int64 [batch, length] each; a target is the token after its input."""


class TokenData:
    """The tokens of a text, split for training and validation. Made by `prepare`; opened from its folder.

    `vocab_size` tokens; `hash` names text, split and tokenizer, whatever the machine; `manifest` has the sizes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: dict[str, Any] = read_json(folder / "manifest.json")
        self.vocab_size: int = self.manifest["vocab_size"]
        self.hash: str = self.manifest["hash"]
        dtype = token_dtype(self.vocab_size)
        self._tokens = {split: np.memmap(folder / f"{split}.bin", dtype, mode="r") for split in SPLITS}
        for split, tokens in self._tokens.items():
            if len(tokens) != self.manifest["splits"][split]["tokens"]:
                raise FileFormatError(f"{folder / split}.bin is not whole; delete {folder}, it is made again")

    @property
    def tokenizer(self) -> Tokenizer:
        """What made the tokens, and turns them back into text."""
        cure = "delete its folder, it is made again"
        return open_tokenizer(self.folder, self.manifest["tokenizer"], self.manifest.get("end"), cure)

    def length(self, split: str) -> int:
        """Tokens of a split."""
        return len(self.tokens(split))

    def bytes_per_token(self, split: str) -> float:
        """UTF-8 bytes of the text over its tokens."""
        return self._of(split)["bytes"] / self._of(split)["tokens"]

    def words_per_token(self, split: str) -> float:
        """Words (runs of anything but white space) over tokens."""
        return self._of(split)["words"] / self._of(split)["tokens"]

    def tokens(self, split: str) -> np.ndarray:
        """All tokens of a split, read-only, shape (length,), unsigned."""
        self._of(split)
        return self._tokens[split]

    def batch(self, split: str, step: int, *, batch_size: int, length: int, seed: int = 0) -> Batch:
        """Windows at random places, independent in every row and step: a pure function of the arguments."""
        last = self._room(split, length)
        starts = Streams(seed, "batch", split).at(step).integers(last + 1, size=batch_size)
        return self._windows(split, starts, length)

    def lanes(self, split: str, step: int, *, batch_size: int, length: int, seed: int | None = 0) -> Batch:
        """Windows that go on where those of the step before ended, row by row, for models with a memory.

        Row r reads from r / batch_size of the text onwards, shifted by a number of windows that `seed` draws (None:
        not shifted); past the last whole window it begins again at the front.
        """
        windows = self._room(split, length) // length + 1
        shift = 0 if seed is None else int(Streams(seed, "lanes", split).at(0).integers(windows))
        rows = shift + step + np.arange(batch_size) * windows // batch_size
        return self._windows(split, rows % windows * length, length)

    def windows(self, split: str, *, batch_size: int, length: int, limit: int | None = None) -> Iterator[Batch]:
        """The same non-overlapping windows every time: all of the split, or `limit` batches spread evenly over it.

        The last batch may be smaller.
        """
        windows = self._room(split, length) // length + 1
        taken = windows if limit is None else min(windows, limit * batch_size)
        starts = np.arange(taken) * windows // taken * length
        for first in range(0, taken, batch_size):
            yield self._windows(split, starts[first : first + batch_size], length)

    def _windows(self, split: str, starts: np.ndarray, length: int) -> Batch:
        both = self._tokens[split][starts[:, None] + np.arange(length + 1)].astype(np.int64)
        return both[:, :-1], both[:, 1:]

    def check_length(self, length: int) -> None:
        """Raise `UsageError` where a split has no window of a length."""
        for split in SPLITS:
            self._room(split, length)

    def _room(self, split: str, length: int) -> int:
        """The last place where a window may start; raises `UsageError` where there is none."""
        last = self.length(split) - length - 1
        if length < 1 or last < 0:
            raise UsageError(
                f"the {split} text has {self.length(split):,} tokens, too few for a window of {length} and the token "
                "after it; use a shorter length (at least 1) or more text"
            )
        return last

    def _of(self, split: str) -> dict[str, int]:
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        return self.manifest["splits"][split]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{self.length(split):,} {split}" for split in SPLITS)
        return f"TokenData({self.manifest['source']!r}, {self.manifest['tokenizer']}, {sizes} tokens, {self.hash})"


def prepare(spec: str, tokenizer: str | Tokenizer = "bytes", cache: str | os.PathLike[str] | None = None) -> TokenData:
    """The tokens of a text: made once, then found in the cache.

    `spec` is a text file, a folder of them, ``stdlib`` (the running Python's own library), or ``hf:NAME`` (a Hugging
    Face dataset; ``hf:NAME:CONFIG``). `tokenizer` is ``bytes``, ``bpe:SIZE``, trained on the training text, or one that
    is there already, such as a model's own (`tokenizer_of`). `cache` is a folder; by default that of the environment
    variable TRADEWIND_CACHE, else ``~/.cache/tradewind``.

    Every document goes whole to one split (see `documents`). Raises `UsageError` for text or tokenizers that are not
    there.

    >>> import tempfile
    >>> text = prepare(__file__, cache=tempfile.mkdtemp())
    >>> text.vocab_size, text.batch("train", 0, batch_size=4, length=16)[0].shape
    (256, (4, 16))
    """
    if isinstance(tokenizer, str):
        check_name(tokenizer)
    chosen = choose(documents(spec), spec)
    parts = {split: sorted(c.digest for c in chosen if c.split == split) for split in SPLITS}
    identity = content_hash({"format": _FORMAT, "tokenizer": _named(tokenizer), "documents": parts})[:16]
    root = Path(cache or os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "tradewind")
    folder = root / "tokens" / identity
    if not (folder / "manifest.json").is_file():
        try:
            _make(folder, spec, tokenizer, chosen, identity)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(
                f"the tokens cannot be written to {root} ({reason}); set {CACHE_VARIABLE} to a folder with room"
            ) from error
    return TokenData(folder)


def _make(folder: Path, spec: str, wanted: str | Tokenizer, chosen: Sequence[Chosen], identity: str) -> None:
    """Tokenise into a folder of its own and put it in place whole; another process may have been faster."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        ordered = {s: sorted((c for c in chosen if c.split == s), key=lambda c: c.digest) for s in SPLITS}
        texts = (one.document.read().decode() for one in ordered["train"])
        tokenizer = _made(wanted, texts) if isinstance(wanted, str) else wanted
        if isinstance(tokenizer, BPETokenizer):
            tokenizer.save(work / FILE)
        manifest = {
            "format": _FORMAT,
            "hash": identity,
            "source": spec if spec == "stdlib" or spec.startswith("hf:") else Path(spec).name,
            "tokenizer": tokenizer.name,
            "end": tokenizer.end,
            "vocab_size": tokenizer.vocab_size,
            "splits": {split: _write(work / f"{split}.bin", ordered[split], tokenizer) for split in SPLITS},
        }
        write_json(work / "manifest.json", manifest)
        os.chmod(work, 0o755)
        with contextlib.suppress(OSError):
            work.rename(folder)
            sync_folder(folder.parent)
        if not (folder / "manifest.json").is_file():
            raise OSError(f"{folder} exists and is not whole; delete it")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _named(tokenizer: str | Tokenizer) -> Any:
    """What tells a tokenizer from others: the name of one that is trained on the text, the content of any other."""
    if isinstance(tokenizer, BPETokenizer):
        content = content_hash(parse_json(tokenizer.to_json(), "the tokenizer"))
        return {"name": tokenizer.name, "content": content, "end": tokenizer.end}
    return tokenizer if isinstance(tokenizer, str) else tokenizer.name


def _made(name: str, texts: Iterable[str]) -> Tokenizer:
    size = check_name(name)
    return ByteTokenizer() if size is None else BPETokenizer.train(texts, size)


def _write(path: Path, chosen: Sequence[Chosen], tokenizer: Tokenizer) -> dict[str, int]:
    """Write the documents' tokens one after the other; how many documents, bytes, words and tokens there are."""
    counts = {"documents": len(chosen), "bytes": 0, "words": 0, "tokens": 0}
    dtype = token_dtype(tokenizer.vocab_size)
    with path.open("wb") as file:
        for one in chosen:
            data = one.document.read()
            tokens = (
                np.frombuffer(data, np.uint8)
                if isinstance(tokenizer, ByteTokenizer)
                else np.array(tokenizer.encode(data.decode()), dtype)
            )
            np.append(tokens.astype(dtype), dtype.type(tokenizer.end)).tofile(file)
            counts["bytes"] += len(data)
            counts["words"] += len(data.split())
            counts["tokens"] += len(tokens) + 1
        file.flush()
        os.fsync(file.fileno())
    return counts

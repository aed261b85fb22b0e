"""Where text comes from (a file, a folder, Python's own library, a Hugging Face dataset) and how it is split.

A document is one file (one row of a dataset). A document goes whole to training or to validation, and documents of
equal content count once, so nothing that was trained on is in the validation text.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tradewind.core import UsageError

VALIDATION_SHARE = 0.05
"""Share of the bytes that is held out."""
_NO_LIBRARY = {"site-packages", "dist-packages", "__pycache__", "test", "tests"}
"""Folders of the standard library that not every installation has, or that hold installed packages."""


@dataclasses.dataclass(frozen=True)
class Document:
    """A text that can be read again; `split` is set where the source itself holds it out, else None."""

    name: str
    read: Callable[[], bytes]
    split: str | None = None


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A document's place: its SHA-256, its size in bytes and its split."""

    document: Document
    digest: str
    size: int
    split: str


def documents(spec: str) -> list[Document]:
    """The documents of ``stdlib``, ``hf:NAME`` or ``hf:NAME:CONFIG``, a folder or a file, in a fixed order.

    Raises `UsageError` for a source that is not there.
    """
    if spec == "stdlib":
        root = Path(sysconfig.get_paths()["stdlib"])
        files = [f for f in root.rglob("*.py") if not _NO_LIBRARY & set(f.relative_to(root).parts)]
        # What the interpreter was built with differs from machine to machine and is no text.
        return _of_files(root, [f for f in files if not f.name.startswith("_sysconfigdata")])
    if spec.startswith("hf:"):
        return _of_dataset(spec.removeprefix("hf:"))
    path = Path(spec)
    if path.is_dir():
        files = [f for f in path.rglob("*") if f.is_file() and not _is_hidden(f.relative_to(path))]
        return _of_files(path, files)
    if path.is_file():
        return _of_files(path.parent, [path])
    raise UsageError(
        f"there is no text {spec!r}; give a text file, a folder of them, stdlib (the running Python's own library) "
        "or hf:NAME (a Hugging Face dataset)"
    )


def choose(found: Sequence[Document], spec: str) -> list[Chosen]:
    """Hash every document, drop those that are no UTF-8 text or stood before, and give each to a split.

    Held out are, in the order of the hashes, documents worth 5% of the bytes, so the choice depends on the content only
    and not on names. A single document is cut in two, at the end of a line where there is one near. Raises `UsageError`
    where no text is left to train on.
    """
    unique: dict[str, Chosen] = {}
    for document in found:
        data = document.read()
        if not _is_text(data):
            continue
        digest = hashlib.sha256(data).hexdigest()
        split = document.split or "train"
        # The source's own held-out text stays held out, also where its training text repeats it.
        if digest not in unique or split == "validation":
            unique[digest] = Chosen(document, digest, len(data), split)
    if not unique:
        raise UsageError(f"{spec!r} holds no UTF-8 text; give a text file or a folder with some")
    chosen = list(unique.values())
    if any(c.split == "validation" for c in chosen):
        if all(c.split == "validation" for c in chosen):
            raise UsageError(
                f"{spec!r} has no text to train on: all that it has is held out, or stands in what is held out; give a "
                "text with a part of its own for training"
            )
        return chosen
    if len(chosen) == 1:
        return _cut(chosen[0])
    held = _held_out(chosen)
    return [dataclasses.replace(c, split="validation") if c.digest in held else c for c in chosen]


def _held_out(chosen: Sequence[Chosen]) -> set[str]:
    """Digests of the documents to hold out: at least one, never all, close to the share from below."""
    target = VALIDATION_SHARE * sum(c.size for c in chosen)
    held: set[str] = set()
    total = 0
    for one in sorted(chosen, key=lambda c: c.digest):
        if total + one.size <= target:
            held.add(one.digest)
            total += one.size
    return held or {min(chosen, key=lambda c: (c.size, c.digest)).digest}


def _cut(only: Chosen) -> list[Chosen]:
    """The two parts of a single document, cut at the end of a line if that holds out at most twice the share."""
    data = only.document.read()
    at = int(len(data) * (1 - VALIDATION_SHARE))
    at = data.rfind(b"\n", int(len(data) * (1 - 2 * VALIDATION_SHARE)), at) + 1 or at
    while at and data[at] & 0xC0 == 0x80:  # inside a character
        at -= 1
    parts = {"train": slice(0, at), "validation": slice(at, None)}
    return [
        Chosen(
            Document(f"{only.document.name} ({split})", _part(only.document.read, where), split),
            hashlib.sha256(data[where]).hexdigest(),
            len(data[where]),
            split,
        )
        for split, where in parts.items()
    ]


def _part(read: Callable[[], bytes], where: slice) -> Callable[[], bytes]:
    return lambda: read()[where]


def _of_files(root: Path, files: Sequence[Path]) -> list[Document]:
    named = sorted((file.relative_to(root).as_posix(), file) for file in files)
    return [Document(name, _reader(file)) for name, file in named]


def _reader(file: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return file.read_bytes()
        except OSError as error:
            raise UsageError(
                f"{file} cannot be read ({error.strerror or error}); make it readable, or leave it out of the text"
            ) from error

    return read


def _of_dataset(name: str) -> list[Document]:
    try:
        import datasets
    except ImportError as error:
        raise UsageError(
            "hf:NAME needs the datasets library; install it with: pip install 'tradewind[hf]', or give a text file"
        ) from error
    path, _, config = name.partition(":")
    try:
        loaded = datasets.load_dataset(path, config or None)
    except Exception as error:  # the library raises what its back ends raise
        reason = " ".join(str(error).split())[:300]
        raise UsageError(
            f"the Hugging Face dataset {name!r} cannot be loaded ({reason}); check the name (hf:NAME or "
            "hf:NAME:CONFIG) and the network, or give a text file"
        ) from error
    return [document for split, rows in loaded.items() for document in _of_rows(name, str(split), rows)]


def _of_rows(name: str, split: str, rows: Any) -> Iterator[Document]:
    """One document a row, from the column ``text`` or the first column of strings; test rows are left out."""
    if split not in ("train", "validation"):
        return
    strings = [column for column, kind in rows.features.items() if getattr(kind, "dtype", "").endswith("string")]
    if not strings:
        raise UsageError(f"the dataset {name!r} has no column of text; its columns: {', '.join(rows.features)}")
    column = "text" if "text" in strings else strings[0]

    def reader(index: int) -> Callable[[], bytes]:
        return lambda: str(rows[index][column]).encode()

    held = "validation" if split == "validation" else None
    yield from (Document(f"{name}/{split}/{i}", reader(i), held) for i in range(len(rows)))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _is_text(data: bytes) -> bool:
    if not data.strip() or b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True

"""Files at rest: canonical JSON, hashes, atomic writes and bounded, strict reads.

A file is written to a temporary name in its own folder, synced, renamed over the target and the folder is synced, so a
crash leaves the old file or the new one, never half of either.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind.core.errors import FileFormatError

if TYPE_CHECKING:
    import pyarrow as pa

MAX_JSON_BYTES = 64 * 2**20
MAX_JSON_DEPTH = 64
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN or infinity.

    >>> canonical_json({"b": (1, 2), "a": 0.5})
    '{"a":0.5,"b":[1,2]}'
    """
    return _CANONICAL.encode(value)


def content_hash(value: Any) -> str:
    """SHA-256 of `canonical_json(value)`, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write `data` to `path` atomically and durably; parents are made. Raises `FileFormatError` where it cannot."""
    target = Path(path)
    try:
        _replace(target, data)
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileFormatError(
            f"cannot write {target} ({reason}); name a file in a folder that can be written"
        ) from error
    return target


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write UTF-8 text atomically."""
    return write_bytes(path, text.encode())


def write_json(path: str | os.PathLike[str], value: Any) -> Path:
    """Write readable JSON (indented, sorted keys) atomically; NaN and infinity are refused."""
    return write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def write_parquet(path: str | os.PathLike[str], table: pa.Table) -> Path:
    """Write an Arrow table as Parquet atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return write_bytes(path, sink.getvalue().to_pybytes())


def read_parquet(path: str | os.PathLike[str], max_rows: int = 50_000_000) -> pa.Table:
    """Read a Parquet file; a missing, damaged or overlong one is a `FileFormatError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = _existing(path)
    try:
        file = pq.ParquetFile(source)
        if file.metadata.num_rows > max_rows:
            raise FileFormatError(f"{source} has {file.metadata.num_rows:,} rows; at most {max_rows:,} are read")
        return file.read()
    except (pa.ArrowException, OSError) as error:
        raise FileFormatError(f"{source} is not a readable Parquet file: {error}") from error


def parse_json(text: str | bytes, origin: str = "JSON text") -> Any:
    """Parse strictly: bounded size and depth, no NaN or infinity, no key twice.

    Raises `FileFormatError`, which names `origin`.
    """
    if len(text) > MAX_JSON_BYTES:
        raise FileFormatError(f"{origin} is {len(text):,} bytes; at most {MAX_JSON_BYTES:,} are read")
    try:
        value = _STRICT.decode(text) if isinstance(text, str) else json.loads(text, **_HOOKS)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{origin} is not valid JSON: {error}") from error
    opened = ("[", "{") if isinstance(text, str) else (b"[", b"{")
    if sum(map(text.count, opened)) > MAX_JSON_DEPTH:  # type: ignore[arg-type]
        _check_depth(value, origin)
    return value


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file strictly (see `parse_json`)."""
    source = _existing(path)
    if source.stat().st_size > MAX_JSON_BYTES:
        raise FileFormatError(f"{source} is {source.stat().st_size:,} bytes; at most {MAX_JSON_BYTES:,} are read")
    return parse_json(source.read_bytes(), str(source))


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def _existing(path: str | os.PathLike[str]) -> Path:
    source = Path(path)
    if not source.is_file():
        raise FileFormatError(f"there is no file {source}; give the path of an existing file")
    return source


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number that can be stored")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large for a number")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} stands twice")
    return result


def _check_depth(value: Any, origin: str) -> None:
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise FileFormatError(f"{origin} is nested deeper than {MAX_JSON_DEPTH} levels")


_HOOKS: dict[str, Any] = {
    "parse_constant": _refuse_constant,
    "parse_float": _finite,
    "object_pairs_hook": _unique_keys,
}
_STRICT = json.JSONDecoder(**_HOOKS)

"""The record of a training run: one JSON object a line, a line a step and a line an evaluation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tradewind.core.errors import FileFormatError
from tradewind.core.files import canonical_json, parse_json, write_text

FILE = "metrics.jsonl"


class Metrics:
    """Rows with a ``step``, kept in memory and, if a folder is given, appended to its ``metrics.jsonl``.

    Of several processes that train together one `writes`; all keep the rows and restore them.
    """

    def __init__(self, folder: Path | None, writes: bool = True) -> None:
        self._writes = writes
        self.rows: list[dict[str, Any]] = []
        self._path = folder / FILE if folder is not None else None
        self._file: Any = None

    def restore(self, step: int) -> None:
        """Read the rows up to a step and forget, in the file too, what came after it."""
        self.close()
        if self._path is None or not self._path.is_file():
            self.rows = []
            return
        self.rows = [row for row in read(self._path) if row["step"] <= step]
        if self._writes:
            write_text(self._path, "".join(canonical_json(row) + "\n" for row in self.rows))

    def add(self, row: dict[str, Any]) -> None:
        """Append a row."""
        self.rows.append(row)
        if self._path is not None and self._writes:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("a", encoding="utf-8", buffering=1)
            self._file.write(canonical_json(row) + "\n")

    def sync(self) -> None:
        """Make the rows durable: what a checkpoint counts as done is in the file."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; the next row opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file; a last line that a crash cut short is left out. Raises `FileFormatError`."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    rows = [parse_json(line, f"line {number} of {path}") for number, line in enumerate(lines, 1)]
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("step"), int):
            raise FileFormatError(f"line {number} of {path} is no row of metrics; delete the file and its checkpoint")
    return rows

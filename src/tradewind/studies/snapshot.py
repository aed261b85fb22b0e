"""A consistent copy of a study's database, taken while it may be written, without changing a byte of its folder.

SQLite's own readers write marks beside the file, so the file is copied and the copy is opened. Why the copy is whole:
in WAL mode (https://sqlite.org/walformat.html) a page of the database file changes only when it is copied out of the
log, and it stays in the log until the log is restarted, which changes the salts in the log's header. So if the header
is the same before the database was copied and after the log was copied, every page that may have changed meanwhile is
in the copied log, up to its last whole transaction.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tradewind.core import StudyError
from tradewind.studies.store import STUDY_FILE

_WAL_HEADER = 32
_TRIES = 50
_PAUSE_SECONDS = 0.02


@contextlib.contextmanager
def snapshot(folder: Path) -> Iterator[Connection]:
    """A read-only connection to a copy of the study in `folder`; the copy is gone afterwards.

    Works on running studies, copied folders (with or without the log) and read-only folders. The database is treated as
    hostile: immutable, no trusted schema, checked cells. Raises `StudyError` naming the file.
    """
    source = folder / STUDY_FILE
    if not source.is_file():
        raise StudyError(f"there is no study in {folder}; give the folder that `tradewind search --out` made")
    try:
        with tempfile.TemporaryDirectory(prefix="tradewind-") as place:
            copy = Path(place) / STUDY_FILE
            _copy(source, copy)
            _fold(copy)
            engine = create_engine("sqlite://", creator=lambda: _open(copy), poolclass=NullPool)
            with engine.connect() as connection:
                yield connection
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        cause = getattr(error, "orig", None) or error
        raise StudyError(f"{source} cannot be read ({cause}); restore it from a copy") from error


def _copy(source: Path, copy: Path) -> None:
    log, log_copy = _log(source), _log(copy)
    for _ in range(_TRIES):
        before = _state(source)
        log_copy.unlink(missing_ok=True)
        shutil.copyfile(source, copy)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(log, log_copy)
        if _state(source) == before:
            return
        time.sleep(_PAUSE_SECONDS)
    raise StudyError(f"{source} is being written too fast to copy; try again")


def _state(source: Path) -> tuple[Any, ...]:
    """What changes when the log is restarted, made or removed; while nothing is logged, what changes with any write."""
    with contextlib.suppress(FileNotFoundError), open(_log(source), "rb") as log:
        if header := log.read(_WAL_HEADER):
            return (header,)
    facts = source.stat()
    return (facts.st_size, facts.st_mtime_ns)


def _log(database: Path) -> Path:
    return database.with_name(database.name + "-wal")


def _fold(copy: Path) -> None:
    """Write the copied log into the copied database, which can then be opened as immutable."""
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _open(copy: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{copy.as_uri()}?mode=ro&immutable=1", uri=True)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "query_only=ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection

"""Store: the one writer of a study's database. SQLAlchemy Core; SQLite in WAL mode, every transaction synced.

An evaluation is finished when the transaction with its row, checksum and the new tally is committed; nothing may call
it done before. Transactions start with BEGIN IMMEDIATE: a deferred one fails when it finds another writer half-way.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from tradewind.core import Evaluation, StudyError
from tradewind.studies.clock import now_text
from tradewind.studies.records import encode
from tradewind.studies.schema import (
    ATTEMPT,
    EVALUATION,
    METADATA,
    SCHEMA_VERSION,
    STUDY,
    TALLY,
    bring_up_to_date,
    check_shape,
    is_empty,
    read_rows,
    study_digest,
)

STUDY_FILE = "study.db"
BUSY_SECONDS = 10
_SYNCED = "PRAGMA synchronous=FULL"
_NOT_SYNCED = "PRAGMA synchronous=NORMAL"


class Store:
    """A study's database, opened for writing; the caller holds the folder's lock. Close it, or use it in `with`.

    Every method raises `StudyError` naming the file when the database or the disk fails.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _named(path):
            self._engine = _engine(path)
            self._connection = self._engine.connect()

    @classmethod
    def create(cls, path: Path, config: str) -> Store:
        """A new study with its configuration as canonical JSON, in one transaction.

        A file without tables, left by a creation that was killed, is taken over; one with tables raises `StudyError`.
        """
        created_at = now_text()
        digest = study_digest(SCHEMA_VERSION, created_at, config)
        facts = {"schema_version": SCHEMA_VERSION, "created_at": created_at, "config": config, "sha256": digest}
        with cls(path)._prepared() as (store, connection):
            if not is_empty(connection):
                raise StudyError(f"{path} holds a study already")
            METADATA.create_all(connection)
            connection.execute(insert(STUDY).values(id=1, **facts))
            connection.execute(insert(TALLY).values(id=1, evaluations=0, exhausted=0))
        return store

    @classmethod
    def open(cls, path: Path) -> Store:
        """An existing study of a known version whose file is whole, brought up to date; else raises `StudyError`."""
        if not path.is_file():
            raise StudyError(
                f"there is no study in {path.parent}; create it with `tradewind search --out` or Study.create"
            )
        with cls(path)._prepared() as (store, connection):
            check_shape(connection, str(path))
            finding = "ok"
            if connection.dialect.name == "sqlite":
                finding = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
            if finding != "ok":
                raise StudyError(f"{path} is damaged ({finding}); it is not written to: restore it from a copy")
            bring_up_to_date(connection, str(path))
        return store

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Fold the log into the database file and let go of it; safe to call twice."""
        with self._named():
            self._connection.close()
            self._engine.dispose()

    def append(self, evaluations: Sequence[Evaluation]) -> int:
        """Add finished evaluations, at least one, in one durable transaction; the number of the last of them.

        Their attempts are forgotten.
        """
        rows = [vars(encode(evaluation)) for evaluation in evaluations]
        ids = [row["candidate_id"] for row in rows]
        with self._named(), self._connection.begin():
            self._connection.execute(insert(EVALUATION), rows)
            self._connection.execute(update(TALLY).values(evaluations=TALLY.c.evaluations + len(rows)))
            self._connection.execute(ATTEMPT.delete().where(ATTEMPT.c.candidate_id.in_(ids)))
            return int(self._connection.execute(select(func.max(EVALUATION.c.number))).scalar_one())

    def launch(self, candidate_id: str, durable: bool = True) -> int:
        """Note that a candidate's evaluation is about to start; how many launches have not finished, this one included.

        It outlives the process in any case; without `durable` not a loss of power, and costs no sync.
        """
        with self._named():
            self._pragma(_SYNCED if durable else _NOT_SYNCED)
            with self._connection.begin():
                mine = ATTEMPT.c.candidate_id == candidate_id
                before = self._connection.execute(select(ATTEMPT.c.launches).where(mine)).scalar()
                change: Any = insert(ATTEMPT).values(candidate_id=candidate_id, launches=1)
                if before is not None:
                    change = update(ATTEMPT).where(mine).values(launches=before + 1)
                self._connection.execute(change)
            self._pragma(_SYNCED)
        return (before or 0) + 1

    def withdraw(self, candidate_id: str) -> None:
        """Take the last launch of a candidate back: it was stopped on purpose, not by what it did."""
        with self._named(), self._connection.begin():
            mine = ATTEMPT.c.candidate_id == candidate_id
            self._connection.execute(update(ATTEMPT).where(mine).values(launches=ATTEMPT.c.launches - 1))

    def set_exhausted(self, exhausted: bool) -> None:
        """Note whether the space has no new candidate left."""
        with self._named(), self._connection.begin():
            self._connection.execute(update(TALLY).values(exhausted=int(exhausted)))

    def rows(self, after: int = 0) -> list[Any]:
        """The rows of the log with a number above `after`, in order."""
        with self._named(), self._connection.begin():
            return read_rows(self._connection, after)

    def _pragma(self, statement: str) -> None:
        """Outside of any transaction, which SQLAlchemy would begin."""
        driver = self._connection.connection.driver_connection
        if driver is not None and self._engine.dialect.name == "sqlite":
            driver.execute(statement)

    @contextlib.contextmanager
    def _prepared(self) -> Iterator[tuple[Store, Connection]]:
        """A first transaction; the store is closed if it fails."""
        try:
            with self._named(), self._connection.begin():
                yield self, self._connection
        except BaseException:
            self.close()
            raise

    def _named(self) -> contextlib.AbstractContextManager[None]:
        return _named(self.path)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of the database become one sentence that names the file."""
    try:
        yield
    except IntegrityError as error:
        raise StudyError(f"{path}: an evaluation is already there ({error.orig})") from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = getattr(error, "orig", None) or error
        raise StudyError(
            f"{path} cannot be read or written ({cause}); finished evaluations are kept: free disk space or repair the "
            "disk, then run the same command again"
        ) from error


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)), poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS}
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        # The driver's own transaction control would issue a deferred BEGIN.
        connection.isolation_level = None
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(_SYNCED)
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA cell_size_check=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine

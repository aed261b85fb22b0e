"""The tables of a stored study, version 2, and the shape that a file must have to be read or written as one.

`study` holds one row: its configuration and who made it. `evaluation` holds the log; each row carries the SHA-256 of
its content. `tally` says how many evaluations there are, so that a vanished row is noticed, and how the study stands.
`attempt` counts the launches of candidates that have not finished. The types are those that every database has.

Version 1 had no `fidelity`: its studies are read as they are, and brought up to date when they are written to.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    null,
    select,
    text,
    update,
)

from tradewind.core import StudyError
from tradewind.core.files import content_hash

SCHEMA_VERSION = 2
READABLE = (1, 2)

METADATA = MetaData()
STUDY = Table(
    "study",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("schema_version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("sha256", Text, nullable=False),
)
EVALUATION = Table(
    "evaluation",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("role", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("candidate_id", Text, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("measurements", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("fidelity", Integer),
    UniqueConstraint("role", "position"),
)
TALLY = Table(
    "tally",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("evaluations", Integer, nullable=False),
    Column("exhausted", Integer, nullable=False),
)
ATTEMPT = Table(
    "attempt",
    METADATA,
    Column("candidate_id", Text, primary_key=True),
    Column("launches", Integer, nullable=False),
)


def study_digest(schema_version: int, created_at: str, config: str) -> str:
    """The checksum of the study's own row."""
    return content_hash([schema_version, created_at, config])


def evaluation_digest(row: Any) -> str:
    """The checksum of an evaluation's row: SHA-256 over the very texts that are stored, each with its length.

    Raises `TypeError` where a cell is not of its type.
    """
    place = f"{row.position:d} {row.seconds!r}" + ("" if row.fidelity is None else f" {row.fidelity:d}")
    cells = (row.role, row.candidate_id, row.candidate, row.measurements, place)
    return hashlib.sha256("".join([f"{len(cell)}:{cell}" for cell in cells]).encode()).hexdigest()


def is_empty(connection: Connection) -> bool:
    """Whether a database has no tables yet: its study was killed before it began to exist."""
    return not inspect(connection).get_table_names()


def check_shape(connection: Connection, origin: str) -> None:
    """Refuse a database that is not a study of a known version: other tables, triggers, views, computed columns.

    Raises `StudyError`; nothing is written. A newer version is refused by name, before anything else is read.
    """
    names = set(inspect(connection).get_table_names())
    if not names:
        raise StudyError(f"{origin} holds no study yet; create it with `tradewind search --out` or Study.create")
    if STUDY.name not in names:
        raise StudyError(f"{origin} is no study: it has the tables {', '.join(sorted(names))}; give a study's folder")
    version = _version(connection)
    if version not in READABLE:
        raise StudyError(
            f"{origin} has schema version {version}, this Tradewind reads {SCHEMA_VERSION}; "
            "open it with the version of Tradewind that made it, or a newer one"
        )
    if connection.dialect.name == "sqlite":
        _check_objects(connection, origin, version)


def bring_up_to_date(connection: Connection, origin: str) -> None:
    """Make a study of version 1, whose shape was checked, one of this version; raises `StudyError` if it is damaged."""
    study = study_row(connection)
    if study is None or study.schema_version == SCHEMA_VERSION:
        return
    if study_digest(study.schema_version, study.created_at, study.config) != study.sha256:
        raise StudyError(f"{origin}: the study's configuration is damaged; restore the file from a copy")
    connection.execute(text("ALTER TABLE evaluation ADD COLUMN fidelity INTEGER"))
    digest = study_digest(SCHEMA_VERSION, study.created_at, study.config)
    connection.execute(update(STUDY).values(schema_version=SCHEMA_VERSION, sha256=digest))


def read_rows(connection: Connection, after: int = 0) -> list[Any]:
    """The rows of the table `evaluation` with a number above `after`, in order."""
    present = _columns(EVALUATION, _version(connection))
    columns = [c if c.name in present else null().label(c.name) for c in EVALUATION.c]
    return list(connection.execute(select(*columns).where(EVALUATION.c.number > after).order_by(EVALUATION.c.number)))


def study_row(connection: Connection) -> Row[Any] | None:
    """The study's own row."""
    return connection.execute(select(*STUDY.c)).first()


def _version(connection: Connection) -> int | None:
    return connection.execute(select(STUDY.c.schema_version)).scalar()


def _columns(table: Table, version: int | None) -> list[str]:
    """The columns that a table has in a version."""
    return [c.name for c in table.columns if not (version == 1 and c is EVALUATION.c.fidelity)]


def _check_objects(connection: Connection, origin: str, version: int | None) -> None:
    """A file of unknown origin may run code of its own through triggers, views and computed columns."""
    query = text("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master")
    for kind, name, table, page, sql in connection.execute(query):
        plain = (kind == "table" and name == table and page) or (kind == "index" and sql is None)
        if table not in METADATA.tables or not plain:
            raise StudyError(f"{origin} holds the {kind} {str(name)[:40]!r}, which no study has; it is not read")
    for table in METADATA.tables.values():
        expected = _columns(table, version)
        query = text("SELECT name, hidden FROM pragma_table_xinfo(:table)")
        found = connection.execute(query, {"table": table.name}).all()
        if [tuple(row) for row in found] != [(name, 0) for name in expected]:
            raise StudyError(f"{origin}: the table {table.name} has not the columns {', '.join(expected)}")

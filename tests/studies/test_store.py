from __future__ import annotations

import resource
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.studies.fakes import evaluation

from tradewind.core import StudyError
from tradewind.studies.records import decode
from tradewind.studies.store import STUDY_FILE, Store

CONFIG = '{"seed":0}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / STUDY_FILE


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.create(path, CONFIG) as store:
        yield store


def test_what_is_appended_is_there_after_reopening(path: Path) -> None:
    records = [evaluation(0), evaluation(0, "baseline"), evaluation(1)]
    with Store.create(path, CONFIG) as store:
        assert store.append(records[:1]) == 1
        assert store.append(records[1:]) == 3
    with Store.open(path) as store:
        assert [decode(row) for row in store.rows()] == records
        assert [decode(row) for row in store.rows(after=2)] == records[2:]


def test_every_commit_is_synced_in_wal_mode(path: Path, store: Store) -> None:
    connection = store._connection.connection.driver_connection
    assert connection is not None
    pragmas = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    store.launch("a", durable=False)
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_transactions_take_the_write_lock_at_once(path: Path, store: Store) -> None:
    other = sqlite3.connect(path, timeout=0)
    with store._connection.begin(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()


def test_a_place_is_taken_once(store: Store) -> None:
    store.append([evaluation(0)])
    with pytest.raises(StudyError, match=r"study\.db: an evaluation is already there"):
        store.append([evaluation(1), evaluation(0)])
    assert [row.position for row in store.rows()] == [0]


def test_launches_are_counted_until_the_candidate_finishes(path: Path) -> None:
    record = evaluation(0)
    with Store.create(path, CONFIG) as store:
        assert [store.launch(record.candidate.id, durable=False) for _ in range(2)] == [1, 2]
    with Store.open(path) as store:
        assert store.launch(record.candidate.id) == 3
        store.withdraw(record.candidate.id)
        assert store.launch(record.candidate.id) == 3
        assert store.launch("another") == 1
        store.append([record])
        assert store.launch(record.candidate.id) == 1
        assert store.launch("another") == 2


def test_an_existing_study_is_not_created_again(path: Path, store: Store) -> None:
    store.append([evaluation(0)])
    with pytest.raises(StudyError, match="holds a study already"):
        Store.create(path, CONFIG)
    assert len(store.rows()) == 1


def test_a_creation_that_was_killed_is_taken_over(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    with pytest.raises(StudyError, match="holds no study yet"):
        Store.open(path)
    Store.create(path, CONFIG).close()
    Store.open(path).close()


def test_no_study_to_open(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"there is no study in .*create it with"):
        Store.open(tmp_path / STUDY_FILE)
    assert list(tmp_path.iterdir()) == []


def execute(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE TABLE extra (x)", "holds the table 'extra'"),
        ("CREATE VIEW v AS SELECT * FROM study", "holds the view 'v'"),
        ("CREATE TRIGGER t AFTER INSERT ON evaluation BEGIN DELETE FROM study; END", "holds the trigger 't'"),
        ("CREATE INDEX i ON evaluation (hex(role))", "holds the index 'i'"),
        ("ALTER TABLE tally ADD COLUMN more INTEGER AS (evaluations * 2)", "the table tally has not the columns"),
        ("ALTER TABLE tally RENAME COLUMN exhausted TO done", "the table tally has not the columns"),
        ("DROP TABLE attempt", "the table attempt has not the columns"),
        ("UPDATE study SET schema_version = 99", "schema version 99, this Tradewind reads 2"),
    ],
)
def test_what_is_no_study_of_this_version_is_refused(path: Path, statement: str, message: str) -> None:
    Store.create(path, CONFIG).close()
    execute(path, statement)
    before = path.read_bytes()
    with pytest.raises(StudyError, match=message):
        Store.open(path)
    assert path.read_bytes() == before


def test_a_database_of_something_else_is_refused(path: Path) -> None:
    execute(path, "CREATE TABLE songs (title)")
    with pytest.raises(StudyError, match="is no study: it has the tables songs"):
        Store.open(path)


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 500)
    with pytest.raises(StudyError, match=r"study\.db cannot be read or written"):
        Store.open(path)


def test_a_full_disk_loses_nothing_that_was_acknowledged(path: Path) -> None:
    """A limit on the size of files stands for the disk; it hits the log and the database file alike."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    acknowledged = 0
    store = Store.create(path, CONFIG)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, former[1]))
        message = ""
        while not message:
            try:
                store.append([evaluation(acknowledged)])
                acknowledged += 1
            except StudyError as error:
                message = str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
        signal.signal(signal.SIGXFSZ, handler)
    assert "study.db cannot be read or written" in message
    assert "free disk space" in message
    assert acknowledged > 10
    store.close()
    with Store.open(path) as again:
        assert [row.position for row in again.rows()] == list(range(acknowledged))
        again.append([evaluation(acknowledged)])


class StoreMachine(RuleBasedStateMachine):
    """A Store against a list and a dictionary, through reopening and through kills.

    A kill leaves the files as they are at that moment; copying them while the store is open gives exactly these.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="store-"))
        self.generation = 0
        self.records: list[Any] = []
        self.launches: dict[str, int] = {}
        self.store = Store.create(self.path, CONFIG)

    @property
    def path(self) -> Path:
        return self.folder / str(self.generation) / STUDY_FILE if self.generation else self.folder / STUDY_FILE

    @rule(count=st.integers(1, 5), role=st.sampled_from(["search", "baseline"]))
    def append(self, count: int, role: str) -> None:
        start = sum(r.role == role for r in self.records)
        added = [evaluation(start + i, role) for i in range(count)]
        self.records += added
        assert self.store.append(added) == len(self.records)
        for record in added:
            self.launches.pop(record.candidate.id, None)

    @rule(seed=st.integers(0, 20), durable=st.booleans())
    def launch(self, seed: int, durable: bool) -> None:
        identity = evaluation(seed).candidate.id
        self.launches[identity] = self.launches.get(identity, 0) + 1
        assert self.store.launch(identity, durable) == self.launches[identity]

    @precondition(lambda self: self.launches)
    @rule(pick=st.integers(0, 99))
    def withdraw(self, pick: int) -> None:
        identity = sorted(self.launches)[pick % len(self.launches)]
        if self.launches[identity]:
            self.store.withdraw(identity)
            self.launches[identity] -= 1

    @precondition(lambda self: self.records)
    @rule(pick=st.integers(0, 99))
    def append_twice(self, pick: int) -> None:
        with pytest.raises(StudyError, match="already there"):
            self.store.append([self.records[pick % len(self.records)]])

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = Store.open(self.path)

    @rule()
    def kill(self) -> None:
        former, self.generation = self.path.parent, self.generation + 1
        self.path.parent.mkdir()
        for file in former.glob(f"{STUDY_FILE}*"):
            shutil.copyfile(file, self.path.parent / file.name)
        self.store.close()
        self.store = Store.open(self.path)

    @invariant()
    def holds_exactly_what_was_acknowledged(self) -> None:
        assert [decode(row) for row in self.store.rows()] == self.records

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


StoreMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=15, deadline=None, derandomize=True)
TestStoreMachine = StoreMachine.TestCase

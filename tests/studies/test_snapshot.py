from __future__ import annotations

import hashlib
import itertools
import random
import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.studies.fakes import evaluation

from tradewind.core import StudyError
from tradewind.studies import snapshot as room
from tradewind.studies.records import decode
from tradewind.studies.snapshot import snapshot
from tradewind.studies.store import STUDY_FILE, Store, read_rows


def fingerprint(folder: Path) -> dict[str, tuple[str, int]]:
    """Content and time of change of every file."""
    return {
        file.name: (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns)
        for file in sorted(folder.iterdir())
    }


def positions(folder: Path) -> list[int]:
    with snapshot(folder) as connection:
        return [row.position for row in read_rows(connection)]


def test_an_open_study_is_read_whole_without_a_trace(tmp_path: Path) -> None:
    with Store.create(tmp_path / STUDY_FILE, "{}") as store:
        store.append([evaluation(0), evaluation(1)])
        before = fingerprint(tmp_path)
        assert f"{STUDY_FILE}-wal" in before
        assert positions(tmp_path) == [0, 1]
        assert fingerprint(tmp_path) == before
        store.append([evaluation(2)])
        assert positions(tmp_path) == [0, 1, 2]


def test_a_copied_folder_is_read_with_and_without_its_log(tmp_path: Path) -> None:
    running, closed, bare = tmp_path / "running", tmp_path / "closed", tmp_path / "bare"
    source = tmp_path / "source"
    source.mkdir()
    with Store.create(source / STUDY_FILE, "{}") as store:
        store.append([evaluation(0)])
        shutil.copytree(source, running)
        (running / f"{STUDY_FILE}-shm").unlink()
    shutil.copytree(source, closed)
    bare.mkdir()
    shutil.copyfile(closed / STUDY_FILE, bare / STUDY_FILE)
    for folder in (running, closed, bare):
        folder.chmod(0o555)
        before = fingerprint(folder)
        assert positions(folder) == [0]
        assert fingerprint(folder) == before
        folder.chmod(0o755)


def test_reading_while_it_is_written_shows_a_state_that_was_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files change in the middle of their copies; often the log is folded in and restarted, which tears the copy."""
    records = [evaluation(index) for index in range(400)]
    left, draw, copied, seen = iter(records), random.Random(0), [], []
    with Store.create(tmp_path / STUDY_FILE, "{}") as store:
        connection = store._connection.connection.driver_connection
        assert connection is not None
        connection.execute("PRAGMA wal_autocheckpoint=8")

        def copyfile(source: Path, target: Path) -> None:
            with open(source, "rb", buffering=0) as file, open(target, "wb") as copy:
                copy.write(file.read(source.stat().st_size // 2))
                for record in itertools.islice(left, draw.randrange(4)):
                    store.append([record])
                copy.write(file.read())
            copied.append(source)

        monkeypatch.setattr(room.shutil, "copyfile", copyfile)
        monkeypatch.setattr(room, "_PAUSE_SECONDS", 0)
        for _ in range(12):
            with snapshot(tmp_path) as connection:
                rows = read_rows(connection)
                count = connection.exec_driver_sql("SELECT evaluations FROM tally").scalar()
                sound = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
            assert sound == "ok"
            assert count == len(rows)
            assert [decode(row) for row in rows] == records[: len(rows)]
            seen.append(len(rows))
    assert seen == sorted(seen)
    assert len(set(seen)) > 5
    assert len(copied) > 2 * len(seen), "some copies were torn and made again"


@pytest.mark.parametrize("when", ["between", "after"])
def test_a_log_that_is_restarted_during_the_copy_is_copied_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The writer folds its log in and begins a new one once the database, or once both files have been copied."""
    real, copied = shutil.copyfile, []
    with Store.create(tmp_path / STUDY_FILE, "{}") as store:
        store.append([evaluation(index) for index in range(20)])

        def copyfile(source: Path, target: Path) -> None:
            real(source, target)
            copied.append(Path(source).name)
            if copied == ([STUDY_FILE] if when == "between" else [STUDY_FILE, f"{STUDY_FILE}-wal"]):
                store.append([evaluation(index) for index in range(20, 40)])
                connection = store._connection.connection.driver_connection
                assert connection is not None
                connection.execute("PRAGMA wal_checkpoint(RESTART)")
                store.append([evaluation(40)])

        monkeypatch.setattr(room.shutil, "copyfile", copyfile)
        assert positions(tmp_path) == list(range(41))
    assert copied == [STUDY_FILE, f"{STUDY_FILE}-wal"] * 2


def test_a_log_cut_anywhere_leaves_a_prefix_of_what_was_committed(tmp_path: Path) -> None:
    """What a loss of power may leave: the database file and some of the log."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    records = [evaluation(index) for index in range(6)]
    with Store.create(whole / STUDY_FILE, "{}") as store:
        for record in records:
            store.append([record])
        log = (whole / f"{STUDY_FILE}-wal").read_bytes()
        found = []
        for length in range(0, len(log) + 1, 2741):
            shutil.rmtree(cut, ignore_errors=True)
            shutil.copytree(whole, cut)
            (cut / f"{STUDY_FILE}-wal").write_bytes(log[:length])
            with snapshot(cut) as connection:
                tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
                rows = read_rows(connection) if tables else []
            assert [decode(row) for row in rows] == records[: len(rows)]
            found.append(len(rows))
    assert found == sorted(found)
    assert set(found) >= {0, 2, 5}


def test_a_database_that_never_rests_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.create(tmp_path / STUDY_FILE, "{}").close()
    states = iter(range(1000))
    monkeypatch.setattr(room, "_state", lambda source: next(states))
    monkeypatch.setattr(room, "_PAUSE_SECONDS", 0)
    with pytest.raises(StudyError, match="written too fast"):
        positions(tmp_path)


def test_the_copy_can_not_be_written_and_is_gone_afterwards(tmp_path: Path) -> None:
    Store.create(tmp_path / STUDY_FILE, "{}").close()
    with snapshot(tmp_path) as connection:
        copy = Path(connection.exec_driver_sql("PRAGMA database_list").one()[2])
        raw = connection.connection.driver_connection
        assert raw is not None
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            raw.execute("DELETE FROM study")
        assert copy.parent != tmp_path
    assert not copy.parent.exists()


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"there is no study in .*; give the folder"):
        positions(tmp_path)
    assert list(tmp_path.iterdir()) == []

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tradewind.core import StudyError
from tradewind.studies.lock import LOCK_FILE, StudyLock


def in_child(work: Callable[[], None]) -> int:
    """Fork, work and leave; the child's process number."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def hold_in_child(folder: Path) -> int:
    """A child that holds the lock until it is killed; back once it does."""
    ready, tell = os.pipe()

    def hold() -> None:
        with StudyLock(folder):
            os.write(tell, b"1")
            signal.pause()

    child = in_child(hold)
    os.read(ready, 1)
    os.close(ready)
    os.close(tell)
    return child


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_second_owner_is_refused_by_name(tmp_path: Path) -> None:
    with StudyLock(tmp_path), pytest.raises(StudyError, match=rf"being run .*pid {os.getpid()}, started 20\d\d-"):
        StudyLock(tmp_path).__enter__()
    with StudyLock(tmp_path):
        pass


def test_another_process_is_refused_by_name_and_a_killed_one_leaves_nothing(tmp_path: Path) -> None:
    child = hold_in_child(tmp_path)
    try:
        with pytest.raises(StudyError, match=f"pid {child}"):
            StudyLock(tmp_path).__enter__()
    finally:
        kill(child)
    with StudyLock(tmp_path):
        assert str(os.getpid()) in (tmp_path / LOCK_FILE).read_text()


def test_a_child_forked_by_a_killed_owner_does_not_keep_the_lock(tmp_path: Path) -> None:
    ready, tell = os.pipe()
    alive, stop = os.pipe()

    def outlive() -> None:
        os.close(stop)
        os.read(alive, 1)

    def own_and_fork() -> None:
        with StudyLock(tmp_path):
            grandchild = in_child(outlive)
            os.write(tell, str(grandchild).encode())
            signal.pause()

    child = in_child(own_and_fork)
    grandchild = int(os.read(ready, 16))
    kill(child)
    os.kill(grandchild, 0)
    with StudyLock(tmp_path):
        pass
    os.close(stop)


def test_a_file_left_by_a_dead_owner_or_by_nobody_says_nothing(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_text('{"pid": 1, "started": "long ago"}')
    with StudyLock(tmp_path):
        (tmp_path / LOCK_FILE).write_text("not JSON")
        with pytest.raises(StudyError, match="another process;"):
            StudyLock(tmp_path).__enter__()


def test_of_two_that_start_together_exactly_one_owns(tmp_path: Path) -> None:
    for _ in range(20):
        results, report = os.pipe()
        go, start = os.pipe()

        def contend(go: int = go, start: int = start, report: int = report) -> None:
            os.close(start)
            os.read(go, 1)
            try:
                with StudyLock(tmp_path):
                    os.write(report, b"1")
                    signal.pause()
            except StudyError:
                os.write(report, b"0")

        children = [in_child(contend) for _ in range(2)]
        os.close(start)
        found = b"".join(os.read(results, 1) for _ in children)
        for child in children:
            kill(child)
        for handle in (results, report, go):
            os.close(handle)
        assert sorted(found) == [ord("0"), ord("1")]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / LOCK_FILE).symlink_to(target)
    with pytest.raises(StudyError, match="symbolic"):
        StudyLock(tmp_path).__enter__()
    assert target.read_text() == "precious"

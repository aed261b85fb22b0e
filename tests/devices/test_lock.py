from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from tradewind.core import DeviceError
from tradewind.devices.lock import MeasuringLock

HOLD = """
import sys, time
from pathlib import Path
from tradewind.devices.lock import MeasuringLock
with MeasuringLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
    time.sleep(0.1)  # who does not wait is here before this goes on
    print("let go", flush=True)
"""


class Holder:
    """Another process that holds the lock from now on until it is told to let go, or killed."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-c", HOLD, str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._stdout.readline() == b"held\n"

    def let_go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def has_let_go(self) -> bool:
        os.set_blocking(self._stdout.fileno(), False)
        return self._stdout.read() == b"let go\n"

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()
        self._stdout.close()
        self.process.wait()

    @property
    def _stdout(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout


@contextlib.contextmanager
def upon_a_warning(act: Callable[[], None]) -> Iterator[None]:
    """Do something whenever the lock warns that it is about to wait."""
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: act()  # type: ignore[method-assign]
    logger = logging.getLogger("tradewind.devices")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def test_two_holders_take_turns_and_the_wait_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "lock"
    caplog.set_level(logging.WARNING, logger="tradewind.devices")
    with Holder(path) as other, upon_a_warning(other.let_go), MeasuringLock(path):
        assert other.has_let_go()
    assert [r.getMessage() for r in caplog.records] == [
        f"another measurement runs on this machine (pid {other.process.pid}); waiting for it"
    ]


def test_nothing_is_said_where_nobody_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with MeasuringLock(tmp_path / "lock"):
            pass
    assert not caplog.records


def test_threads_of_one_process_take_turns_too(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(5):
            with MeasuringLock(tmp_path / "lock"):
                inside += 1
                most = max(most, inside)
                time.sleep(0.002)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_killed_holder_frees_it(tmp_path: Path) -> None:
    with Holder(tmp_path / "lock") as other:
        other.process.kill()
    with MeasuringLock(tmp_path / "lock"):
        pass


def test_a_fork_does_not_keep_it(tmp_path: Path) -> None:
    with MeasuringLock(tmp_path / "lock"):
        pid = os.fork()
        if not pid:
            time.sleep(3600)
    with MeasuringLock(tmp_path / "lock"):
        os.kill(pid, 9)
    os.waitpid(pid, 0)


def test_a_file_that_was_removed_while_waiting_excludes_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Holder(path) as other:

        def remove() -> None:
            path.unlink()
            other.let_go()

        with upon_a_warning(remove), MeasuringLock(path):
            assert path.exists(), "the lock must be on the file that others will open"


def test_a_link_or_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "target"
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(DeviceError, match="not a plain file"), MeasuringLock(link):
        pass
    assert not target.exists()
    target.write_text("someone's file")
    with pytest.raises(DeviceError, match="not a plain file"), MeasuringLock(link):
        pass
    with pytest.raises(DeviceError, match="not a plain file"), MeasuringLock(tmp_path):
        pass
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DeviceError, match="not a plain file"), MeasuringLock(tmp_path / "pipe"):
        pass


def test_others_can_open_it_whatever_the_umask_and_it_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    before = os.umask(0o077)
    try:
        with MeasuringLock(path):
            pass
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.stat().st_size == 0


def test_no_descriptor_leaks(tmp_path: Path) -> None:
    count = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with MeasuringLock(tmp_path / "lock"):
            pass
    assert len(os.listdir("/proc/self/fd")) == count

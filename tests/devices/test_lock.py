from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tradewind.core import DeviceError
from tradewind.devices.lock import MeasuringLock

HOLD = """
import sys, time
from pathlib import Path
from tradewind.devices.lock import MeasuringLock
with MeasuringLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(path: Path, seconds: float) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    process.stdout.close()
    return process


def test_two_holders_take_turns_and_the_wait_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "lock"
    other = hold(path, 0.5)
    with caplog.at_level(logging.WARNING, logger="tradewind.devices"), MeasuringLock(path):
        assert other.wait(10) == 0, "the other must have let go first"
    assert [r.getMessage() for r in caplog.records] == [
        f"another measurement runs on this machine (pid {other.pid}); waiting for it"
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
    other = hold(tmp_path / "lock", 3600)
    other.kill()
    other.wait()
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
    other = hold(path, 0.5)
    remover = threading.Timer(0.1, path.unlink)
    remover.start()
    with MeasuringLock(path):
        assert path.exists(), "the lock must be on the file that others will open"
    other.wait()


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

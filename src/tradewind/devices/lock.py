"""MeasuringLock: one measurement at a time on a machine, by a lock that the operating system frees with its owner.

Two measurements at once disturb each other even on different cores (shared caches, memory and clock speed). The lock
is flock's on one fixed file, the same for every user of the machine: /tmp rather than the temporary folder of the
environment, which may differ between two processes. Locking needs no right to write, so whoever made the file, all
can hold it; it is never written to, and a symbolic link or anything but a plain file in its place is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
from pathlib import Path
from types import TracebackType

from tradewind.core import DeviceError

PATH = Path("/tmp/tradewind-measuring.lock")

_log = logging.getLogger("tradewind.devices")


class MeasuringLock:
    """A context manager that waits for the machine and holds it; the first wait is told, as a warning of the logger.

    Raises `DeviceError` where the file cannot be used.
    """

    def __init__(self, path: Path = PATH) -> None:
        self.path = path
        self._handle: int | None = None
        self._told = False

    def __enter__(self) -> MeasuringLock:
        while self._handle is None:
            handle = self._open()
            try:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if not self._told:
                        _log.warning("another measurement runs on this machine%s; waiting for it", _owner(handle))
                        self._told = True
                    fcntl.flock(handle, fcntl.LOCK_EX)
                # A lock on a file that was removed meanwhile excludes nobody.
                if self._is_current(handle):
                    self._handle, handle = handle, -1
            finally:
                if handle >= 0:
                    os.close(handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)

    def _open(self) -> int:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            if not os.path.lexists(self.path):
                self._make()
            handle = os.open(self.path, flags)
        except OSError as error:
            raise DeviceError(f"{self._refusal()} ({error.strerror})") from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise DeviceError(self._refusal())
        return handle

    def _make(self) -> None:
        with contextlib.suppress(FileExistsError):
            handle = os.open(self.path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            # The mode given on opening is cut by the umask, and then other users could not open the file.
            os.fchmod(handle, 0o644)
            os.close(handle)

    def _refusal(self) -> str:
        return f"{self.path} is not a plain file that can be opened; remove it, measurements take turns by its lock"

    def _is_current(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.stat(self.path, follow_symlinks=False), os.fstat(handle))
        except FileNotFoundError:
            return False


def _owner(handle: int) -> str:
    """The process that holds a file's lock, where the system tells (Linux)."""
    inode = f":{os.fstat(handle).st_ino} "
    try:
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if "FLOCK" in fields and "->" not in fields and inode in f"{line} ":
                return f" (pid {int(fields[4])})"
    except (OSError, ValueError, IndexError):
        pass
    return ""

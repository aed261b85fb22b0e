"""A study's folder and its lock: one process at a time runs a study, until it ends or is killed."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from tradewind.core import FileFormatError, StudyError, UsageError
from tradewind.core.files import canonical_json, parse_json
from tradewind.studies.clock import now_text

LOCK_FILE = "study.lock"
_MAX_BYTES = 1024
_HELD: set[int] = set()


def _drop_in_child() -> None:
    """A forked child shares the lock, and would keep it after its parent was killed."""
    for handle in _HELD:
        os.close(handle)
    _HELD.clear()


os.register_at_fork(after_in_child=_drop_in_child)


def make_folder(folder: Path) -> None:
    """Make a study's folder, for its owner only, if need be; `UsageError` naming the place where it cannot be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        place = error.filename or folder
        reason = "is a file" if isinstance(error, (FileExistsError, NotADirectoryError)) else error.strerror
        raise UsageError(
            f"the folder {folder} cannot be made ({place}: {reason}); give another path, in a folder that you may "
            "write to"
        ) from error


class StudyLock:
    """A context manager that holds the folder's lock; the file says who holds it, for people only.

    Raises `StudyError` naming the owner's process and start when another process, or another study object of this one,
    holds it. The lock is flock's: it is free at once when the owner is killed, whatever the file says, and a process
    number that is used again does not matter.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_FILE
        self._handle: int | None = None

    def __enter__(self) -> StudyLock:
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StudyError(f"{self.path} cannot be opened for writing ({error.strerror}); runs need it") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _owner(handle)
            os.close(handle)
            raise StudyError(
                f"{self.path.parent} is being run by another process{owner}; wait for it or stop it, then run the same "
                "command again (a report can be made meanwhile)"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, canonical_json({"pid": os.getpid(), "started": now_text()}).encode(), 0)
        self._handle = handle
        _HELD.add(handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        handle, self._handle = self._handle, None
        # In a forked child the handle is gone already, and the lock is its parent's.
        if handle in _HELD:
            os.ftruncate(handle, 0)
            _HELD.discard(handle)
            os.close(handle)


def _owner(handle: int) -> str:
    try:
        facts = parse_json(os.pread(handle, _MAX_BYTES, 0))
        return f" (pid {int(facts['pid'])}, started {str(facts['started'])[:40]})"
    except (FileFormatError, KeyError, TypeError, ValueError):
        return ""

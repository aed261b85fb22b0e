"""Process trees: no descendant survives its owner, and how much memory a tree holds.

Linux gives a process two promises that make this exact (prctl(2)): a *subreaper* inherits every orphan below it, so a
grandchild that left the session is still its descendant; a *death signal* ends a child with its parent. Elsewhere the
tree is walked by parent ids, which finds all but the deliberately detached.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """End this process when its parent, whose id is `parent`, ends; at once if that has happened already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def kill_descendants(seconds: float = 5.0) -> bool:
    """Kill everything below this process and reap it; True when nothing is left within `seconds`.

    Rounds are needed: each kill may orphan processes into this one, and a process may fork while it is listed.
    """
    me = psutil.Process()
    end = time.monotonic() + seconds
    while True:
        reap()
        below = me.children(recursive=True)
        if not below:
            return True
        for process in below:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if time.monotonic() > end:
            return False
        time.sleep(0.002)


def kill_tree(pid: int) -> None:
    """Kill a process and everything below it, without reaping."""
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in [*root.children(recursive=True), root]:
            with contextlib.suppress(psutil.Error):
                process.kill()


def reap(pid: int = -1) -> int | None:
    """Collect ended children without waiting; the exit code of `pid` (minus the signal) if it is among them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while True:
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                break
            code = os.waitstatus_to_exitcode(status)
            if found == pid:
                break
    return code


class TreeMemory:
    """Memory that a child process and all below it have taken since this was made, in 10^6 bytes.

    Pages of files (program code) are not counted. Of processes further down only pages of their own count, since a
    fork shares all others with its parent. Looking costs a walk over the process table, so the pause between looks is
    kept long against the processor time of a look; that a look had to wait for the processor makes none longer.
    """

    def __init__(self, pid: int, pause: float = 0.1) -> None:
        self._process = psutil.Process(pid)
        self._least_pause = self.pause = pause
        self._baseline = _anonymous(self._process)
        self.peak = 0.0

    def look(self) -> float:
        """The memory now; `peak` keeps the largest seen."""
        start = time.thread_time()
        total = -self._baseline
        with contextlib.suppress(psutil.Error):
            total += _anonymous(self._process)
            for process in self._process.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    total += process.memory_full_info().uss
        self.pause = max(self._least_pause, 30 * (time.thread_time() - start))
        self.peak = max(self.peak, total / 1e6)
        return total / 1e6


def _anonymous(process: psutil.Process) -> int:
    info = process.memory_info()
    return int(info.rss - getattr(info, "shared", 0))


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)

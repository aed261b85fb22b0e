"""How tests wait for other processes: until something is so, since a busy machine may keep any of them for seconds."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

PATIENCE = 900.0
"""Seconds after which what a test waits for is taken to hang."""


def wait_until(holds: Callable[[], bool], process: subprocess.Popen | None = None) -> None:
    """Wait for a condition that `process`, which must not end before, brings about."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert process is None or process.poll() is None, "it ended before"
        assert time.monotonic() < end, "it hangs"
        time.sleep(0.02)

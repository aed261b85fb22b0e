"""The only clocks of this room: durations never use the wall, the wall is only shown to people."""

from __future__ import annotations

import datetime
import time


def seconds() -> float:
    """A reading of the monotonic clock in seconds; only differences mean something."""
    return time.monotonic()


def now_text() -> str:
    """The time of day in UTC, for display only."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")

"""Why a trial has no result, as ``kind: detail``; the kinds are crash, timeout, oom, protocol and error."""

from __future__ import annotations

import signal
from pathlib import Path

_OUT_OF_MEMORY = ("can't allocate memory", "cannot allocate memory", "out of memory", "not enough memory")
_LONGEST = 300


def of_exit(code: int | None) -> str:
    """The reason for a process that ended, or only hung up (None), before it answered.

    >>> of_exit(-11), of_exit(0)
    ('crash: signal SIGSEGV', 'crash: exit status 0 without a result')
    """
    if code is None:
        return "crash: the process hung up without a result"
    if code >= 0:
        return f"crash: exit status {code} without a result"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    from_outside = ", from outside: perhaps the machine ran out of memory" if -code == signal.SIGKILL else ""
    return f"crash: signal {name}{from_outside}"


def of_error(error: BaseException, limit_mb: float | None = None) -> str:
    r"""The reason for an exception: ``oom`` where an allocation was refused, else ``error: Type: first line``.

    >>> of_error(ValueError("no such layer\nlong explanation"))
    'error: ValueError: no such layer'
    """
    lines = str(error).strip().splitlines()
    text = (lines[0] if lines else "").replace(str(Path.home()), "~")[:_LONGEST]
    if isinstance(error, MemoryError) or any(phrase in text.lower() for phrase in _OUT_OF_MEMORY):
        limit = f" under the limit of {limit_mb:,.0f} MB" if limit_mb is not None else ""
        return f"oom: an allocation was refused{limit}{': ' if text else ''}{text}"
    return f"error: {type(error).__name__}{': ' if text else ''}{text}"

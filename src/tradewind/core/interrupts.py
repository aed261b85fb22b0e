"""Ctrl-C, SIGTERM and SIGHUP that stop a run between two transactions, never inside one; a second one stops at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """A context in which these signals raise KeyboardInterrupt, held back while `shield` is entered.

    After the first signal the former handlers are back, so that a second one has its usual, immediate effect. Outside
    the main thread, which alone receives signals, it changes nothing; nor does it hear a SIGHUP that is ignored, as
    under nohup.
    """

    def __init__(self) -> None:
        self._former: dict[signal.Signals, Any] = {}
        self._shielded = False
        self._waiting = False

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            unheard = [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else []
            heard = [number for number in _SIGNALS if number not in unheard]
            self._former = {number: signal.signal(number, self._receive) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    @contextlib.contextmanager
    def shield(self) -> Iterator[None]:
        """Let what is inside finish before a signal is heard."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
            if self._waiting:
                self._waiting = False
                raise KeyboardInterrupt

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._restore()
        if self._shielded:
            self._waiting = True
        else:
            raise KeyboardInterrupt

    def _restore(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}

"""Worker: the owner's side of isolation, a measuring process that is asked, watched and replaced.

Whatever happens over there, `ask` returns a reply within the limits, and nothing that was started stays behind. The
owner sleeps while a trial runs; the host process beside it (see `host`) watches.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
import weakref
from types import TracebackType
from typing import Any, Self

from tradewind.core import DeviceError
from tradewind.devices import failures
from tradewind.devices.frames import Inbox, ProtocolError, send
from tradewind.devices.processes import kill_tree

_START_SECONDS = 180.0
_GRACE_SECONDS = 30.0
"""For the host to tell of a trial beyond its limit; longer than it waits for processes to end."""
_HANG_UP_SECONDS = 5.0
"""For a host that has hung up to end, which costs time only where it lives on."""
_CLOSE_SECONDS = 1.0
_CHUNK = 65536


class Worker:
    """A host process on one device with a fixed number of threads; it starts when first asked.

    `module` is what the process runs: tests put misbehaving candidates there. Not for use by two threads at once.

    Raises `DeviceError` where the process cannot start.
    """

    def __init__(self, device: str = "cpu", threads: int = 1, module: str = "tradewind.devices.worker") -> None:
        self.device = device
        self.threads = threads
        self.module = module
        self.facts: dict[str, Any] = {}
        self._running: _Running | None = None
        self._stop: Any = lambda: None

    @property
    def pid(self) -> int | None:
        """Process id of the host, None while there is none."""
        return self._running.process.pid if self._running else None

    def start(self) -> None:
        """Start the host and wait until it is ready; does nothing where it runs."""
        if self._running is not None and self._running.process.poll() is None:
            return
        self.close()
        running = _launch(self.module, self.device, self.threads)
        self._running, self._stop = running, weakref.finalize(self, running.stop)
        try:
            greeting = running.receive(_START_SECONDS)
        except BaseException as error:
            self.close()
            if isinstance(error, ProtocolError | _EndedError | TimeoutError):
                raise DeviceError(self._no_start(f"{error}")) from error
            raise
        if "ready" not in greeting:
            self.close()
            raise DeviceError(self._no_start(str(greeting.get("failed"))))
        self.facts = dict(greeting["ready"])

    def ask(self, request: Any, seconds: float, megabytes: float) -> dict[str, Any]:
        """Have one request answered within limits: {"result": ...} or {"failed": "kind: detail"}.

        `megabytes` bounds what the trial takes on top of the idle worker; "peak_mb" in the reply is the most seen.
        """
        self.start()
        assert self._running is not None
        try:
            self._running.send({"request": request, "seconds": seconds, "megabytes": megabytes})
            return self._running.receive(seconds + _GRACE_SECONDS)
        except (_EndedError, BrokenPipeError):
            reason = failures.of_exit(self._running.exit_code())
        except ProtocolError as error:
            reason = f"protocol: {error}"
        except TimeoutError:
            reason = f"timeout: the worker did not answer within {seconds + _GRACE_SECONDS:g} s"
        except BaseException:
            self.close()
            raise
        self.close()
        return {"failed": reason}

    def close(self) -> None:
        """End the host and everything below it, within two seconds; safe to call twice."""
        self._stop()
        self._running = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _no_start(self, why: str) -> str:
        return (
            f"the measuring process did not start ({why}); 'python -c \"import {self.module}\"' should run without an "
            "error in this environment"
        )


class _EndedError(Exception):
    """The process closed its end."""

    def __str__(self) -> str:
        return "it ended at once"


class _Running:
    """A started host and this side's ends of its pipes."""

    def __init__(self, process: subprocess.Popen[bytes], requests: int, replies: int) -> None:
        self.process = process
        self._requests = requests
        self._replies = replies
        self._inbox = Inbox()

    def send(self, message: Any) -> None:
        send(self._requests, message)

    def receive(self, seconds: float) -> dict[str, Any]:
        """The next message; raises `_EndedError`, `ProtocolError` or TimeoutError."""
        end = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select([self._replies], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError(f"no answer within {seconds:g} s")
            data = os.read(self._replies, _CHUNK)
            if not data:
                raise _EndedError
            message = self._inbox.feed(data)
            if message is not None:
                if not isinstance(message, dict):
                    raise ProtocolError("a message that is no object")
                return message

    def exit_code(self) -> int | None:
        """How the process ended, None if it has only hung up."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(_HANG_UP_SECONDS)
        return None

    def stop(self) -> None:
        """Hang up, upon which the host kills what is below it and ends; kill it with all below where it does not."""
        os.close(self._requests)
        os.close(self._replies)
        try:
            self.process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            kill_tree(self.process.pid)
            self.process.wait()


def _launch(module: str, device: str, threads: int) -> _Running:
    request_end, requests = os.pipe()
    replies, reply_end = os.pipe()
    count = str(threads)
    # Thread counts are read when the libraries load. numpy's own library gets one: the host must not have threads.
    environment = {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": "1"}
    try:
        process = subprocess.Popen(
            # -P: a file in the current folder must not be taken for a module of the same name.
            [sys.executable, "-P", "-m", module, str(request_end), str(reply_end), device],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(request_end, reply_end),
            start_new_session=True,
            env=os.environ | environment,
        )
    except OSError:
        os.close(requests)
        os.close(replies)
        raise
    finally:
        os.close(request_end)
        os.close(reply_end)
    return _Running(process, requests, replies)

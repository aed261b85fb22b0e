"""The worker's side of isolation: a host process that loads what is heavy once and runs each trial in a fork of itself.

A fork starts from the same state every time, so what a trial measures does not depend on the trials before it, and
whatever it does to itself (crash, hang, exhaust memory, write nonsense) ends with it. The host never runs a candidate:
it waits, watches the fork's time and memory, kills it with all that it started, and answers with a result or a reason.

Messages (see `frames`), over two pipes whose numbers are the first two command-line arguments:
first, from the host, {"ready": facts} or {"failed": reason}; then for each {"request": ..., "seconds": limit,
"megabytes": limit} one {"result": ...} or {"failed": reason}, both with "peak_mb".
"""

from __future__ import annotations

import dataclasses
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, NoReturn

import psutil

from tradewind.devices import failures
from tradewind.devices.frames import Inbox, ProtocolError, pack, send
from tradewind.devices.processes import TreeMemory, adopt_orphans, die_with_parent, kill_descendants, reap

Handler = Callable[[Any], Any]
"""Plain data of a request to plain data of a result."""

_CHUNK = 65536
_IDLE_SECONDS = 1.0
_HANG_UP_SECONDS = 5.0
"""For a fork that has hung up to end, which costs time only where it lives on."""


class _OwnerGoneError(Exception):
    """The process that asks has ended or hung up, or this one is told to end."""


def serve(handle: Handler, prepare: Callable[[], Mapping[str, Any]] = dict, *, keep: bool = False) -> NoReturn:
    """Run the host until its owner hangs up; `prepare` loads what every trial needs and returns facts for the owner.

    With `keep` one fork serves all trials until one fails: for accelerators, whose state cannot be forked and takes
    seconds to set up.
    """
    requests, replies = int(sys.argv[1]), int(sys.argv[2])
    for fd in (requests, replies):
        os.set_inheritable(fd, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    # A core file of a crashed candidate would take longer to write than the candidate to measure.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    adopt_orphans()
    try:
        host = _Host(handle, keep, requests, replies)
        try:
            ready: dict[str, Any] = {"ready": dict(prepare())}
        except Exception as error:
            ready = {"failed": failures.of_error(error)}
        send(replies, ready)
        host.run()
    except (_OwnerGoneError, BrokenPipeError):
        pass
    finally:
        kill_descendants()
        os._exit(0)


@dataclasses.dataclass(frozen=True)
class _Fork:
    """A process for trials, and this side's ends of its pipes."""

    pid: int
    requests: int
    replies: int

    def close(self) -> None:
        os.close(self.requests)
        os.close(self.replies)


class _Host:
    def __init__(self, handle: Handler, keep: bool, requests: int, replies: int) -> None:
        self.handle = handle
        self.keep = keep
        self.requests = requests
        self.replies = replies
        self.owner = os.getppid()
        self.kept: _Fork | None = None

    def run(self) -> None:
        inbox = Inbox()
        while True:
            if self._readable(self.requests, _IDLE_SECONDS):
                message = inbox.feed(self._read_owner())
                if message is not None:
                    send(self.replies, self._trial(message))

    def _trial(self, message: Mapping[str, Any]) -> dict[str, Any]:
        fork = self.kept or self._start()
        memory = TreeMemory(fork.pid)
        try:
            send(fork.requests, message)
            reply = self._await(fork, memory, float(message["seconds"]), float(message["megabytes"]))
        except BrokenPipeError:
            reply = {"failed": failures.of_exit(_exit_code(fork.pid))}
        except ProtocolError as error:
            reply = {"failed": f"protocol: {error}"}
        self.kept = fork if self.keep and "result" in reply else None
        if self.kept is None:
            fork.close()
            kill_descendants()
        return reply | {"peak_mb": memory.peak}

    def _start(self) -> _Fork:
        request_end, requests = os.pipe()
        replies, reply_end = os.pipe()
        host = os.getpid()
        pid = os.fork()
        if not pid:
            for fd in (requests, replies, self.requests, self.replies):
                os.close(fd)
            _answer_all(self.handle, request_end, reply_end, host, limited=not self.keep)
        os.close(request_end)
        os.close(reply_end)
        return _Fork(pid, requests, replies)

    def _await(self, fork: _Fork, memory: TreeMemory, seconds: float, megabytes: float) -> dict[str, Any]:
        """The fork's reply, or the reason why there is none."""
        inbox = Inbox()
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return {"failed": f"timeout: no result within {seconds:g} s"}
            if memory.look() > megabytes:
                return {"failed": f"oom: {memory.peak:,.0f} MB were taken, the limit is {megabytes:,.0f} MB"}
            if not self._readable(fork.replies, min(left, memory.pause), busy=True):
                code = reap(fork.pid)
                if code is not None:
                    return {"failed": failures.of_exit(code)}
                continue
            data = os.read(fork.replies, _CHUNK)
            if not data:
                return {"failed": failures.of_exit(_exit_code(fork.pid))}
            reply = inbox.feed(data)
            if reply is not None:
                return _checked(reply)

    def _readable(self, fd: int, seconds: float, busy: bool = False) -> bool:
        """Wait until `fd` can be read; during a trial (`busy`) the owner has nothing to say but that it is gone."""
        ready, _, _ = select.select([fd, self.requests] if busy else [fd], [], [], seconds)
        # The end of the pipe is not enough: a process that the owner forked may hold it open.
        if os.getppid() != self.owner or (busy and self.requests in ready):
            raise _OwnerGoneError
        return fd in ready

    def _read_owner(self) -> bytes:
        data = os.read(self.requests, _CHUNK)
        if not data:
            raise _OwnerGoneError
        return data


def _answer_all(handle: Handler, requests: int, replies: int, host: int, limited: bool) -> NoReturn:
    """The fork's whole life: answer until the host hangs up, and never return into the host's code."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        die_with_parent(host)
        inbox = Inbox()
        while data := os.read(requests, _CHUNK):
            message = inbox.feed(data)
            if message is not None:
                reply = _answer(handle, message, limited)
                while reply:
                    reply = reply[os.write(replies, reply) :]
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    finally:
        os._exit(code)


def _answer(handle: Handler, message: Mapping[str, Any], limited: bool) -> bytes:
    limit = float(message["megabytes"])
    try:
        if limited:
            _limit_data(2 * limit)
        return pack({"result": handle(message["request"])})
    except ProtocolError as error:
        return pack({"failed": f"protocol: {error}"})
    except Exception as error:
        return pack({"failed": failures.of_error(error, limit)})


def _limit_data(megabytes: float) -> None:
    """Refuse an absurd allocation before a page of it is touched; less absurd ones are seen by the watch on memory."""
    data = getattr(psutil.Process().memory_info(), "data", None)
    if data is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        soft = int(data + megabytes * 1e6)
        resource.setrlimit(resource.RLIMIT_DATA, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _checked(reply: Any) -> dict[str, Any]:
    if not isinstance(reply, dict) or set(reply) not in ({"result"}, {"failed"}):
        raise ProtocolError("a reply that is neither a result nor a failure")
    if "failed" in reply and not isinstance(reply["failed"], str):
        raise ProtocolError("a failure without a reason")
    return reply


def _exit_code(pid: int) -> int | None:
    """The exit code of a fork that has hung up, None if it lives on."""
    end = time.monotonic() + _HANG_UP_SECONDS
    while (code := reap(pid)) is None and time.monotonic() < end:
        time.sleep(0.002)
    return code


def _leave(number: int, frame: FrameType | None) -> None:
    raise _OwnerGoneError

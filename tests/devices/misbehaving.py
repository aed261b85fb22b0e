"""A worker whose candidates do what they are told: run as `python -m misbehaving` by tests only."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

from tradewind.devices.host import serve


def handle(request: dict) -> dict:
    order = request.get("candidate", request)
    what = order["do"]
    if what == "answer":
        return order["with"]
    if what == "signal":
        os.kill(os.getpid(), order["number"])
    if what == "segfault":
        ctypes.string_at(0)
    if what == "abort":
        os.abort()
    if what == "exit":
        os._exit(order["code"])
    if what == "sys.exit":
        sys.exit(order["code"])
    if what == "raise":
        raise ValueError("a bad candidate\nwith a long story")
    if what == "not json":
        return {"value": float("nan")}
    if what == "too long":
        return {"text": "x" * 2**21}
    if what == "garbage":
        to_every_pipe(b"Segmentation fault? No, just noise on the line.\n")
        time.sleep(3600)
    if what == "flood":
        to_every_pipe(struct.pack(">I", 2**30), *[bytes(2**20)] * 2**10)
    if what == "half":
        to_every_pipe(struct.pack(">I", 100) + b'{"res')
        os._exit(0)
    if what == "print":
        os.write(1, b"noise" * 100_000)
        print("noise", flush=True)
        return order["with"]
    if what == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(3600)
    if what == "spin":
        while True:
            pass
    if what == "detach":
        detached(order["file"])
        if order["then"] == "hang":
            time.sleep(3600)
        if order["then"] == "crash":
            os.abort()
        if order["then"] == "hoard":
            return allocate(order | {"then": 3600})
        return order["with"]
    if what == "allocate":
        return allocate(order)
    if what == "one block":
        return {"bytes": len(bytearray(order["megabytes"] * 10**6))}
    if what == "log":
        for event in ("begin", "end"):
            with open(order["file"], "a") as file:
                file.write(event + "\n")
            time.sleep(order["seconds"])
        return {}
    if what == "core limit":
        return resource.getrlimit(resource.RLIMIT_CORE)
    if what == "pid":
        return os.getpid()
    if what == "hoard in children":
        for _ in range(4):
            if not os.fork():
                allocate(order)
        time.sleep(3600)
    if what == "interrupt":
        os.kill(order["owner"], signal.SIGINT)
        time.sleep(3600)
    if what == "kill host":
        Path(order["file"]).write_text(str(os.getpid()))
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(3600)
    raise AssertionError(what)


def to_every_pipe(*pieces: bytes) -> None:
    for fd in range(3, 64):
        for piece in pieces:
            try:
                view = memoryview(piece)
                while view:
                    view = view[os.write(fd, view) :]
            except OSError:
                break


def detached(file: str) -> None:
    """Start a grandchild that leaves the session, ignores SIGTERM and writes its process id."""
    code = (
        "import os, signal, sys, time; os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"open({file!r}, 'w').write(str(os.getpid())); time.sleep(3600)"
    )
    subprocess.run(["sh", "-c", f'"{sys.executable}" -S -c "{code}" & sleep 0.2'], check=True)
    while not (Path(file).exists() and Path(file).read_text()):
        time.sleep(0.01)


def allocate(order: dict) -> dict:
    blocks = []
    for _ in range(order["megabytes"]):
        blocks.append(bytearray(b"x" * 10**6))
        time.sleep(order.get("pause", 0.0))
    time.sleep(order.get("then", 0.0))
    return order.get("with", {})


if __name__ == "__main__":
    if os.environ.get("MISBEHAVE") == "at start":
        raise SystemExit(3)
    serve(handle, keep=sys.argv[3] == "keep")

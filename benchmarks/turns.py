"""Steps of several contestants, timed in turn: each is a process that waits while the others compute.

What disturbs the machine for a while meets all of them, and none finds memory or caches as another left them. The order
is drawn anew for each round; a ratio is taken within a round.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import random
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

Step = Callable[[int], Any]
WARM_UP = 2


def race(
    build: Callable[..., Step],
    names: list[str],
    rounds: int,
    threads: int,
    *arguments: Any,
    every: int = 0,
    report: Callable[[str, int, float, Any], None] = lambda *_: None,
) -> dict[str, list[float]]:
    """Seconds of ``build(name, *arguments)(turn)`` for each name, one a round, after `WARM_UP` that do not count.

    Every `every` rounds (0: never) what a contestant's ``exam()`` finds, off the clock, is told to `report` with the
    name, the rounds done and the seconds that they took. Ends the program where a contestant fails; that one has told
    why.
    """
    spawn = multiprocessing.get_context("spawn")
    ends: dict[str, Connection] = {}
    times: dict[str, list[float]] = {name: [] for name in names}
    order, turns = random.Random(0), list(names)
    try:
        for name in names:
            ends[name], other = spawn.Pipe()
            spawn.Process(target=_contestant, args=(other, threads, build, name, *arguments), daemon=True).start()
            other.close()  # so that the end of the process ends the wait for it
            _answer(name, ends[name])
        for done in range(1, rounds + 1):
            order.shuffle(turns)
            for name in turns:
                ends[name].send("step")
                times[name].append(_answer(name, ends[name]))
            if every and done % every == 0:
                for name in names:
                    ends[name].send("exam")
                    report(name, done, sum(times[name]), _answer(name, ends[name]))
    finally:
        for end in ends.values():
            with contextlib.suppress(OSError):  # one that failed is gone
                end.send("end")
    return times


def _answer(name: str, end: Connection) -> Any:
    try:
        return end.recv()
    except EOFError:
        raise SystemExit(f"the contestant {name!r} failed, as told above; leave it out, or mend it") from None


def _contestant(orders: Connection, threads: int, build: Callable[..., Step], *arguments: Any) -> None:
    torch.set_num_threads(threads)
    step: Any = build(*arguments)
    for turn in range(WARM_UP):
        step(turn)
    orders.send(None)
    turns = itertools.count(WARM_UP)
    while (order := orders.recv()) != "end":
        if order == "exam":
            orders.send(step.exam())
            continue
        started = time.perf_counter()
        step(next(turns))
        orders.send(time.perf_counter() - started)


def quartiles(seconds: list[float], others: list[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile over rounds of how many times as fast the first is as the other."""
    low, middle, high = statistics.quantiles((b / a for a, b in zip(seconds, others, strict=True)), n=4)
    return low, middle, high

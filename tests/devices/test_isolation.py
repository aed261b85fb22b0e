"""Every way in which a candidate can fail, and that nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.waiting import PATIENCE, wait_until

from tradewind.core import DeviceError
from tradewind.devices.isolation import Worker

MakeWorker = Callable[..., Worker]

FAILURES = [
    ({"do": "segfault"}, "crash: signal SIGSEGV"),
    ({"do": "abort"}, "crash: signal SIGABRT"),
    ({"do": "signal", "number": int(signal.SIGKILL)}, "crash: signal SIGKILL, from outside"),
    ({"do": "exit", "code": 0}, "crash: exit status 0 without a result"),
    ({"do": "exit", "code": 7}, "crash: exit status 7 without a result"),
    ({"do": "sys.exit", "code": 3}, "crash: exit status 3 without a result"),
    ({"do": "half"}, "crash: exit status 0 without a result"),
    ({"do": "raise"}, "error: ValueError: a bad candidate"),
    ({"do": "not json"}, "error: ValueError: "),
    ({"do": "too long"}, "protocol: a message of 2,097,"),
    ({"do": "garbage"}, "protocol: a message of 1,399,154,541 bytes is announced"),
    ({"do": "flood"}, "protocol: a message of 1,073,741,824 bytes is announced"),
    ({"do": "hang"}, "timeout: no result within 0.3 s"),
    ({"do": "spin"}, "timeout: no result within 0.3 s"),
]


def ask(worker: Worker, order: dict, seconds: float = PATIENCE, megabytes: float = 500.0) -> dict:
    return worker.ask(order, seconds, megabytes)


_OTHERS: set[int] = set()
"""Processes that were there before the test: another test's resource tracker, for instance."""


@pytest.fixture(autouse=True)
def _know_others() -> None:
    _OTHERS.clear()
    _OTHERS.update(descendants())


def descendants() -> set[int]:
    return {p.pid for p in psutil.Process().children(recursive=True)} - _OTHERS


@pytest.mark.parametrize(("order", "reason"), FAILURES, ids=[o["do"] for o, _ in FAILURES])
def test_each_failure_has_its_own_reason_and_the_next_candidate_is_measured(
    misbehaving: MakeWorker, order: dict, reason: str
) -> None:
    worker = misbehaving()
    worker.start()
    host = worker.pid
    reply = ask(worker, order, seconds=0.3 if order["do"] in ("hang", "spin") else PATIENCE)
    assert reply["failed"].startswith(reason)
    assert "\n" not in reply["failed"]
    assert descendants() == {host}, "the trial's process must be gone when its failure is told"
    assert ask(worker, {"do": "answer", "with": [1, 2]})["result"] == [1, 2]
    assert worker.pid == host, "the host, with what it has loaded, outlives a candidate"


def test_what_a_candidate_prints_does_not_disturb(misbehaving: MakeWorker, capfd: pytest.CaptureFixture[str]) -> None:
    assert ask(misbehaving(), {"do": "print", "with": {"a": 1}})["result"] == {"a": 1}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("then", ["hoard", "crash", "answer"])
def test_a_detached_grandchild_is_killed(
    misbehaving: MakeWorker, tmp_path: Path, gone: Callable[[int], bool], then: str
) -> None:
    file = tmp_path / "pid"
    order = {"do": "detach", "file": str(file), "then": then, "megabytes": 200, "with": 1}
    reply = ask(misbehaving(), order, megabytes=150)
    assert ("result" in reply) == (then == "answer")
    assert gone(int(file.read_text()))


def test_memory_over_the_limit_is_seen_while_it_is_held(misbehaving: MakeWorker) -> None:
    """Less than what the system refuses, so only the host's watching can end it."""
    reply = ask(misbehaving(), {"do": "allocate", "megabytes": 200, "then": 3600}, megabytes=150)
    assert reply["failed"].startswith("oom: ")
    assert "the limit is 150 MB" in reply["failed"]
    assert 150 < reply["peak_mb"] < 300


def test_memory_taken_without_end_is_seen_or_refused(misbehaving: MakeWorker) -> None:
    """Which of the two comes first depends on how busy the machine is."""
    reply = ask(misbehaving(), {"do": "allocate", "megabytes": 4000, "pause": 0.004}, megabytes=150)
    assert reply["failed"].startswith("oom: ")
    assert "the limit is 150 MB" in reply["failed"] or "under the limit of 150 MB" in reply["failed"]
    assert reply["peak_mb"] < 1000


def test_memory_of_children_counts(misbehaving: MakeWorker) -> None:
    reply = ask(misbehaving(), {"do": "hoard in children", "megabytes": 100, "then": 3600}, megabytes=250)
    assert reply["failed"].startswith("oom: ")
    assert "the limit is 250 MB" in reply["failed"]


def test_an_absurd_allocation_is_refused_at_once(misbehaving: MakeWorker) -> None:
    reply = ask(misbehaving(), {"do": "allocate", "megabytes": 1, "pause": 0}, megabytes=500)
    assert reply["result"] == {}
    reply = ask(misbehaving(), {"do": "one block", "megabytes": 5_000}, megabytes=500)
    assert reply["failed"] == "oom: an allocation was refused under the limit of 500 MB"


def test_memory_within_the_limit_is_granted(misbehaving: MakeWorker) -> None:
    reply = ask(misbehaving(), {"do": "allocate", "megabytes": 100, "with": "done"}, megabytes=300)
    assert reply["result"] == "done"
    assert reply["peak_mb"] < 115


def test_hundreds_of_failures_leave_nothing_behind(misbehaving: MakeWorker) -> None:
    worker = misbehaving()
    orders = [order for order, _ in FAILURES if order["do"] not in ("spin", "flood", "garbage")]
    for order in orders:
        ask(worker, order, seconds=0.1 if order["do"] == "hang" else PATIENCE)
    assert worker.pid is not None
    host = psutil.Process(worker.pid)
    me = psutil.Process()
    before = (me.num_fds(), host.num_fds(), descendants(), me.num_threads())
    for _ in range(6):
        for order in orders:
            ask(worker, order, seconds=0.1 if order["do"] == "hang" else PATIENCE)
    after = (me.num_fds(), host.num_fds(), descendants(), me.num_threads())
    assert after == before
    assert not [p for p in me.children(recursive=True) if p.status() == psutil.STATUS_ZOMBIE]


def test_a_killed_host_is_replaced_and_leaves_nothing(
    misbehaving: MakeWorker, tmp_path: Path, gone: Callable[[int], bool]
) -> None:
    worker = misbehaving()
    fds = psutil.Process().num_fds()
    for _ in range(3):
        order = {"do": "kill host", "file": str(tmp_path / "pid")}
        assert ask(worker, order)["failed"].startswith("crash: signal SIGKILL")
        assert descendants() == set()
        assert gone(int((tmp_path / "pid").read_text()))
        assert psutil.Process().num_fds() == fds
    assert ask(worker, {"do": "answer", "with": 0})["result"] == 0


def test_a_frozen_host_is_given_up(misbehaving: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradewind.devices.isolation._GRACE_SECONDS", 0.1)
    worker = misbehaving()
    worker.start()
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSTOP)
    reply = ask(worker, {"do": "answer", "with": 0}, seconds=0.2)
    assert reply["failed"].startswith("timeout: the worker did not answer")
    assert descendants() == set()


@pytest.mark.parametrize("busy", [True, False])
def test_nothing_outlives_an_owner_killed_by_force(
    gone: Callable[[int], bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    file = tmp_path / "pid"
    code = f"""
import os, sys, threading, time
from tradewind.devices.isolation import Worker
worker = Worker(module="misbehaving")
worker.start()
if os.fork() == 0:  # a process that keeps the owner's pipes open
    time.sleep(3600)
print(worker.pid, flush=True)
if {busy}:
    worker.ask({{"do": "detach", "file": {str(file)!r}, "then": "hang"}}, 3600, 500)
time.sleep(3600)
"""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    host = int(owner.stdout.readline())
    if busy:
        wait_until(lambda: file.exists() and file.read_text() != "", owner)
    below = [p.pid for p in psutil.Process(host).children(recursive=True)]
    assert bool(below) == busy
    holder = [p for p in psutil.Process(owner.pid).children() if p.pid != host]
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert all(gone(pid) for pid in [host, *below, *([int(file.read_text())] if busy else [])])
    for process in holder:
        process.kill()


def test_an_interrupt_ends_the_worker(misbehaving: MakeWorker) -> None:
    worker = misbehaving()
    with pytest.raises(KeyboardInterrupt):
        ask(worker, {"do": "interrupt", "owner": os.getpid()})
    assert worker.pid is None
    assert descendants() == set()


def test_a_worker_that_cannot_start_says_so(misbehaving: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISBEHAVE", "at start")
    with pytest.raises(DeviceError, match=r"did not start .it ended at once.*import misbehaving"):
        ask(misbehaving(), {"do": "answer", "with": 0})
    with pytest.raises(DeviceError, match=r"No module named|ended at once"):
        Worker(module="no_such_module").start()
    assert descendants() == set()


def test_an_accelerator_keeps_its_process_until_one_fails(misbehaving: MakeWorker) -> None:
    worker = misbehaving(device="keep")
    worker.start()
    first = ask(worker, {"do": "pid"})["result"]
    assert ask(worker, {"do": "pid"})["result"] == first
    assert ask(worker, {"do": "segfault"})["failed"] == "crash: signal SIGSEGV"
    second = ask(worker, {"do": "pid"})["result"]
    assert second not in (first, worker.pid)
    assert ask(worker, {"do": "raise"})["failed"].startswith("error: ValueError")
    assert ask(worker, {"do": "pid"})["result"] != second


def test_each_trial_starts_from_the_same_state(misbehaving: MakeWorker) -> None:
    worker = misbehaving()
    first = ask(worker, {"do": "pid"})["result"]
    assert ask(worker, {"do": "pid"})["result"] != first


def test_a_crash_writes_no_core_file(misbehaving: MakeWorker) -> None:
    assert ask(misbehaving(), {"do": "core limit"})["result"] == [0, 0]


def test_closing_twice_and_after_use_is_safe(misbehaving: MakeWorker) -> None:
    worker = misbehaving()
    worker.close()
    ask(worker, {"do": "answer", "with": 0})
    worker.close()
    worker.close()
    assert descendants() == set()


def test_a_dropped_worker_ends(misbehaving: MakeWorker, gone: Callable[[int], bool]) -> None:
    worker = Worker(module=misbehaving().module)
    worker.start()
    pid = worker.pid
    assert pid is not None
    del worker
    assert gone(pid)

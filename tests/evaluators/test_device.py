"""The evaluator over a device: the shared suite, anchors and drift, and what becomes of candidates that fail."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from tests.waiting import PATIENCE

from tradewind.core import GPT2, Evaluation, Measurement, UsageError, Workload
from tradewind.core.files import canonical_json
from tradewind.devices import Device, Runner, Timing, get
from tradewind.evaluators.device import DeviceEvaluator
from tradewind.testing.evaluators import EvaluatorSuite


def arch(width: int) -> GPT2:
    return GPT2(d_model=width, n_head=(2,), d_inner=(128,), vocab_size=500, context=64)


class TestDeviceEvaluator(EvaluatorSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def evaluator(cls) -> Iterator[DeviceEvaluator]:
        with DeviceEvaluator(
            "latency_ms,decode_latency_ms,peak_memory_mb",
            workload=Workload(seq_len=16),
            timing=Timing(min_repeats=3, max_repeats=3),
            time_limit_s=PATIENCE,
            anchor_every=3,
        ) as made:
            yield made

    @pytest.fixture
    def candidates(self) -> list[GPT2]:
        return [arch(width) for width in (16, 32, 64)]


class Machine(Runner):
    """A runner whose machine slows down as it is told; a candidate's true time is its width in milliseconds."""

    def __init__(self, slowness: Sequence[float] = (1.0,)) -> None:
        self.device: Device = get("cpu")
        self.workload = Workload()
        self.timing = Timing()
        self.slowness = list(slowness)
        self.log: list[int] = []
        self.broken: set[int] = set()
        self.disturbed: set[int] = set()
        self.shares: dict[int, float] = {}

    def measure(self, candidate: Any, quantities: Sequence[str]) -> dict[str, Measurement]:
        factor = self.slowness[min(len(self.log), len(self.slowness) - 1)]
        details = {"n": 1} | ({"stable": False} if len(self.log) in self.disturbed else {})
        if len(self.log) in self.shares:
            details |= {"stable": False, "cpu_share": self.shares[len(self.log)]}
        self.log.append(candidate.d_model)
        if candidate.d_model in self.broken:
            return {q: Measurement.failed("crash: signal SIGSEGV", "ms", device="cpu") for q in quantities}
        return {
            q: Measurement.of(candidate.d_model * factor, "ms", spread=0.1, device="cpu", details=details)
            for q in quantities
        }

    def close(self) -> None:
        self.log.append(-1)


def evaluator(machine: Machine, **settings: Any) -> DeviceEvaluator:
    settings.setdefault("objectives", "latency_ms,peak_memory_mb")
    return DeviceEvaluator(runner=machine, **settings)


def test_the_anchor_is_measured_first_and_every_so_often() -> None:
    machine = Machine()
    watched = evaluator(machine, anchor=arch(256), anchor_every=2)
    for width in (16, 32, 48, 64, 80):
        watched.evaluate([arch(width)])
    assert machine.log == [256, 16, 32, 256, 48, 64, 256, 80]
    assert [(e.index, e.role, e.candidate) for e in watched.anchors] == [(i, "anchor", arch(256)) for i in range(3)]


def test_a_batch_is_watched_like_single_candidates() -> None:
    machine = Machine()
    evaluator(machine, anchor=arch(256), anchor_every=2).evaluate([arch(w) for w in (16, 32, 48, 64, 80)])
    assert machine.log == [256, 16, 32, 256, 48, 64, 256, 80]


def test_without_an_anchor_the_first_that_could_be_measured_serves() -> None:
    machine = Machine()
    machine.broken = {16}
    watched = evaluator(machine, anchor_every=2)
    watched.evaluate([arch(w) for w in (16, 32, 48, 64, 80)])
    assert machine.log == [16, 32, 48, 64, 32, 80]
    assert [e.candidate for e in watched.anchors] == [arch(32)] * 2


def test_anchors_can_be_turned_off_and_are_of_no_use_for_memory() -> None:
    for settings in ({"anchor_every": 0, "anchor": arch(256)}, {"objectives": "peak_memory_mb", "anchor_every": 1}):
        machine = Machine()
        evaluator(machine, **settings).evaluate([arch(16), arch(32)])
        assert machine.log == [16, 32]


def test_drift_is_told_flagged_and_left_alone() -> None:
    watched = evaluator(Machine([1.0, 1.0, 1.02, 1.02, 1.2]), anchor=arch(256), anchor_every=1)
    steady, slight, strong = watched.evaluate([arch(100), arch(100), arch(100)])
    assert steady["latency_ms@cpu"].details == {"n": 1, "drift": 1.0}
    assert slight["latency_ms@cpu"].details["drift"] == 1.02
    assert "drifted" not in slight["latency_ms@cpu"].details
    assert strong["latency_ms@cpu"].details["drift"] == 1.2
    assert strong["latency_ms@cpu"].details["drifted"] is True
    assert strong["latency_ms@cpu"].value == pytest.approx(120)
    assert strong["peak_memory_mb@cpu"].details == {"n": 1}, "memory does not drift"
    assert watched.drift == {"latency_ms@cpu": pytest.approx(1.2)}


def test_drift_can_be_divided_out() -> None:
    slope = [1 + 0.01 * i for i in range(40)]
    watched = evaluator(Machine(slope), anchor=arch(256), anchor_every=1, correct_drift=True)
    for measurements in watched.evaluate([arch(100)] * 15):
        corrected = measurements["latency_ms@cpu"]
        assert corrected.value == pytest.approx(100, rel=0.011)
        assert corrected.details["measured"] == pytest.approx(corrected.value * corrected.details["drift"], rel=1e-4)
        assert corrected.spread == pytest.approx(0.1 / corrected.details["drift"], rel=1e-4)
    assert watched.describe()["correct_drift"] is True


def test_a_disturbed_first_anchor_is_no_reference() -> None:
    machine = Machine([3.0, 1.0, 1.0, 1.0, 1.1])
    machine.disturbed = {0}
    watched = evaluator(machine, anchor=arch(256), anchor_every=1)
    drifts = [m["latency_ms@cpu"].details["drift"] for m in watched.evaluate([arch(16)] * 3)]
    assert drifts == [1.0, 1.0, pytest.approx(1.1)]


def test_a_disturbed_later_anchor_is_no_drift() -> None:
    machine = Machine([1.0, 1.0, 3.0, 1.0, 1.0, 1.1])
    machine.disturbed = {2}
    watched = evaluator(machine, anchor=arch(256), anchor_every=1)
    drifts = [m["latency_ms@cpu"].details["drift"] for m in watched.evaluate([arch(16)] * 2)]
    assert drifts == [1.0, 1.0]
    assert len(watched.anchors) == 2


@pytest.mark.parametrize(
    ("shares", "log", "kept"),
    [
        ({0: 0.5, 1: 0.9}, [32, 32], 64),
        ({0: 0.9, 1: 0.5}, [32, 32], 32),
        ({0: 0.5}, [32, 32], 64),
        ({0: 0.97}, [32], 32),
        ({}, [32], 32),
    ],
)
def test_a_time_taken_while_others_had_the_processor_is_taken_again(
    shares: dict[int, float], log: list[int], kept: float
) -> None:
    """The second reading is the slower one: which is kept depends on the share of the processor alone."""
    machine = Machine([1.0, 2.0])
    machine.shares = shares
    (found,) = evaluator(machine, anchor_every=0).evaluate([arch(32)])
    assert machine.log == log
    assert found["latency_ms@cpu"].value == kept
    assert found["latency_ms@cpu"].details.get("attempts", 1) == len(log)
    assert found["peak_memory_mb@cpu"].value == 32
    assert "attempts" not in found["peak_memory_mb@cpu"].details


def test_a_second_attempt_that_fails_changes_nothing() -> None:
    machine = Machine()
    machine.shares = {0: 0.5}
    real = machine.measure

    def measure(candidate: Any, quantities: Sequence[str]) -> dict[str, Measurement]:
        found = real(candidate, quantities)
        machine.broken = {32}
        return found

    machine.measure = measure  # type: ignore[method-assign]
    (found,) = evaluator(machine, anchor_every=0).evaluate([arch(32)])
    assert found["latency_ms@cpu"].value == 32


def test_a_failed_anchor_leaves_the_drift_as_it_was() -> None:
    machine = Machine([1.0, 1.0, 1.1, 1.1])
    watched = evaluator(machine, anchor=arch(256), anchor_every=1)
    watched.evaluate([arch(16), arch(16)])
    machine.broken = {256}
    (found,) = watched.evaluate([arch(16)])
    assert found["latency_ms@cpu"].details["drift"] == pytest.approx(1.1)
    assert watched.anchors[-1].measurements["latency_ms@cpu"].status == "failed"


def test_a_later_session_drifts_from_the_first_anchor_of_the_earlier() -> None:
    first = evaluator(Machine(), anchor=arch(256))
    first.evaluate([arch(16)])
    later = evaluator(Machine([1.5]), anchors=first.anchors)
    (found,) = later.evaluate([arch(16)])
    assert found["latency_ms@cpu"].details["drift"] == 1.5
    assert [e.index for e in later.anchors] == [0, 1]


def test_the_anchor_can_be_measured_at_the_end() -> None:
    watched = evaluator(Machine([1.0, 1.0, 1.3]))
    with pytest.raises(UsageError, match="no anchor yet"):
        watched.measure_anchor()
    watched.evaluate([arch(16), arch(32)])
    closing = watched.measure_anchor()
    assert isinstance(closing, Evaluation)
    assert closing.measurements["latency_ms@cpu"].value == pytest.approx(16 * 1.3)


def test_waiting_for_the_machine_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    class Busy:
        def __enter__(self) -> None:
            now[0] += 40

        def __exit__(self, *_: object) -> None:
            pass

    class Quick:
        def ask(self, *_: object) -> dict[str, str]:
            now[0] += 3
            return {"failed": "crash: signal SIGSEGV"}

        def close(self) -> None:
            pass

    runner = Runner("cpu", worker=Quick(), lock=Busy())  # type: ignore[arg-type]
    watched = DeviceEvaluator("latency_ms", runner=runner)
    watched.evaluate([arch(16), arch(32)])
    assert (watched.waited_s, now[0]) == (80, 86)


def test_a_failure_is_a_measurement_and_the_next_candidate_is_measured() -> None:
    machine = Machine()
    machine.broken = {16}
    failed, ok = evaluator(machine).evaluate([arch(16), arch(32)])
    assert failed["latency_ms@cpu"].reason == "crash: signal SIGSEGV"
    assert ok["latency_ms@cpu"].value == 32


def test_the_device_is_the_one_that_the_objectives_name() -> None:
    assert DeviceEvaluator("latency_ms").objectives[0].device == "cpu"
    assert DeviceEvaluator("latency_ms@cpu,peak_memory_mb").objectives[1].device == "cpu"
    with pytest.raises(UsageError, match="is not measured on cpu; make one evaluator a device"):
        DeviceEvaluator("latency_ms@cpu,latency_ms@cuda")
    with pytest.raises(UsageError, match="unknown device of this machine"):
        DeviceEvaluator("latency_ms@a100")
    with pytest.raises(UsageError, match="decoder_params is not measured on a device"):
        DeviceEvaluator("decoder_params")
    with pytest.raises(UsageError, match="anchor_every is -1"):
        DeviceEvaluator("latency_ms", anchor_every=-1)


def test_the_description_names_what_numbers_depend_on() -> None:
    facts = DeviceEvaluator("latency_ms", threads=2, workload=Workload(seq_len=32)).describe()
    assert facts["device"]["threads"] == 2
    assert facts["workload"]["seq_len"] == 32
    assert facts["timing"]["min_repeats"] == 5
    assert facts == DeviceEvaluator("latency_ms", threads=2, workload=Workload(seq_len=32), time_limit_s=1).describe()
    assert canonical_json(facts) != canonical_json(DeviceEvaluator("latency_ms").describe())


def test_an_anchor_takes_no_seconds_while_it_waits_for_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("tradewind.evaluators.device.time", SimpleNamespace(monotonic=lambda: now[0]))

    class Busy(Machine):
        def measure(self, candidate: Any, quantities: Sequence[str]) -> dict[str, Measurement]:
            self.waited_s += 40
            now[0] += 43
            return super().measure(candidate, quantities)

    watched = evaluator(Busy(), anchor=arch(256), anchor_every=1)
    watched.evaluate([arch(16)])
    assert watched.waited_s == 80
    assert watched.anchors[0].seconds == 3

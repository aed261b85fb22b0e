"""Real models in a real worker. Times mean nothing here (the machine may be busy), so only memory and form are held."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.waiting import PATIENCE

from tradewind import costs, devices
from tradewind.core import GPT2, HWGPT, Measurement, TransformerXL, Workload
from tradewind.devices import Runner, Timing

QUICK = Timing(min_repeats=3, max_repeats=3, max_seconds=0.2)
ALL = ["latency_ms", "decode_latency_ms", "peak_memory_mb"]
SMALL = GPT2(d_model=128, n_head=(2, 4), d_inner=(256, 512), vocab_size=8000, context=256)
BIG = GPT2(d_model=768, n_head=(8,) * 6, d_inner=(3072,) * 6, vocab_size=16000, context=256)


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(
        "cpu", workload=Workload(seq_len=64), timing=QUICK, time_limit_s=PATIENCE, memory_limit_mb=2000
    ) as made:
        yield made


def weights_mb(arch: Any) -> float:
    return float(costs.params(arch)) * 4 / 1e6


def test_every_quantity_with_all_that_makes_it_comparable(runner: Runner) -> None:
    found = runner.measure(SMALL, ALL)
    for name in ("latency_ms", "decode_latency_ms"):
        timed = found[name]
        assert timed.ok
        assert timed.value is not None
        assert timed.value > 0
        assert timed.n == len(timed.details["samples_ms"]) == 3
        assert min(timed.details["samples_ms"]) <= timed.value <= max(timed.details["samples_ms"])
        assert isinstance(timed.details["stable"], bool)
        assert 0 < timed.details["cpu_share"] <= 1.1
    assert found["latency_ms"].details["warm_up"] == 2 + QUICK.warm_up
    assert found["latency_ms"].details["seq_len"] == 64
    memory = found["peak_memory_mb"].details
    assert memory["weights_mb"] + memory["activations_mb"] == pytest.approx(found["peak_memory_mb"].value, abs=0.01)


@pytest.mark.parametrize(
    "arch",
    [
        SMALL,
        BIG,
        TransformerXL(d_model=256, n_head=(4,) * 3, d_inner=(1024,) * 3, cutoffs=(2000, 8000), vocab_size=20000),
        HWGPT(d_model=256, n_head=(4, 8), mlp_ratio=(2, 4), vocab_size=20000, context=256),
    ],
    ids=["small", "big", "transformer-xl", "hwgpt"],
)
def test_weights_are_the_parameters(runner: Runner, arch: Any) -> None:
    found = runner.measure(arch, ["peak_memory_mb"])["peak_memory_mb"]
    assert found.ok, found.reason
    assert found.details["weights_mb"] == pytest.approx(weights_mb(arch), rel=0.02, abs=2.0)
    logits = 64 * arch.vocab_size * 4 / 1e6
    assert found.details["activations_mb"] > logits


def test_what_was_measured_before_does_not_change_the_peak(runner: Runner) -> None:
    def peak(arch: Any) -> float:
        found: Measurement = runner.measure(arch, ["peak_memory_mb"])["peak_memory_mb"]
        assert found.value is not None
        return found.value

    before = peak(SMALL)
    peak(BIG)
    assert peak(SMALL) == pytest.approx(before, rel=0.02, abs=2.0)


def test_workload_and_threads_reach_the_model() -> None:
    workload = Workload(batch=2, seq_len=16, context=40, dtype="bfloat16", logits="last")
    found = devices.measure(BIG, ALL, workload=workload, threads=2, timing=QUICK)
    assert all(m.ok for m in found.values())
    for measurement in found.values():
        for name, value in {**workload.to_dict(), "threads": 2}.items():
            assert measurement.details[name] == value
    # Half the bytes, half the weights.
    weights = found["peak_memory_mb@cpu"].details["weights_mb"]
    assert weights == pytest.approx(weights_mb(BIG) / 2, rel=0.02, abs=2.0)


def test_a_time_in_which_others_had_the_processor_is_not_stable() -> None:
    from tradewind.devices import trial

    timing = Timing(min_repeats=3, max_repeats=3, target_spread=100.0).to_dict()
    order = trial.Trial(candidate={}, quantities=[], device="cpu", threads=1, workload={}, timing=timing)
    waiting = trial._timed(lambda: time.sleep(0.02), order, calls_before=1)
    assert waiting.details["cpu_share"] < 0.5
    assert waiting.details["cpu_ms"] < 10
    assert waiting.details["stable"] is False
    assert waiting.details["warm_up"] == 2


def test_a_model_over_the_memory_limit_is_a_failure_and_the_next_is_measured() -> None:
    with Runner(
        "cpu", workload=Workload(seq_len=64), timing=QUICK, time_limit_s=PATIENCE, memory_limit_mb=100
    ) as runner:
        failed = runner.measure(BIG, ALL)["latency_ms"]
        assert failed.status == "failed"
        assert failed.reason.startswith("oom: ")
        assert runner.measure(SMALL, ALL)["latency_ms"].ok


def test_a_context_that_does_not_fit_fails_alone_and_says_why(runner: Runner) -> None:
    found = runner.measure(SMALL.replace(context=64), ["latency_ms", "decode_latency_ms"])
    assert found["latency_ms"].ok
    assert found["decode_latency_ms"].reason.startswith("error: UsageError: 65 tokens exceed the 64 learned")


def test_a_shape_that_cannot_be_built_is_a_failure(runner: Runner) -> None:
    class Foreign:
        def to_dict(self) -> dict[str, Any]:
            return {"family": "gpt2", "d_model": 64, "n_head": [5], "d_inner": [128]}

    found = runner.measure(Foreign(), ["latency_ms"])["latency_ms"]
    assert found.reason.startswith("error: InvalidArchitectureError: gpt2: n_head 5")


@pytest.mark.cuda
def test_a_gpu_measures_everything() -> None:
    if not devices.Cuda("cuda").available():
        pytest.skip("no NVIDIA GPU")
    found = devices.measure(SMALL, ALL, "cuda", workload=Workload(seq_len=64), timing=QUICK)
    assert all(m.ok for m in found.values())
    memory = found["peak_memory_mb@cuda"]
    assert memory.details["weights_mb"] == pytest.approx(weights_mb(SMALL), rel=0.02)

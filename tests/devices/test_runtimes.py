"""Candidates as ONNX Runtime runs them, in a real worker. Times mean nothing here, so only form and memory are held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tests.waiting import PATIENCE

from tradewind import costs, devices
from tradewind.core import GPT2, DeviceError, TransformerXL, UsageError, Workload
from tradewind.devices import Runner, Timing, device, runtimes
from tradewind.devices.messages import Trial
from tradewind.programs import primer_ez
from tradewind.programs.space import SizedProgram, Sizes

ort = pytest.importorskip("onnxruntime")
QUICK = Timing(min_repeats=3, max_repeats=3, max_seconds=0.2)
ALL = ["latency_ms", "decode_latency_ms", "peak_memory_mb"]
ARCH = GPT2(d_model=512, n_head=(8,), d_inner=(2048,), vocab_size=20000, context=32)
RUNTIME = f"onnxruntime {ort.__version__}"


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    place = devices.get("cpu", runtime="onnxruntime")
    with Runner(
        place, workload=Workload(seq_len=16), timing=QUICK, time_limit_s=PATIENCE, memory_limit_mb=3000
    ) as made:
        yield made


@pytest.mark.xdist_group("machine")
def test_every_quantity_names_the_runtime(runner: Runner) -> None:
    found = runner.measure(ARCH, ALL)
    for measurement in found.values():
        assert measurement.ok, measurement.reason
        assert measurement.value is not None
        assert measurement.value > 0
        assert measurement.method.endswith(f", {RUNTIME}")
        assert measurement.details["runtime"] == "onnxruntime"
        assert measurement.details["onnxruntime"] == ort.__version__
    assert found["latency_ms"].n == len(found["latency_ms"].details["samples_ms"]) == 3
    weights = costs.params(ARCH) * 4 / 1e6
    # The runtime may keep a second, packed copy of matrices.
    assert 0.95 * weights < found["peak_memory_mb"].details["weights_mb"] < 2.2 * weights
    assert found["peak_memory_mb"].details["activations_mb"] > 16 * ARCH.vocab_size * 4 / 1e6


@pytest.mark.xdist_group("machine")
def test_what_cannot_be_exported_fails_alone_and_says_why(runner: Runner) -> None:
    found = runner.measure(ARCH.replace(context=16), ["latency_ms", "decode_latency_ms"])
    assert found["latency_ms"].ok
    assert found["decode_latency_ms"].reason.startswith(
        "error: DeviceError: the export to ONNX failed: error: UsageError: context is 16; it must be at least 1 and"
    )


SIZES = Sizes(d_model=16, n_layer=1, vocab_size=60, context=8)


@pytest.mark.parametrize(
    ("candidate", "quantity"),
    [
        (TransformerXL(d_model=32, n_head=(2,), d_inner=(64,), vocab_size=60, cutoffs=(20,)), "latency_ms"),
        (TransformerXL(d_model=32, n_head=(2,), d_inner=(64,), vocab_size=60, cutoffs=(20,)), "decode_latency_ms"),
        (SizedProgram(primer_ez(), SIZES), "latency_ms"),
    ],
    ids=["forward", "step", "program"],
)
def test_the_two_runtimes_do_the_same_work(candidate: Any, quantity: str) -> None:
    load = Workload(batch=2, seq_len=8, context=5)
    trial = Trial(
        candidate=candidate.to_dict(),
        quantities=[quantity],
        device="cpu",
        threads=2,
        workload=load.to_dict(),
        timing={},
    )
    found = []
    with torch.inference_mode():
        for runtime in (runtimes.TorchModel, runtimes.OnnxModel):
            model = runtime(trial, load)
            model.build()
            result: Any = model.forward() if quantity == "latency_ms" else model.decoder()()
            found.append(torch.as_tensor(result if runtime is runtimes.TorchModel else result[0]))
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-4)


def test_the_runtime_is_part_of_the_device() -> None:
    plain, other = devices.get("cpu"), devices.get("cpu", runtime="onnxruntime")
    assert plain != other
    assert plain.describe()["runtime"] == "torch"
    assert "onnxruntime" not in plain.describe()
    assert other.describe() == plain.describe() | {"runtime": "onnxruntime", "onnxruntime": ort.__version__}


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="did you mean 'onnxruntime'"):
        devices.get("cpu", runtime="onnx-runtime")
    with pytest.raises(DeviceError, match="onnxruntime is measured on the cpu only"):
        devices.get("cuda", runtime="onnxruntime")
    with pytest.raises(UsageError, match=r"measured in float32 only.*bfloat16"):
        Runner(devices.get("cpu", runtime="onnxruntime"), workload=Workload(dtype="bfloat16"))
    monkeypatch.setattr(device, "RUNTIMES", {"onnxruntime": ("torch", "no_such_package")})
    with pytest.raises(DeviceError, match=r"needs no_such_package; install it with: pip install 'tradewind\[onnx\]'"):
        devices.get("cpu", runtime="onnxruntime")

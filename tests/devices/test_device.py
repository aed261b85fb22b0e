from __future__ import annotations

import getpass
import json
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tradewind import devices
from tradewind.core import DeviceError, UsageError
from tradewind.devices import facts


def fake_torch(monkeypatch: pytest.MonkeyPatch, gpus: int, cuda: str | None = "12.4") -> None:
    properties = SimpleNamespace(name="NVIDIA Test", total_memory=8 * 10**9)
    module = SimpleNamespace(
        __version__="9.9",
        __spec__=object(),
        version=SimpleNamespace(cuda=cuda),
        cuda=SimpleNamespace(
            is_available=lambda: gpus > 0,
            device_count=lambda: gpus,
            get_device_properties=lambda index: properties,
        ),
    )
    monkeypatch.setitem(sys.modules, "torch", module)


def test_the_processor() -> None:
    cpu = devices.get("cpu", threads=2)
    assert cpu.available()
    assert (cpu.name, cpu.threads) == ("cpu", 2)
    known = cpu.describe()
    assert known["threads"] == 2
    assert known["memory_gb"] > 0.1
    assert known["cores"] == facts.UNKNOWN or known["cores"] >= 1
    assert known["torch"].startswith("2.")
    assert {"processor", "system", "governor", "turbo", "python"} <= set(known)
    assert all(value not in ("", None) for value in known.values()), "what cannot be read is said to be unknown"
    assert devices.get("cpu").describe() == devices.get("cpu").describe()


def test_facts_hold_nothing_private() -> None:
    text = json.dumps(facts.machine())
    for canary in (platform.node(), str(Path.home()), getpass.getuser()):
        assert len(canary) < 6 or canary not in text


@pytest.mark.parametrize("name", ["cpus", "gpu", "cuda:", "cuda:x", "cpu:0", "", "CUDA"])
def test_an_unknown_name_is_taught(name: str) -> None:
    with pytest.raises(UsageError, match=r"unknown device of this machine .*known: cpu, cuda"):
        devices.get(name)


def test_threads_must_be_positive() -> None:
    with pytest.raises(UsageError, match="threads is 0"):
        devices.get("cpu", threads=0)


@pytest.mark.parametrize(
    ("name", "gpus", "cuda", "message"),
    [
        ("cuda", 0, None, "torch 9.9 is built without CUDA; install a CUDA build"),
        ("cuda:1", 0, "12.4", "torch sees no NVIDIA GPU; check that nvidia-smi"),
        ("cuda:1", 1, "12.4", "torch sees 1 GPU; use cuda:0"),
        ("cuda:5", 2, "12.4", "torch sees 2 GPUs; use cuda:0, cuda:1"),
    ],
)
def test_an_absent_gpu_is_told_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, name: str, gpus: int, cuda: str | None, message: str
) -> None:
    fake_torch(monkeypatch, gpus, cuda)
    with pytest.raises(DeviceError, match=f"{name} cannot be used here: {message}"):
        devices.get(name)
    assert not devices.Cuda(name).available()


def test_a_gpu_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_torch(monkeypatch, 2)
    gpu: Any = devices.get("cuda:1", threads=4)
    assert (gpu.index, gpu.name, gpu.threads) == (1, "cuda:1", 4)
    assert gpu.describe()["gpu"] == "NVIDIA Test"
    assert devices.Cuda("cuda").index == 0
    assert gpu.default_warm_up > devices.get("cpu").default_warm_up


def test_without_torch_the_remedy_is_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("cpu", "cuda"):
        with pytest.raises(DeviceError, match=r"pip install 'tradewind\[torch\]'"):
            devices.get(name)


def test_quantities_are_what_this_machine_can_measure() -> None:
    cpu = devices.get("cpu")
    assert cpu.quantities()[:3] == ("latency_ms", "decode_latency_ms", "peak_memory_mb")
    assert ("energy_wh" in cpu.quantities()) == (not cpu.unsupported("energy_wh"))


def test_the_owner_loads_no_torch() -> None:
    code = "import sys; from tradewind.devices import Runner; r = Runner('cpu'); r.device.describe(); r.close()"
    code += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("files", "turbo"),
    [
        ({"boost": "1"}, "on"),
        ({"boost": "0"}, "off"),
        ({"no_turbo": "1"}, "off"),
        ({"no_turbo": "0"}, "on"),
        ({}, "unknown"),
    ],
)
def test_turbo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], turbo: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(facts, "_BOOST", tmp_path / "boost")
    monkeypatch.setattr(facts, "_NO_TURBO", tmp_path / "no_turbo")
    assert facts.machine()["turbo"] == turbo

"""HWGPT: HW-GPT-Bench's released class on top of our benchmark, for code that was written against it.

    from tradewind.benchmarks.compat import HWGPT        # was: from hwgpt.api import HWGPT

Source: Sukthanker et al. 2024, arXiv 2405.10299; method names, arguments, keys of results and device names are those
of the released API. What differs, because it was at fault there, is listed in `docs/hwgpt-compat.md`: seeded draws,
energies in watt-hours, biases that count, the profiled network's parameters and FLOPs, no working directory.

New code should use `tradewind.benchmarks.get("hwgpt-s")`: it answers many architectures at once, with uncertainty.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from tradewind.benchmarks import forms
from tradewind.benchmarks.hwgpt import load
from tradewind.benchmarks.hwgpt.targets import SCALES
from tradewind.benchmarks.measured import MeasuredTable
from tradewind.benchmarks.schema import DEVICES, SINGLE
from tradewind.core import Measurement, UsageError, families, unknown
from tradewind.core.seeds import derive

RELEASED_DEVICES = {"P100" if device == "p100" else device: device for device in DEVICES}
"""The release's names of the devices, and ours."""

HARDWARE = {"latencies": "latency_ms", "energies": "energy_wh"}
AGNOSTIC = {
    "flops": "flops",
    "params": "params",
    **{name.removesuffix("_mb"): name for name in SINGLE},
}
METRICS = (*HARDWARE, *AGNOSTIC)


class HWGPT:
    """The released interface: set an architecture, then ask about it.

    `search_space` is s, m or l. A value is one observation, as in the release, but a pure function of architecture,
    metric and `seed`; with `draws` False it is the predicted mean. `base_path` is the folder of imported measurements
    (`tradewind bench import`), which only the ``gt`` methods need.

    >>> api = HWGPT("s", seed=0)
    >>> api.set_arch(api.sample_arch())
    >>> sorted(api.query(metric="latencies", device="a100"))
    ['latencies']
    """

    def __init__(
        self,
        search_space: str = "s",
        use_supernet_surrogate: bool = False,
        base_path: str | os.PathLike[str] | None = None,
        *,
        seed: int = 0,
        draws: bool = True,
    ) -> None:
        if use_supernet_surrogate:
            self.eval_supernet_surrogate()
        if search_space not in SCALES:
            raise unknown("search space", search_space, SCALES)
        self.search_space_name = search_space
        self.benchmark = load(f"hwgpt-{search_space}")
        self.device_list = list(RELEASED_DEVICES)
        self.config: dict[str, Any] | None = None
        self._base_path, self._seed, self._draws, self._sampled = base_path, seed, draws, 0
        self.init_devices()

    @property
    def search_space(self) -> dict[str, list[Any]]:
        """Choices by the release's names; the biases are strings there."""
        space = self.benchmark.space
        names = {"embed_dim": "d_model", "n_layer": "n_layer", "mlp_ratio": "mlp_ratio", "n_head": "n_head"}
        found = {f"{theirs}_choices": list(space.dimension(ours).choices) for theirs, ours in names.items()}
        return {**found, "bias_choices": ["True", "False"]}

    @property
    def cfg_model(self) -> SimpleNamespace:
        """The configuration of the current architecture, with the choices beside it."""
        return self.get_model_config()

    def sample_arch(self) -> dict[str, Any]:
        """A random architecture in the released dictionary form; the n-th is a function of the seed and n."""
        arch = self.benchmark.space.sample(derive(self._seed, "sample_arch", self._sampled))
        self._sampled += 1
        return forms.to_released_dict(arch)

    def set_arch(self, config: dict[str, Any]) -> None:
        """Choose the architecture that is asked about; raises `InvalidArchitectureError` outside the space."""
        self.benchmark.space.validate(forms.from_released_dict(config))
        self.config = dict(config)

    def query(
        self,
        device: str | Sequence[str] | None = None,
        metric: str | Sequence[str] | None = None,
        predictor: str | None = None,
    ) -> dict[str, Any]:
        """Results by metric: ``{"latencies": {device: ms}, "energies": {device: Wh}, "flops": ..., ...}``.

        Without arguments everything on every device; with devices alone, latencies and energies there. `predictor` may
        be ``mlp``, the release's word for its surrogates. Raises `UsageError` for unknown names.
        """
        if predictor == "supernet":
            self.eval_supernet_surrogate()
        if predictor not in (None, "mlp"):
            raise unknown("predictor", predictor, ("mlp",))
        if metric is None and device is not None:
            metrics = list(HARDWARE)
        else:
            metrics = self._metrics if metric is None else _listed(metric, METRICS, "metric")
        devices = self._devices if device is None else _places(device)
        return {
            name: {place: self.compute_predictions_hw(name, place) for place in devices}
            if name in HARDWARE
            else self._value(AGNOSTIC[name])
            for name in metrics
        }

    def compute_predictions_hw(self, hw_metric: str, device: str) -> float:
        """One of ``latencies`` (ms) and ``energies`` (Wh) on a device."""
        (metric,), (place,) = _listed(hw_metric, HARDWARE, "metric"), _places(device)
        return self._value(f"{HARDWARE[metric]}@{RELEASED_DEVICES[place]}")

    def compute_predictions_ppl(self) -> float:
        """The perplexity of the weights inherited from the supernet."""
        return self._value("perplexity")

    def get_flops(self) -> int:
        """FLOPs of the profiled network at the scale's batch and 1,024 tokens, as in the released measurements."""
        return int(self._value("flops"))

    def get_params(self) -> int:
        """Parameters of the profiled network (gated, untied), as in the released measurements."""
        return int(self._value("params"))

    def get_memory(self, objective: str) -> float:
        """``float16_memory`` or ``bfloat16_memory`` in MB of 10^6 bytes."""
        (name,) = _listed(objective, ("float16_memory", "bfloat16_memory"), "memory")
        return self._value(AGNOSTIC[name])

    def get_gt_latencies(self, device: str, arch_str: str) -> list[float]:
        """The published observations in ms."""
        return self._observations(f"latency_ms@{_ours(device)}", arch_str)

    def get_gt_energies(self, device: str, arch_str: str) -> list[float] | float:
        """The published observations in Wh; one mean on a CPU."""
        found = self._observations(f"energy_wh@{_ours(device)}", arch_str)
        return found[0] if device.startswith("cpu") else found

    def get_gt_agnostic(self, arch_str: str, metric: str) -> float:
        """A published number that belongs to no device; raises `UsageError` where it was never published."""
        (name,) = _listed(metric, AGNOSTIC, "metric")
        found = self._observations(AGNOSTIC[name], arch_str)
        if not found:
            raise UsageError(f"{metric} of {arch_str} was never published")
        return int(found[0]) if name in ("flops", "params") else found[0]

    def query_gt_all_archs(self, metric: str, device: str | None = None) -> dict[str, Any]:
        """What was published for every measured architecture, by its released string."""
        (name,) = _listed(metric, METRICS, "metric")
        if name in HARDWARE and device is None:
            raise UsageError(f"{name} were measured on a device; name one ({', '.join(RELEASED_DEVICES)})")
        found: dict[str, Any] = {}
        column = f"{HARDWARE[name]}@{_ours(device)}" if name in HARDWARE and device else AGNOSTIC.get(name, name)
        for arch in self._measured.architectures:
            values = self._measured.observations(arch, column).tolist()
            one = name in AGNOSTIC or (name == "energies" and str(device).startswith("cpu"))
            if values:
                found[forms.to_released_string(arch)] = values[0] if one else values
        return found

    def init_devices(self) -> None:
        """Let a bare `query` answer everything on every device."""
        self._metrics = list(METRICS)
        self._devices = list(RELEASED_DEVICES)

    def set_metrics_and_devices(self, metric: str | None = None, device: str | None = None) -> None:
        """Let a bare `query` answer one metric, on one device, until `init_devices`."""
        if metric is not None:
            self._metrics = _listed(metric, METRICS, "metric")
        if device is not None:
            self._devices = _places(device)

    def get_model_config(self) -> SimpleNamespace:
        """The release's model configuration: the choices, and the current architecture's sizes once one is set."""
        names = {"embed_dim": "embed", "n_layer": "layer", "n_head": "head", "mlp_ratio": "mlp_ratio", "bias": "bias"}
        choices = {f"{names[key.removesuffix('_choices')]}_choices": v for key, v in self.search_space.items()}
        model = SimpleNamespace(**choices, vocab_size=50254, block_size=1024)
        if self.config is not None:
            arch = self._arch
            model.n_embd, model.n_layer, model.bias = arch.d_model, arch.n_layer, arch.bias
            model.n_head, model.mlp_ratio = list(arch.n_head), list(arch.mlp_ratio)
        return SimpleNamespace(model=model)

    def reset_config(self) -> None:
        """Nothing to do: `cfg_model` always is that of the current architecture."""

    def create_model(self, network: str = "profiled") -> Any:
        """The PyTorch model of the current architecture: the `profiled` network, or the supernet's `intended` one."""
        from tradewind.models import build

        return build(self._arch.replace(network=network))

    def eval_supernet_surrogate(self) -> dict[str, float]:
        """Not here: always raises `UsageError`, which says what to do instead."""
        raise UsageError(
            "the released supernet is not part of this package; use the fitted perplexities "
            "(use_supernet_surrogate=False, predictor='mlp')"
        )

    @property
    def _arch(self) -> families.HWGPT:
        if self.config is None:
            raise UsageError("set an architecture first: api.set_arch(api.sample_arch())")
        return forms.from_released_dict(self.config)

    @cached_property
    def _measured(self) -> MeasuredTable:
        return MeasuredTable.load(self.search_space_name, self._base_path)

    def _value(self, metric: str) -> float:
        if self._draws:
            found: Measurement = self.benchmark.draw(self._arch, metric, self._seed)
        else:
            found = self.benchmark.query(self._arch, metric)
        if found.value is None:
            raise UsageError(f"{metric} of this architecture has no value: {found.reason}")
        return found.value

    def _observations(self, metric: str, arch_str: str) -> list[float]:
        found: list[float] = self._measured.observations(forms.from_released_string(arch_str), metric).tolist()
        return found


def _listed(given: str | Sequence[str], allowed: Any, kind: str) -> list[str]:
    names = [given] if isinstance(given, str) else list(given)
    for name in names:
        if name not in allowed:
            raise unknown(kind, name, allowed)
    return names


def _places(given: str | Sequence[str]) -> list[str]:
    """Devices by the release's names; ours are understood too."""
    names = [given] if isinstance(given, str) else list(given)
    return _listed(["P100" if name == "p100" else name for name in names], RELEASED_DEVICES, "device")


def _ours(device: str) -> str:
    (name,) = _places(device)
    return RELEASED_DEVICES[name]

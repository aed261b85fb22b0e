from __future__ import annotations

from typing import Any

import pytest

from tradewind import spaces
from tradewind.core import Evaluation, Measurement, Objective, UsageError, Workload, parse_objectives
from tradewind.evaluators import CombinedEvaluator, FormulaEvaluator, Source, for_objectives, register, sources


class Published:
    """Stands for tables of a device that is not here."""

    def __init__(self, objectives: Any, **options: Any) -> None:
        self.objectives, self.options = objectives, options
        self.deterministic = False

    def describe(self) -> dict[str, Any]:
        return {}

    def evaluate(self, candidates: Any) -> list[Any]:
        return []

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def own_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_SOURCES", list(sources._SOURCES))


def published(name: str = "published") -> Source:
    return Source(
        name=name,
        offers="published devices (a100)",
        matches=lambda objective, space: objective.device == "a100" and space is not None and "hwgpt" in space.name,
        build=Published,
    )


def test_closed_forms_need_nothing_else() -> None:
    load = Workload(seq_len=64)
    evaluator = for_objectives("decoder_params,flops", workload=load, threads=3)
    assert isinstance(evaluator, FormulaEvaluator)
    assert evaluator.describe()["workload"]["seq_len"] == 64


def test_a_registered_source_answers_for_what_it_matches() -> None:
    register(published())
    space = spaces.get("hwgpt-s")
    evaluator = for_objectives("latency_ms@a100,params,energy_wh@a100", space=space, threads=2)
    assert isinstance(evaluator, CombinedEvaluator)
    formula, device = evaluator.parts
    assert [o.name for o in formula.objectives] == ["params"]
    assert [o.name for o in device.objectives] == ["latency_ms@a100", "energy_wh@a100"]
    assert device.options == {"space": space, "workload": Workload(), "threads": 2}  # type: ignore[attr-defined]


def test_the_source_added_last_is_asked_first_and_names_are_unique() -> None:
    register(published())
    register(published("other"))
    register(published())
    names = [s.name for s in sources._SOURCES]
    assert names[:2] == ["published", "other"]
    assert names.count("published") == 1
    assert {"formula", "device"} <= set(names)


def test_devices_of_this_machine_are_known_by_name() -> None:
    device = next(s for s in sources._SOURCES if s.name == "device")
    for place, here in {"cpu": True, "cuda": True, "cuda:1": True, "a100": False, "cpu_xeon": False}.items():
        assert device.matches(Objective("latency_ms", place), None) is here
    assert not device.matches(Objective("params"), None)


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ("perplexity", "nothing here evaluates perplexity; there are .*on cpu, cuda or cuda:N; closed forms"),
        ("latency_ms@a100", "nothing here evaluates latency_ms@a100 on candidates of gpt2; .*published devices"),
    ],
)
def test_what_nothing_evaluates_is_refused_with_what_is_there(objective: str, message: str) -> None:
    register(published())
    with pytest.raises(UsageError, match=message):
        for_objectives(parse_objectives(objective), space=spaces.get("gpt2") if "@" in objective else None)


def test_a_device_hears_of_its_own_earlier_anchors() -> None:
    candidate = spaces.get("gpt2").sample(seed=0)
    mine, other = (
        Evaluation(0, candidate, {name: Measurement.of(1.0, "ms")}, "anchor")
        for name in ("latency_ms@cpu", "latency_ms@cuda")
    )
    evaluator = for_objectives("latency_ms@cpu", threads=2, anchors=[mine, other])
    assert evaluator.anchors == [mine]  # type: ignore[attr-defined]
    assert evaluator.describe()["device"]["threads"] == 2
    evaluator.close()


def test_a_misspelt_option_of_a_device_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown option of a device 'thread': did you mean 'threads'"):
        for_objectives("latency_ms@cpu", thread=2)


def test_several_devices_are_measured_together(monkeypatch: pytest.MonkeyPatch) -> None:
    class OneDevice:
        deterministic = False

        def __init__(self, objectives: tuple[Objective, ...], threads: int = 1, anchors: Any = (), **_: Any) -> None:
            self.objectives, self.threads, self.anchors = objectives, threads, list(anchors)
            (self.device,) = {objective.device for objective in objectives}

        def evaluate(self, candidates: Any) -> list[dict[str, Measurement]]:
            return [{o.name: Measurement.of(1.0, o.unit, device=self.device) for o in self.objectives}] * len(
                candidates
            )

        def close(self) -> None:
            pass

    monkeypatch.setattr("tradewind.evaluators.device.DeviceEvaluator", OneDevice)
    candidate = spaces.get("gpt2").sample(seed=0)
    earlier = [
        Evaluation(0, candidate, {f"{q}@{place}": Measurement.of(1.0, "ms") for q in quantities}, "anchor")
        for place, quantities in (("cpu", ["latency_ms", "peak_memory_mb"]), ("cuda:0", ["latency_ms"]))
    ]
    wanted = "latency_ms@cpu,latency_ms@cuda:0,params,peak_memory_mb@cpu"
    both = for_objectives(wanted, threads=2, anchors=earlier)
    assert {o.name for o in both.objectives} == set(wanted.split(","))
    (found,) = both.evaluate([candidate])
    assert {name: m.device for name, m in found.items() if "@" in name} == {
        "latency_ms@cpu": "cpu",
        "latency_ms@cuda:0": "cuda:0",
        "peak_memory_mb@cpu": "cpu",
    }
    parts = both.parts[1:]  # type: ignore[attr-defined]
    assert {part.device: part.anchors for part in parts} == {"cpu": [earlier[0]], "cuda:0": [earlier[1]]}
    assert all(part.threads == 2 for part in parts)

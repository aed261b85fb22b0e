from __future__ import annotations

import numpy as np
import pytest

from tradewind import costs, spaces
from tradewind.core import Evaluation, Measurement, Objective, UsageError, Workload, parse_objectives
from tradewind.evaluators import Limits

SPACE = spaces.get("gpt2")
OBJECTIVES = parse_objectives("decoder_params,latency_ms@cpu")


def test_constraints_are_split_by_what_a_closed_form_decides() -> None:
    limits = Limits.of(["latency_ms<=300", "decoder_params>=4e6", "peak_memory_mb@cuda:0<900"], device="cpu")
    assert [str(c) for c in limits.cheap] == ["decoder_params>=4000000"]
    assert [str(c) for c in limits.measured] == ["latency_ms@cpu<=300", "peak_memory_mb@cuda:0<900"]
    assert [str(c) for c in limits.constraints] == [
        "decoder_params>=4000000",
        "latency_ms@cpu<=300",
        "peak_memory_mb@cuda:0<900",
    ]
    with pytest.raises(UsageError, match="give a device"):
        Limits.of(["latency_ms<=300"])


def test_what_only_a_constraint_names_must_be_evaluated_too() -> None:
    limits = Limits.of(["latency_ms@cpu<=300", "flops<=1e9", "peak_memory_mb@cpu<=900"])
    names = [o.name for o in limits.needed(OBJECTIVES)]
    assert names == ["decoder_params", "latency_ms@cpu", "flops", "peak_memory_mb@cpu"]


@pytest.mark.parametrize("count", [1, 2, 50])
def test_feasible_is_what_the_closed_forms_say(count: int) -> None:
    load = Workload(seq_len=64)
    limits = Limits.of(["decoder_params>=4e6", "flops<3e9", "latency_ms@cpu<=1"], load)
    batch = SPACE.sample_many(count, seed=4)
    expected = [
        costs.evaluate("decoder_params", a, load) >= 4e6 and costs.evaluate("flops", a, load) < 3e9 for a in batch
    ]
    for candidates in (batch, list(batch)):
        mask = limits.feasible(candidates)
        assert (mask.dtype, mask.tolist()) == (np.dtype(bool), expected)
    if count == 50:
        assert 0 < sum(expected) < 50


def test_without_cheap_constraints_all_is_feasible() -> None:
    assert Limits().feasible([SPACE.sample(seed=0)] * 3).tolist() == [True] * 3
    assert Limits.of("params>=1").constraints == Limits.of(["params>=1"]).constraints
    assert Limits.of(["params>=1"]).feasible([]).tolist() == []


def evaluation(latency: Measurement | None) -> Evaluation:
    measured = {"decoder_params": Measurement.of(5_000_000, "parameters")}
    return Evaluation(3, SPACE.sample(seed=0), measured | ({"latency_ms@cpu": latency} if latency else {}))


@pytest.mark.parametrize(
    ("latency", "holds"),
    [
        (Measurement.of(300.0, "ms"), True),
        (Measurement.of(300.1, "ms"), False),
        (Measurement.failed("oom: 512 MB", "ms"), False),
        (None, False),
    ],
)
def test_a_measured_constraint_holds_for_values_within_it_only(latency: Measurement | None, holds: bool) -> None:
    limits = Limits.of(["latency_ms@cpu<=300"])
    given = evaluation(latency)
    told = limits.as_told(given)
    assert (limits.broken(given.measurements) is None) is holds
    assert (told is given) is holds
    if not holds:
        assert told.values([Objective("decoder_params")]) is None
        assert told.measurements["decoder_params"].reason == "constraint: breaks latency_ms@cpu<=300"
        assert (told.index, told.candidate, told.role) == (3, given.candidate, "search")
    if latency is not None and not latency.ok:
        assert told.measurements["latency_ms@cpu"] is latency

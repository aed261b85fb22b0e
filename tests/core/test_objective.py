from __future__ import annotations

import pytest

from tradewind.core import Constraint, Objective, UsageError, parse_constraints, parse_objectives


def test_device_quantities_take_a_device_and_others_refuse_one() -> None:
    assert Objective.parse("latency_ms@cpu").name == "latency_ms@cpu"
    assert Objective.parse("latency_ms", device="cuda:1").name == "latency_ms@cuda:1"
    assert Objective.parse("decoder_params", device="cpu").name == "decoder_params"
    assert Objective.parse("decoder_params").unit == "parameters"
    assert not Objective.parse("decoder_params").minimise
    with pytest.raises(UsageError, match="write latency_ms@cpu"):
        Objective.parse("latency_ms")
    with pytest.raises(UsageError, match="without '@cpu'"):
        Objective.parse("decoder_params@cpu")
    with pytest.raises(UsageError, match="did you mean 'latency_ms'"):
        Objective.parse("latancy_ms")
    with pytest.raises(UsageError, match="no device name"):
        Objective.parse("latency_ms@../x")


def test_lists_of_objectives() -> None:
    found = parse_objectives("decoder_params, latency_ms", device="cpu")
    assert [o.name for o in found] == ["decoder_params", "latency_ms@cpu"]
    assert parse_objectives(found) == found
    with pytest.raises(UsageError, match="stands twice"):
        parse_objectives(["latency_ms@cpu", "latency_ms"], device="cpu")
    with pytest.raises(UsageError, match="at least one"):
        parse_objectives("")


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("decoder_params>=4e6", 4_000_000, True),
        ("decoder_params > 4e6", 4_000_000, False),
        ("latency_ms@cpu<=300", 300.0, True),
        ("latency_ms@cpu<300", 300.0, False),
        ("decoder_params>=12345678", 12_345_678, True),
    ],
)
def test_constraints(text: str, value: float, holds: bool) -> None:
    constraint = Constraint.parse(text)
    assert constraint.holds(value) is holds
    assert Constraint.parse(str(constraint)) == constraint


def test_one_constraint_may_stand_alone() -> None:
    (alone,) = parse_constraints("latency_ms<=3", "cpu")
    assert str(alone) == "latency_ms@cpu<=3"
    assert parse_constraints(alone) == parse_constraints([alone]) == (alone,)
    with pytest.raises(UsageError, match="is no constraint; write an objective"):
        parse_constraints([("latency_ms", "<=", 3)])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "text", ["decoder_params", "decoder_params>=", "decoder_params=4", "decoder_params>=nan", ">=4"]
)
def test_broken_constraints_teach_the_form(text: str) -> None:
    with pytest.raises(UsageError, match="is no constraint; write an objective"):
        Constraint.parse(text)

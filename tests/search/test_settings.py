from __future__ import annotations

import dataclasses

import pytest

from tradewind.core import UsageError
from tradewind.search import Settings, setting


@dataclasses.dataclass(frozen=True)
class Example(Settings):
    size: int = setting(10, "how many", low=2, high=50)
    rate: float = setting(0.5, "how often", low=0.0)
    greedy: bool = setting(False, "whether to be greedy")


def test_text_becomes_typed():
    assert Example.read({"size": "12", "rate": "0.25", "greedy": "on"}) == Example(size=12, rate=0.25, greedy=True)
    assert Example.read({"size": 12.0, "rate": 1}) == Example(size=12, rate=1.0)
    assert type(Example(rate=1).rate) is float


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sise": 3}, "did you mean 'size'"),
        ({"size": "many"}, "size takes a whole number; got 'many'"),
        ({"size": 2.5}, "size takes a whole number"),
        ({"size": True}, "size takes a whole number"),
        ({"size": None}, "size takes a whole number"),
        ({"size": float("inf")}, "size takes a whole number"),
        ({"rate": "nan"}, "rate takes a number"),
        ({"rate": True}, "rate takes a number"),
        ({"greedy": 2}, "greedy takes true or false; got 2"),
        ({"greedy": "maybe"}, "greedy takes true or false"),
        ({"size": 1}, "size is 1; it must be between 2 and 50"),
        ({"size": 51}, "between 2 and 50"),
        ({"rate": -0.1}, "at least 0"),
    ],
)
def test_bad_settings_teach(given, message):
    with pytest.raises(UsageError, match=message):
        Example.read(given)


def test_an_algorithm_without_settings_says_so():
    with pytest.raises(UsageError, match="this algorithm has none"):
        Settings.read({"population": 3})


def test_described_for_people():
    assert Example.describe()[0] == {
        "name": "size",
        "type": "int",
        "default": 10,
        "allowed": "between 2 and 50",
        "meaning": "how many",
    }
    assert Example.describe()[2]["allowed"] == "any"

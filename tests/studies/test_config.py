from __future__ import annotations

from typing import Any

import pytest

from tradewind import spaces
from tradewind.studies.config import changes, differences, told


@pytest.mark.parametrize(
    ("stored", "given", "sentences"),
    [
        ([1, 2], [1, 3], ["x was [1,2], now [1,3]"]),
        ([*range(40)], [*range(1, 41)], ["x lost [0] and gained [40]"]),
        ([*range(40)], [], ["x lost 40 entries"]),
        ([*range(40)], [*reversed(range(40))], ["x has another order"]),
        ({"a": [*range(40)]}, {"a": [*range(40), 99]}, ["x.a gained [99]"]),
        ([{"name": "a", "n": 1}, {"name": "b", "n": 2}], [{"name": "a", "n": 3}], ["x.a.n was 1, now 3", "x.b was"]),
        ("s" * 100, "t" * 100, [f'x was "{"s" * 58}…, now "{"t" * 58}…']),
        ("s" * 100, "s" * 99 + "t", ["x is another from letter 60 on"]),
        (None, {"a": 1}, ['x was null, now {"a":1}']),
    ],
)
def test_values_are_told_whole(stored: Any, given: Any, sentences: list[str]) -> None:
    found = differences(stored, given, "x")
    assert len(found) == len(sentences)
    assert all(sentence.startswith(start) for sentence, start in zip(found, sentences, strict=True))


def test_a_narrowed_space_differs_in_its_dimensions_by_name() -> None:
    whole, part = spaces.get("gpt2"), spaces.get("gpt2", n_layer="2..4")
    (found,) = differences(whole.to_dict(), part.to_dict(), "space")
    assert found.startswith("space.dimensions.n_layer.")


def test_of_another_space_only_the_name_is_told() -> None:
    stored, given = ({"seed": 0, "space": spaces.get(name).to_dict()} for name in ("gpt2", "transformer-xl"))
    assert changes(stored, given) == [
        'space.family was "gpt2", now "transformer-xl"',
        'space.name was "gpt2", now "transformer-xl"',
    ]


def test_many_differences_are_a_few_and_a_number() -> None:
    assert told(["a", "b"]) == "a; b"
    assert told([str(i) for i in range(9)]) == "0; 1; 2; 3; 4; and 4 more"


def test_the_evaluator_is_told_only_where_it_differs_by_itself() -> None:
    stored = {"seed": 0, "objectives": ["flops"], "evaluator": {"kind": "formula"}}
    other = {"evaluator": {"kind": "made"}}
    assert changes(stored, stored | other) == ['evaluator.kind was "formula", now "made"']
    assert len(changes(stored, stored | other | {"seed": 1})) == 2
    assert changes(stored, stored | other | {"objectives": ["macs"]}) == ['objectives was ["flops"], now ["macs"]']

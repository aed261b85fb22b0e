from __future__ import annotations

import math

import pytest

from tradewind import spaces
from tradewind.core import FileFormatError, UsageError


def test_names_and_teaching_error():
    assert spaces.names() == (
        "gpt2",
        "transformer-xl",
        "hwgpt-s",
        "hwgpt-m",
        "hwgpt-l",
        "hwgpt-s-wide",
        "hwgpt-m-wide",
        "hwgpt-l-wide",
    )
    with pytest.raises(UsageError, match="did you mean 'gpt2'"):
        spaces.get("gtp2")


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("hwgpt-s", 1.90e12),
        ("hwgpt-m", 5.38e23),
        ("hwgpt-l", 1.52e35),
        ("hwgpt-s-wide", 1.69e12),
        ("hwgpt-m-wide", 4.79e23),
        ("hwgpt-l-wide", 1.35e35),
    ],
)
def test_hwgpt_sizes_are_the_published_numbers_of_distinct_networks(name, quoted):
    space = spaces.get(name)
    assert space.size() == sum(9**depth for depth in space.dimension("n_layer").choices) * 3 * 2
    assert space.size() == pytest.approx(quoted, rel=5e-3)


@pytest.mark.parametrize(
    ("name", "depths", "power"), [("gpt2", range(2, 16), 34.3), ("transformer-xl", range(2, 17), 36.5)]
)
def test_lts_sizes_by_the_sum_over_widths_and_depths(name, depths, power):
    wide = {d: 3 * sum(10 * f > 17 * d for f in range(128, 4033, 64)) for d in range(128, 961, 64)}
    size = spaces.get(name).size()
    assert size == sum(n**depth for n in wide.values() for depth in depths)
    assert math.log10(size) == pytest.approx(power, abs=0.05)


def test_describe_gives_plain_facts():
    facts = spaces.describe(spaces.get("gpt2", n_layer="2..4"))
    assert facts["dimensions"][0] == {"name": "n_layer", "choices": [2, 3, 4], "per_layer": False}
    assert facts["rules"] == ["d_inner > 1.7 x d_model", "n_head divides d_model"]
    assert facts["constants"] == {"context": 1024, "vocab_size": 50257}
    assert "\n" not in facts["summary"]


def test_one_instance_keeps_the_tables_of_a_registered_space():
    assert spaces.get("gpt2").tables is spaces.get("gpt2").tables


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"families": "gpt2"}, "did you mean 'family'"),
        ({"family": "gpt3"}, "did you mean 'gpt2'"),
        ({"dimensions": 3}, "not a space"),
        ({"dimensions": [{"name": "n_layer"}]}, "not a space"),
        ({"dimensions": [{"name": "n_layer", "choices": [1]}]}, "needs the dimension 'd_model'"),
        ({"constants": {"d_modl": 3}}, "did you mean 'd_model'"),
        ({"constants": {"d_model": 128}}, "d_model stands twice"),
        ({"rules": [{"gene": "d_inner", "relation": "above", "of": "d_model"}]}, "unknown relation 'above'"),
        ({"rules": [{"gene": "d_inner", "relation": "divides", "of": "n_layer"}]}, "field in the rule"),
    ],
)
def test_what_makes_no_space_is_refused(change, message):
    with pytest.raises(UsageError, match=message):
        spaces.from_dict(spaces.get("gpt2").to_dict() | change)


@pytest.mark.parametrize(
    ("dimension", "message"),
    [
        ({"name": "n_layer", "choices": [0, 1]}, "n_layer.*at least 1"),
        ({"name": "n_layer", "choices": []}, "no choice"),
        ({"name": "n_layer", "choices": [2, 2]}, "stands twice"),
        ({"name": "n_layer", "choices": [2, "a"]}, "unlike types"),
        ({"name": "n_layer", "choices": [2.5]}, "whole numbers"),
        ({"name": "d_model", "choices": [128], "per_layer": True}, "not one a layer"),
        ({"name": "d_inner", "choices": range(1, 300_000), "per_layer": True}, "too many to tabulate"),
    ],
)
def test_what_makes_no_dimension_is_refused(dimension, message):
    data = spaces.get("gpt2").to_dict()
    data["dimensions"] = [dimension if d["name"] == dimension["name"] else d for d in data["dimensions"]]
    with pytest.raises(UsageError, match=message):
        spaces.from_dict(data).size()


def test_a_missing_key_is_named():
    with pytest.raises(FileFormatError, match="needs the key 'family'"):
        spaces.from_dict({"name": "x", "dimensions": []})

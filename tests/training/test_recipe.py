from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import UsageError
from tradewind.core.files import canonical_json, parse_json
from tradewind.training import Recipe, preset
from tradewind.training.recipe import PRESETS, SCHEDULES, from_dict


@given(st.sampled_from(SCHEDULES), st.integers(2, 300), st.integers(0, 100), st.floats(1e-5, 1.0))
def test_rates_rise_to_the_learning_rate_and_never_above(schedule: str, steps: int, warmup: int, rate: float) -> None:
    recipe = Recipe(steps=steps, warmup=warmup, learning_rate=rate, schedule=schedule)
    rates = [recipe.rate(step) for step in range(steps)]
    assert all(0 < r <= rate * (1 + 1e-12) for r in rates)
    rising, falling = rates[:warmup], rates[warmup:]
    assert all(b > a for a, b in itertools.pairwise(rising))
    assert all(b <= a for a, b in itertools.pairwise(falling))


def test_schedules_are_the_published_formulas() -> None:
    rsqrt = Recipe(steps=1000, warmup=100, schedule="rsqrt", learning_rate=0.01)
    assert [rsqrt.rate(step) for step in (49, 99, 399)] == pytest.approx([0.005, 0.01, 0.005])
    cosine = Recipe(steps=1100, warmup=100, learning_rate=2.0, final=0.25)
    half = 2.0 * (0.25 + 0.75 * (1 + math.cos(math.pi / 2)) / 2)
    assert [cosine.rate(step) for step in (99, 599, 1099, 5000)] == pytest.approx([2.0, half, 0.5, 0.5])
    assert Recipe(steps=10, warmup=0, schedule="constant", learning_rate=0.3).rate(7) == 0.3


@pytest.mark.parametrize("name", ["default", *PRESETS])
def test_a_recipe_is_plain_data(name: str) -> None:
    recipe = preset(name)
    assert from_dict(parse_json(canonical_json(recipe.to_dict()))) == recipe
    assert hash(recipe) == hash(recipe.replace())
    assert recipe.replace(seed=7).seed == 7


def test_published_recipes() -> None:
    lts = preset("lts-wikitext103")
    assert lts.tokens == 40_000 * 256 * 192
    assert lts.rate(999) == 0.01
    assert lts.rate(39_999) == pytest.approx(0.001)
    assert preset("primer", steps=50).batch_size * preset("primer").length == 4096


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps is 0; it must be a whole number of at least 1"),
        ({"length": 1.5}, "length is 1.5"),
        ({"warmup": -1}, "warmup is -1"),
        ({"seed": "abc"}, "seed is 'abc'; it must be a whole number"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be above 0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"clip": -1.0}, "clip is -1.0; it must be at least 0"),
        ({"final": 1.5}, "final is 1.5; it must be at least 0, at most 1"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"batch_size": 6, "accumulation": 4}, "a batch of 6 cannot be cut into 4 equal parts"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin': did you mean 'cosine'"),
        ({"optimizer": "adam"}, "unknown optimizer 'adam': did you mean 'adamw'"),
        ({"precision": "int8"}, "unknown precision"),
        ({"stepz": 1}, "unknown setting of a recipe 'stepz': did you mean 'steps'"),
        ({"clip": "much"}, "not a recipe"),
    ],
)
def test_what_no_recipe_may_say(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        preset("default", **changes)
    with pytest.raises(UsageError, match="unknown recipe 'lts'"):
        preset("lts")

from __future__ import annotations

import dataclasses

import pytest

from tradewind import search, spaces
from tradewind.core import Objective, UsageError
from tradewind.costs.layerwise import closed_form
from tradewind.testing.algorithms import problem_of

FORMS = (Objective("decoder_params"), Objective("flops"))
PROBLEM = dataclasses.replace(
    problem_of(spaces.get("gpt2", n_layer="2..3", d_model=128, d_inner="256..512")),
    objectives=FORMS,
    layerwise={o.name: closed_form(o.quantity) for o in FORMS},
)
"""Algorithms that need the objectives' layerwise forms find them here."""


@pytest.mark.parametrize("name", search.names())
def test_every_name_can_be_created_and_described(name):
    assert search.create(name, PROBLEM).ask()
    facts = search.describe(name)
    assert facts["name"] == name
    assert facts["summary"].endswith(".")
    for preset in facts["presets"]:
        assert search.create(name, PROBLEM, preset=preset).ask()


def test_settings_come_as_text_over_a_preset():
    algorithm = search.create("lts", PROBLEM, preset="paper", population="50", mutation="0.1")
    assert (algorithm.settings.parents, algorithm.settings.initial, algorithm.settings.mutation) == (10, 100, 0.1)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("ltz", {}, "did you mean 'lts'"),
        ("lts", {"popluation": 3}, "did you mean 'population'"),
        ("lts", {"preset": "big"}, "unknown preset of lts 'big'"),
        ("random", {"preset": "paper"}, "unknown preset of random"),
        ("lts", {"population": "3"}, "at least 5"),
    ],
)
def test_errors_teach(name, settings, message):
    with pytest.raises(UsageError, match=message):
        search.create(name, PROBLEM, **settings)

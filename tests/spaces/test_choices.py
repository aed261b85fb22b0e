from __future__ import annotations

import numpy as np
import pytest

from tradewind import spaces
from tradewind.core import UsageError
from tradewind.spaces import Range, parse_choices


def test_the_written_forms():
    assert parse_choices(
        ["n_layer=2..6", "d_model=128,256", "d_inner=128..1024:64", "vocab_size=1000", "bias=off"]
    ) == {
        "n_layer": Range(2, 6),
        "d_model": (128, 256),
        "d_inner": Range(128, 1024, 64),
        "vocab_size": (1000,),
        "bias": (False,),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_layer", "write name=values"),
        ("n_layer=", "write name=values"),
        ("=3", "write name=values"),
        ("n_layer=6..2", "write 2..6"),
        ("n_layer=2..6:0", "at least 1"),
        ("n_layer=2..", "no range"),
        ("n_layer=1,,2", "empty value"),
    ],
)
def test_unreadable_choices_teach(text, message):
    with pytest.raises(UsageError, match=message):
        parse_choices([text])


def test_a_name_set_twice_is_refused():
    with pytest.raises(UsageError, match="set twice"):
        parse_choices(["n_layer=2", "n_layer=3"])


@pytest.mark.parametrize(
    "given", ["2..4", "2..4:1", [2, 3, 4], (4, 3, 2), range(2, 5), {2, 3, 4}, Range(2, 4), np.arange(2, 5)]
)
def test_all_forms_narrow_alike(given):
    assert spaces.get("gpt2", n_layer=given) == spaces.get("gpt2", n_layer="2..4")


def test_a_range_keeps_the_spaces_own_step():
    assert spaces.get("gpt2", d_model="1..300").dimension("d_model").choices == (128, 192, 256)


def test_constants_are_set_and_opened_the_same_way():
    space = spaces.get("transformer-xl", vocab_size=1000, cutoffs="100,200", div_val="1,2", mem_len="0..64:32")
    assert space.constants["vocab_size"] == 1000
    assert space.constants["cutoffs"] == (100, 200)
    assert space.dimension("div_val").choices == (1, 2)
    assert space.dimension("mem_len").choices == (0, 32, 64)
    assert spaces.get("hwgpt-s", network="intended", bias=1).sample(0).network == "intended"


def test_narrowing_twice_is_narrowing_once():
    once = spaces.get("gpt2", n_layer="2..4", vocab_size=99)
    assert spaces.get("gpt2", vocab_size=99).narrow(n_layer="2..8").narrow(n_layer="1..4") == once
    assert once != spaces.get("gpt2", n_layer="2..4")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"n_layer": "20..30"}, "no choice of n_layer lies in 20..30; allowed 2..15; nearest 15"),
        ({"n_layer": 1}, "n_layer cannot be 1; allowed 2..15; nearest 2"),
        ({"d_model": "128,130"}, "d_model cannot be 130; allowed 128..960 step 64; nearest 128"),
        ({"d_model": "128..256:32"}, "d_model cannot be 160"),
        ({"d_modle": 128}, "did you mean 'd_model'"),
        ({"n_layer": []}, "no value given for n_layer"),
        ({"n_layer": True}, "n_layer takes whole numbers; got True"),
        ({"n_layer": 2.5}, "n_layer takes whole numbers; got 2.5"),
        ({"n_layer": "two"}, "n_layer takes whole numbers; got 'two'"),
        ({"vocab_size": "1..9"}, "vocab_size is a constant"),
        ({"vocab_size": []}, "no value given for vocab_size"),
        ({"vocab_size": 0}, "no architecture is left.*vocab_size is 0"),
        ({"d_model": 960, "d_inner": 128}, "no architecture is left.*d_inner > 1.7 x d_model.*d_inner in 128"),
        ({"d_inner": "1..1000000000:1"}, "at most 10,000"),
    ],
)
def test_choices_outside_the_space_teach(choices, message):
    with pytest.raises(UsageError, match=message):
        spaces.get("gpt2", **choices)

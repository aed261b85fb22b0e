"""The released dictionary and string: round trips, dead entries, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind import spaces
from tradewind.benchmarks import forms
from tradewind.core import GPT2, HWGPT, FileFormatError, InvalidArchitectureError, UsageError

SMALL = HWGPT(d_model=384, n_head=(4, 8) * 5, mlp_ratio=(2, 3, 4, 2, 3) * 2)


@given(st.sampled_from(forms.SCALES), st.integers(0, 10**6))
def test_both_forms_give_back_the_architecture(scale: str, seed: int) -> None:
    arch = forms.space_of(scale).sample(seed)
    config = forms.to_released_dict(arch)
    assert forms.from_released_dict(config) == arch
    assert forms.from_released_string(forms.to_released_string(arch)) == arch
    deepest = max(forms.space_of(scale).depths)
    assert len(config["sample_n_head"]) == len(config["sample_mlp_ratio"]) == deepest
    assert config["sample_layer_indices"] == list(range(arch.n_layer))
    assert config["sample_bias"] in ("True", "False")


def test_the_string_is_the_released_one() -> None:
    expected = "gpt-s-10-384-2-3-4-2-3-2-3-4-2-3-4-8-4-8-4-8-4-8-4-8-False"
    assert forms.to_released_string(SMALL) == expected
    assert forms.from_released_string(expected) == SMALL


def test_dead_entries_are_ignored_and_both_networks_share_one_form() -> None:
    config = forms.to_released_dict(SMALL)
    for dead in (10, 11):
        config["sample_n_head"][dead], config["sample_mlp_ratio"][dead] = 12, 4
    assert forms.from_released_dict(config) == SMALL
    intended = SMALL.replace(network="intended")
    assert forms.from_released_dict(config, network="intended") == intended
    assert forms.from_released_string(forms.to_released_string(intended), "intended") == intended


@pytest.mark.parametrize(("given_bias", "bias"), [("True", True), ("False", False), ("false", False), (True, True)])
def test_a_bias_is_what_it_says_not_what_python_makes_of_a_string(given_bias: object, bias: bool) -> None:
    assert forms.from_released_dict(forms.to_released_dict(SMALL) | {"sample_bias": given_bias}).bias is bias


def test_shared_networks_of_narrow_and_wide_scales_take_the_narrow_name() -> None:
    shared = HWGPT(d_model=768, n_head=(8,) * 12, mlp_ratio=(4,) * 12)
    assert spaces.get("hwgpt-s-wide").contains(shared)
    assert forms.scale_of(shared) == "s"
    assert forms.scale_of(HWGPT(d_model=768, n_head=(8,) * 3, mlp_ratio=(1,) * 3)) == "s_wide"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_bias": "yes"}, "sample_bias must be"),
        ({"sample_bias": 1}, "sample_bias must be"),
        ({"sample_n_head": [4, 8]}, "at least one entry for each of the 10 layers"),
        ({"sample_n_head": "4" * 12}, "must be a list"),
        ({"sample_n_layer": 10.5}, "whole number"),
        ({"sample_mlp_ratio": [None] * 12}, "whole number"),
        ({"sample_layer_indices": [0, 2, 4, 6, 8, 9, 10, 11, 12, 13]}, "keep their first 10 layers"),
    ],
)
def test_malformed_dictionaries_are_refused_in_words(changes: dict, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        forms.from_released_dict(forms.to_released_dict(SMALL) | changes)


def test_a_missing_key_is_named() -> None:
    config = forms.to_released_dict(SMALL)
    del config["sample_n_head"]
    with pytest.raises(FileFormatError, match="'sample_n_head'"):
        forms.from_released_dict(config)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", FileFormatError, "reads gpt-scale"),
        ("bert-s-10-384-2-4-True", FileFormatError, "reads gpt-scale"),
        ("gpt-s-10-384-2-4-True", FileFormatError, "10 layers need 20"),
        ("gpt-s-x-384-2-4-True", FileFormatError, "whole number"),
        ("gpt-xl-1-384-2-4-True", UsageError, "unknown scale 'xl'"),
        ("gpt-m-10-384" + "-2" * 10 + "-4" * 10 + "-True", InvalidArchitectureError, "hwgpt-m"),
        ("gpt-s-10-384" + "-2" * 10 + "-5" * 10 + "-True", InvalidArchitectureError, "n_head"),
        ("gpt-s-10-384" + "-2" * 10 + "-4" * 10 + "-1", FileFormatError, "sample_bias"),
    ],
)
def test_malformed_strings_are_refused_in_words(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        forms.from_released_string(text)


@given(st.text(max_size=60) | st.from_regex(r"gpt-[sml]-\d{1,3}-\d{1,4}(-\d{1,2}){0,30}-(True|False)", fullmatch=True))
def test_no_text_raises_anything_but_a_documented_error(text: str) -> None:
    try:
        arch = forms.from_released_string(text)
    except UsageError:
        return
    assert forms.to_released_string(arch) == text


def test_other_families_and_shapes_are_refused() -> None:
    with pytest.raises(InvalidArchitectureError, match="none of the released scales"):
        forms.to_released_dict(HWGPT(d_model=384, n_head=(5,), mlp_ratio=(2,)))
    with pytest.raises(InvalidArchitectureError, match="none of the released scales"):
        forms.to_released_string(GPT2(d_model=64, n_head=(2,), d_inner=(128,)))

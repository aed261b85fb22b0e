from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import GPT2, HWGPT, Architecture, InvalidArchitectureError, TransformerXL, UsageError


@st.composite
def gpt2s(draw: st.DrawFn) -> GPT2:
    depth = draw(st.integers(1, 5))
    heads = draw(st.lists(st.sampled_from([1, 2, 4, 8]), min_size=depth, max_size=depth))
    inner = draw(st.lists(st.integers(1, 4096), min_size=depth, max_size=depth))
    return GPT2(d_model=64 * draw(st.integers(1, 15)), n_head=tuple(heads), d_inner=tuple(inner))


@given(gpt2s())
def test_json_round_trip_keeps_the_architecture_and_its_id(arch: GPT2) -> None:
    again = Architecture.from_json(arch.to_json())
    assert again == arch
    assert again.id == arch.id
    assert hash(again) == hash(arch)


@given(gpt2s(), gpt2s())
def test_ids_are_equal_exactly_when_architectures_are(a: GPT2, b: GPT2) -> None:
    assert (a.id == b.id) == (a == b)


@given(gpt2s())
def test_key_order_spacing_lists_and_numpy_do_not_change_the_id(arch: GPT2) -> None:
    shuffled = json.dumps(dict(reversed(arch.to_dict().items())), indent=3)
    assert Architecture.from_json(shuffled).id == arch.id
    rebuilt = GPT2(d_model=np.int64(arch.d_model), n_head=np.array(arch.n_head), d_inner=list(arch.d_inner))  # type: ignore[arg-type]
    assert rebuilt.id == arch.id


def test_id_is_pinned_so_that_stored_studies_stay_readable() -> None:
    assert GPT2(d_model=128, n_head=(2, 4), d_inner=(256, 512)).to_json() == (
        '{"context":1024,"d_inner":[256,512],"d_model":128,"family":"gpt2","n_head":[2,4],"vocab_size":50257}'
    )
    assert GPT2(d_model=128, n_head=(2, 4), d_inner=(256, 512)).id == "1b25516697008d1b"


def test_an_architecture_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        GPT2(d_model=64, n_head=(2,), d_inner=(128,)).d_model = 128  # type: ignore[misc]


GOOD: dict[str, Any] = {"family": "gpt2", "d_model": 128, "n_head": [2], "d_inner": [256]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "gtp2"}, "unknown family 'gtp2': did you mean 'gpt2'"),
        ({"d_modle": 3}, "unknown field of gpt2 'd_modle': did you mean 'd_model'"),
        ({"n_head": [3]}, "n_head 3 of layer 0 does not divide d_model 128"),
        ({"n_head": []}, "at least one layer"),
        ({"n_head": [2, 2]}, "d_inner has 1 entries but n_head has 2"),
        ({"d_inner": [0]}, "d_inner is"),
        ({"d_model": "128"}, "d_model must be int; got '128'"),
        ({"d_model": True}, "d_model must be int"),
        ({"d_model": 128.5}, "d_model must be int"),
        ({"n_head": 2}, "n_head must be a list of int"),
        ({"n_layer": 4}, "n_layer is 4 but n_head has 1 entries"),
        ({"vocab_size": 0}, "vocab_size is 0; it must be at least 1"),
        ({"d_model": 10**20}, "d_model is 1"),
        ({"d_inner": [2**31]}, r"d_inner is \(2147483648,\); it must be at most 2,147,483,647"),
        ({"family": ["gpt2"]}, "unknown family"),
    ],
)
def test_bad_fields_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Architecture.from_dict(GOOD | change)


def test_missing_field_and_wrong_shape_are_named() -> None:
    with pytest.raises(InvalidArchitectureError, match="'d_inner' is missing"):
        Architecture.from_dict({k: v for k, v in GOOD.items() if k != "d_inner"})
    with pytest.raises(InvalidArchitectureError, match="JSON object with a 'family'"):
        Architecture.from_dict([1])  # type: ignore[arg-type]


def test_transformer_xl_has_no_dead_embedding_size() -> None:
    explicit = TransformerXL(d_model=64, n_head=(2,), d_inner=(128,), d_embed=64)
    assert TransformerXL(d_model=64, n_head=(2,), d_inner=(128,)).id == explicit.id
    assert TransformerXL(d_model=64, n_head=(2,), d_inner=(128,), d_embed=-1).id == explicit.id


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"div_val": 1, "tie_projs": True}, {"div_val": 1, "tie_projs": False}),
        ({"cutoffs": (), "div_val": 2}, {"cutoffs": (), "div_val": 4}),
        ({"cutoffs": (), "d_embed": 32, "tie_projs": True}, {"cutoffs": (), "d_embed": 32, "tie_projs": False}),
    ],
)
def test_transformer_xl_has_no_gene_that_changes_nothing(one: dict[str, Any], other: dict[str, Any]) -> None:
    base: dict[str, Any] = {"d_model": 64, "n_head": (2,), "d_inner": (128,)}
    assert TransformerXL(**base, **one) == TransformerXL(**base, **other)
    alive = {"div_val": 1, "d_embed": 32}
    assert TransformerXL(**base, **alive, tie_projs=True) != TransformerXL(**base, **alive, tie_projs=False)


def test_transformer_xl_refuses_cutoffs_and_divisors_that_leave_nothing() -> None:
    with pytest.raises(InvalidArchitectureError, match="cutoffs"):
        TransformerXL(d_model=64, n_head=(2,), d_inner=(128,), cutoffs=(10, 5))
    with pytest.raises(InvalidArchitectureError, match="no dimension for the last cluster"):
        TransformerXL(d_model=64, n_head=(2,), d_inner=(128,), d_embed=32)


def test_hwgpt_heads_need_not_divide_the_width() -> None:
    assert HWGPT(d_model=192, n_head=(12,), mlp_ratio=(4,)).d_inner == (768,)
    with pytest.raises(InvalidArchitectureError, match="network is 'other'"):
        HWGPT(d_model=192, n_head=(12,), mlp_ratio=(4,), network="other")

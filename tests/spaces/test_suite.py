"""The conformance suite on every registered space and on some of one's own."""

from __future__ import annotations

import pytest

from tradewind import spaces
from tradewind.testing.spaces import SpaceSuite

HOMOGENEOUS = spaces.from_dict(
    {
        "name": "homogeneous",
        "family": "gpt2",
        "dimensions": [
            {"name": "d_model", "choices": [96, 64]},
            {"name": "n_layer", "choices": [1, 2, 5]},
            {"name": "n_head", "choices": [2, 3, 4]},
            {"name": "d_inner", "choices": [128, 256]},
        ],
    }
)
CASES = {
    **{name: spaces.get(name) for name in spaces.names()},
    "gpt2-tiny": spaces.get("gpt2", n_layer="2..3", d_model="128,960", d_inner="1600..1728", n_head="2,4"),
    "one": spaces.get("gpt2", n_layer=2, d_model=128, d_inner=256, n_head=2),
    "gpt2-blocks": spaces.get(
        "gpt2", n_layer="2..3", d_model="128,192", d_inner="384..512", block="gelu,primer-ez,mdha"
    ),
    "one-block": spaces.get("gpt2", n_layer="2..3", d_model=128, block="transformer++"),
    "xl-open": spaces.get("transformer-xl", n_layer="2..4", div_val="1,2,4", d_embed="0,128,256"),
    "hwgpt-both": spaces.get("hwgpt-s").narrow(network="profiled,intended", n_layer=10, bias=True),
    "homogeneous": HOMOGENEOUS,
    "mixed": spaces.from_dict(
        HOMOGENEOUS.to_dict()
        | {"dimensions": [d | {"per_layer": d["name"] == "n_head"} for d in HOMOGENEOUS.to_dict()["dimensions"]]}
    ),
}


@pytest.mark.parametrize("name", CASES)
class TestSpaces(SpaceSuite):
    @pytest.fixture
    def space(self, name):
        return CASES[name]

"""Small architectures of every family, two layers unlike each other where the family allows it."""

from __future__ import annotations

import pytest

from tradewind.core import GPT2, HWGPT, Architecture, TransformerXL

_XL = {"d_model": 16, "n_head": (2, 4), "d_inner": (24, 40), "vocab_size": 90, "context": 12, "mem_len": 12}

TINY: dict[str, Architecture] = {
    "gpt2": GPT2(d_model=24, n_head=(2, 4), d_inner=(40, 56), vocab_size=90, context=32),
    "gpt2-blocks": GPT2(
        d_model=24,
        n_head=(2, 4, 2),
        d_inner=(40, 56, 32),
        vocab_size=90,
        context=32,
        block=("primer-ez", "transformer++", "primer"),
    ),
    "hwgpt-profiled": HWGPT(d_model=32, n_head=(1, 2), mlp_ratio=(2, 3), bias=True, vocab_size=90, context=32),
    "hwgpt-intended": HWGPT(d_model=32, n_head=(2, 1), mlp_ratio=(2, 3), network="intended", vocab_size=90, context=32),
    "transformer-xl": TransformerXL(**_XL, cutoffs=(10, 30, 60), div_val=2),
    "transformer-xl-untied": TransformerXL(**_XL, cutoffs=(10, 30), d_embed=8, div_val=2, tie_projs=False),
    "transformer-xl-one-table": TransformerXL(**_XL, cutoffs=(10, 30, 60), d_embed=8, div_val=1),
    "transformer-xl-plain": TransformerXL(**_XL, cutoffs=(), div_val=1),
}


@pytest.fixture(params=TINY, ids=str)
def tiny(request: pytest.FixtureRequest) -> Architecture:
    return TINY[request.param]

"""Supernets of every family with random weights, and strategies for their sub-networks."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from tradewind import models
from tradewind.core import GPT2, HWGPT, Architecture, TransformerXL
from tradewind.models.supernet import Supernet

WORDS = {"vocab_size": 30, "context": 12}
_XL = {"d_model": 24, "n_head": (4, 4, 2), "d_inner": (40, 48, 40), "mem_len": 12, **WORDS}

FULL: dict[str, Architecture] = {
    "gpt2": GPT2(d_model=24, n_head=(4, 4, 2), d_inner=(40, 48, 40), **WORDS),
    "hwgpt-intended": HWGPT(d_model=16, n_head=(2, 3), mlp_ratio=(3, 2), bias=True, network="intended", **WORDS),
    "hwgpt-profiled": HWGPT(d_model=16, n_head=(3, 2), mlp_ratio=(2, 3), bias=True, **WORDS),
    "transformer-xl": TransformerXL(cutoffs=(5, 12), div_val=2, **_XL),
    "transformer-xl-untied": TransformerXL(cutoffs=(5, 12), d_embed=16, div_val=2, tie_projs=False, **_XL),
    "transformer-xl-one-table": TransformerXL(cutoffs=(5, 12), d_embed=8, div_val=1, **_XL),
    "transformer-xl-plain": TransformerXL(cutoffs=(), div_val=1, **_XL),
}


def supernet(full: Architecture, layer_order: tuple[int, ...] | None = None) -> Supernet:
    """Every weight random, in float64."""
    model = models.build(full, dtype="float64")
    stream = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if name.endswith("norm.weight") else 0.0, 0.3, generator=stream)
    return Supernet(model, layer_order)


@st.composite
def parts(draw: st.DrawFn, full: Architecture, order: tuple[int, ...]) -> Architecture:
    """An architecture whose weights are part of `full`."""
    depth = draw(st.integers(1, full.n_layer))
    layers = sorted(order[:depth])
    whole = {"vocab_size": full.vocab_size, "context": full.context}
    if isinstance(full, HWGPT):
        heads = tuple(draw(st.integers(1, full.n_head[i])) for i in layers)
        ratios = tuple(draw(st.integers(1, full.mlp_ratio[i])) for i in layers)
        width, bias = draw(st.integers(2, full.d_model)), draw(st.booleans())
        return HWGPT(d_model=width, n_head=heads, mlp_ratio=ratios, bias=bias, network=full.network, **whole)
    width = draw(st.sampled_from([4, 6, 8, 12, 20, 24]))
    heads = tuple(draw(st.sampled_from([h for h in (1, 2, 3, 4, 6) if width % h == 0])) for _ in layers)
    inner = tuple(draw(st.integers(1, full.d_inner[i])) for i in layers)
    if isinstance(full, GPT2):
        return GPT2(d_model=width, n_head=heads, d_inner=inner, **whole)
    assert isinstance(full, TransformerXL)
    same = {name: getattr(full, name) for name in ("cutoffs", "div_val", "tie_projs", "mem_len")}
    embed = width if full.d_embed == full.d_model else draw(st.integers(4, full.d_embed))
    if full.div_val == 1 and full.d_embed != full.d_model and embed == width:
        embed = full.d_embed if full.d_embed != width else full.d_embed - 1
    return TransformerXL(d_model=width, n_head=heads, d_inner=inner, d_embed=embed, **same, **whole)

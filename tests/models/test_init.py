"""Random weights follow the recipes and their seed; cheap weights are of ordinary magnitude and never denormal."""

from __future__ import annotations

import pytest
import torch

from tradewind import models
from tradewind.core import GPT2, HWGPT, Architecture, TransformerXL
from tradewind.models.init import BLOCK

DEEP: dict[str, Architecture] = {
    "gpt2": GPT2(d_model=64, n_head=(4,) * 16, d_inner=(256,) * 16, vocab_size=500, context=64),
    "hwgpt-profiled": HWGPT(d_model=64, n_head=(2,) * 16, mlp_ratio=(4,) * 16, bias=True, vocab_size=500),
    "hwgpt-intended": HWGPT(d_model=64, n_head=(2,) * 16, mlp_ratio=(4,) * 16, network="intended", vocab_size=500),
    "transformer-xl": TransformerXL(
        d_model=64, n_head=(4,) * 16, d_inner=(256,) * 16, vocab_size=500, cutoffs=(100, 200, 300), div_val=2
    ),
}


def test_a_seed_is_a_model(tiny: Architecture) -> None:
    for init in ("random", "cheap"):
        first, same, other = (models.build(tiny, init=init, seed=seed).state_dict() for seed in (1, 1, 2))
        assert all(torch.equal(first[name], same[name]) for name in first)
        assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_global_random_state_is_left_alone(tiny: Architecture) -> None:
    before = torch.get_rng_state()
    models.build(tiny, init="random")
    models.build(tiny, init="cheap")
    assert torch.equal(torch.get_rng_state(), before)


def test_low_precision_weights_are_the_rounded_ones(tiny: Architecture) -> None:
    full, half = models.build(tiny).state_dict(), models.build(tiny, dtype="bfloat16").state_dict()
    assert all(torch.equal(full[name].bfloat16(), half[name]) for name in full)


def test_deeper_models_share_their_first_layers() -> None:
    deep, shallow = DEEP["gpt2"], DEEP["gpt2"].replace(n_head=(4,) * 2, d_inner=(256,) * 2)
    name = "layers.1.mlp.up.weight"
    assert torch.equal(models.build(deep).state_dict()[name], models.build(shallow).state_dict()[name])


@pytest.mark.parametrize("init", ["random", "cheap"])
def test_layers_are_unlike(init: str) -> None:
    state = models.build(DEEP["gpt2"], init=init).state_dict()
    weights = torch.stack([state[f"layers.{i}.mlp.up.weight"] for i in range(16)])
    assert len(weights.unique(dim=0)) == 16


@pytest.mark.parametrize("init", ["random", "cheap"])
def test_spread_of_gpt2_weights(init: str) -> None:
    state = models.build(DEEP["gpt2"], init=init).state_dict()
    for name, weight in state.items():
        if name.endswith("norm.weight"):
            assert (weight == 1).all()
        elif name.endswith(".bias"):
            assert (weight == 0).all()
        else:
            expected = 0.02 / 32**0.5 if ".out." in name or ".down." in name else 0.02
            assert weight.std().item() == pytest.approx(expected, rel=0.08)
            assert abs(weight.mean().item()) < 0.1 * expected


def test_spread_of_transformer_xl_weights() -> None:
    state = models.build(DEEP["transformer-xl"]).state_dict()
    for name, std in {
        "vocabulary.tables.0": 0.02,
        "vocabulary.embedding_projections.0": 0.01,
        "vocabulary.softmax_projections.0": 0.01,
        "layers.3.attention.relative.weight": 0.02,
        "layers.3.attention.content_bias": 0.02,
        "layers.3.attention_norm.weight": 0.02,
    }.items():
        assert state[name].std().item() == pytest.approx(std, rel=0.3), name
    assert (state["vocabulary.bias"] == 0).all()
    assert (state["vocabulary.cluster_bias"] == 0).all()
    assert state["layers.3.attention_norm.weight"].mean().item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("family", DEEP)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_cheap_weights_are_ordinary(family: str, dtype: str) -> None:
    model = models.build(DEEP[family], dtype=dtype, init="cheap")
    smallest = torch.finfo(getattr(torch, dtype)).smallest_normal
    for name, weight in model.named_parameters():
        size = weight.detach().abs().float()
        assert ((size == 0) | (size >= smallest)).all(), name
        assert size.max() < 1.2, name
    tokens = torch.arange(48).remainder(model.arch.vocab_size)[None]
    with torch.inference_mode():
        cheap = model(tokens).float()
        usual = models.build(DEEP[family], dtype=dtype)(tokens).float()
    assert cheap.isfinite().all()
    assert 0.5 < cheap.std() / usual.std() < 2


def test_cheap_weights_longer_than_a_block_do_not_repeat_rows() -> None:
    arch = GPT2(d_model=64, n_head=(2,), d_inner=(64,), vocab_size=2 * BLOCK // 64 + 1000, context=8)
    table = models.build(arch, init="cheap").state_dict()["token_embedding.weight"]
    assert len(table.unique(dim=0)) == arch.vocab_size
    assert table.view(-1)[: 2 * BLOCK].view(2, BLOCK).std(0).max() == 0

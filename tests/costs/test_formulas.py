"""Every closed form of every family against the PyTorch model of the architecture, and batch against one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind import costs
from tradewind.core import GPT2, HWGPT, Architecture, ArchitectureBatch, TransformerXL, UsageError

VOCAB = 600


def layers(*choices: st.SearchStrategy[int]) -> st.SearchStrategy[list[tuple[int, ...]]]:
    """One tuple a field, all of one depth."""
    return st.integers(1, 4).flatmap(
        lambda depth: st.tuples(*[st.lists(c, min_size=depth, max_size=depth).map(tuple) for c in choices])
    )


HEADS = st.sampled_from([2, 4, 8])
INNER = st.integers(8, 300)

GPT2S = st.builds(
    lambda d, shape, context: GPT2(d_model=d, n_head=shape[0], d_inner=shape[1], vocab_size=VOCAB, context=context),
    st.sampled_from([32, 64, 96]),
    layers(HEADS, INNER),
    st.integers(40, 64),
)
TRANSFORMER_XLS = st.builds(
    lambda d, shape, embed, div, cutoffs, tie: TransformerXL(
        d_model=d, n_head=shape[0], d_inner=shape[1], d_embed=embed, div_val=div, cutoffs=cutoffs, tie_projs=tie,
        vocab_size=VOCAB, context=16, mem_len=16,
    ),
    st.sampled_from([64, 96, 128]),
    layers(HEADS, INNER),
    st.sampled_from([0, 64, 128]),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([(), (100,), (50, 200), (10, 20, 30)]),
    st.booleans(),
)  # fmt: skip
HWGPTS = st.builds(
    lambda d, shape, bias, network: HWGPT(
        d_model=d, n_head=shape[0], mlp_ratio=shape[1], bias=bias, network=network, vocab_size=VOCAB, context=64
    ),
    st.sampled_from([64, 192, 320]),
    layers(st.integers(1, 6), st.integers(1, 4)),
    st.booleans(),
    st.sampled_from(["profiled", "intended"]),
)
FAMILIES = {"gpt2": GPT2S, "transformer-xl": TRANSFORMER_XLS, "hwgpt": HWGPTS}
every_family = pytest.mark.parametrize("family", FAMILIES)
LOADS = st.tuples(st.integers(1, 3), st.integers(1, 40), st.sampled_from(["all", "last"]))


def meta(arch: Architecture) -> Any:
    pytest.importorskip("torch")
    from tradewind.models import build

    return build(arch, init="meta")


def zeros(batch: int, length: int, device: str = "meta") -> Any:
    import torch

    return torch.zeros(batch, length, dtype=torch.int64, device=device)


@every_family
@given(data=st.data())
def test_a_batch_equals_one_by_one(family: str, data: st.DataObject) -> None:
    archs = data.draw(st.lists(FAMILIES[family], min_size=1, max_size=6))
    batch, seq_len, logits = data.draw(LOADS)
    formulas: list[Callable[[Any], Any]] = [
        costs.params,
        costs.decoder_params,
        costs.embedding_params,
        lambda a: costs.flops(a, batch, seq_len, logits),
        lambda a: costs.macs(a, batch, seq_len, logits),
        lambda a: costs.decode_flops(a, seq_len, batch),
        lambda a: costs.kv_cache_bytes(a, seq_len, batch, "bfloat16"),
        lambda a: costs.activation_bytes(a, batch, seq_len, "float16", logits),
    ]
    for formula in formulas:
        alone = [formula(arch) for arch in archs]
        assert {type(value) for value in alone} == {int}
        for many in (archs, ArchitectureBatch.of(archs)):
            together = formula(many)
            assert together.dtype == np.int64
            assert together.tolist() == alone


@every_family
@given(data=st.data())
def test_components_add_up(family: str, data: st.DataObject) -> None:
    archs = data.draw(st.lists(FAMILIES[family], min_size=1, max_size=4))
    parts = [costs.components(arch) for arch in archs]
    together = costs.components(archs)
    assert {name: column.tolist() for name, column in together.items()} == {
        name: [part[name] for part in parts] for name in parts[0]
    }
    for arch, part in zip(archs, parts, strict=True):
        assert sum(part.values()) == costs.params(arch) == costs.decoder_params(arch) + costs.embedding_params(arch)
        assert part["attention"] + part["ffn"] + part["norms"] == costs.decoder_params(arch)


@every_family
@settings(max_examples=25)
@given(data=st.data())
def test_parameters_are_those_of_the_model(family: str, data: st.DataObject) -> None:
    arch = data.draw(FAMILIES[family])
    model = meta(arch)
    assert sum(p.numel() for p in model.parameters()) == costs.params(arch)
    assert sum(p.numel() for p in model.layers.parameters()) == costs.decoder_params(arch) - sum(
        p.numel() for name, p in model.named_parameters() if name.startswith("final_norm")
    )


@every_family
@settings(max_examples=20)
@given(data=st.data())
def test_operations_are_those_of_the_model(
    family: str, data: st.DataObject, count_flops: Callable[[Callable[[], Any]], int]
) -> None:
    arch = data.draw(FAMILIES[family])
    batch, seq_len, logits = data.draw(LOADS)
    model = meta(arch)
    seen = count_flops(lambda: model(zeros(batch, seq_len), logits=logits))
    assert seen == costs.flops(arch, batch, seq_len, logits) == 2 * costs.macs(arch, batch, seq_len, logits)

    context = min(seq_len, 39)
    cache = model.make_cache(batch, context + 1)
    cache.fill(context)
    assert count_flops(lambda: model.decode(zeros(batch, 1), cache)) == costs.decode_flops(arch, context, batch)


@every_family
@settings(max_examples=20)
@given(data=st.data())
def test_cache_bytes_are_those_of_the_models_cache(family: str, data: st.DataObject) -> None:
    arch = data.draw(FAMILIES[family])
    batch, context, _ = data.draw(LOADS)
    cache = meta(arch).make_cache(batch, context)
    tensors = [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]
    tensors += getattr(cache, "relative", [])
    held = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    assert held == costs.kv_cache_bytes(arch, context, batch)


@every_family
@settings(max_examples=20)
@given(data=st.data())
def test_activations_are_what_the_dispatcher_sees_alive(
    family: str, data: st.DataObject, peak_bytes: Callable[[Callable[[], Any]], int]
) -> None:
    pytest.importorskip("torch")
    from tradewind.models import build

    arch = data.draw(FAMILIES[family])
    batch, seq_len, logits = data.draw(LOADS.filter(lambda load: load[1] >= 16))
    model = build(arch, init="cheap")
    tokens = zeros(batch, seq_len, "cpu")
    seen = peak_bytes(lambda: model(tokens, logits=logits))
    left_out = {
        "gpt2": 0,
        "transformer-xl": seq_len**2 + 24 * batch * seq_len,  # the causal mask; token numbers within a cluster
        "hwgpt": 2 * 4 * seq_len * 32,  # cosines and sines
    }[family]
    counted = costs.activation_bytes(arch, batch, seq_len, logits=logits)
    assert counted <= seen <= counted + left_out


def test_wrong_use_is_told() -> None:
    arch = GPT2(d_model=64, n_head=(2,), d_inner=(128,))
    with pytest.raises(UsageError, match="seq_len is 0"):
        costs.flops(arch, seq_len=0)
    with pytest.raises(UsageError, match="did you mean 'last'"):
        costs.flops(arch, logits="lst")
    with pytest.raises(UsageError, match="did you mean 'float16'"):
        costs.kv_cache_bytes(arch, 10, dtype="flaot16")
    with pytest.raises(UsageError, match="at least one architecture"):
        costs.params([])
    with pytest.raises(UsageError, match="a batch holds one family"):
        costs.params([arch, HWGPT(d_model=64, n_head=(1,), mlp_ratio=(2,))])


def test_narrow_columns_do_not_overflow() -> None:
    narrow = ArchitectureBatch.of_columns(
        "gpt2",
        np.full(2, 3),
        d_model=np.array([960, 960], dtype=np.int16),
        n_head=np.full((2, 3), 2, dtype=np.int8),
        d_inner=np.full((2, 3), 4032, dtype=np.int16),
    )
    assert costs.flops(narrow, batch=64).tolist() == [costs.flops(narrow[0], batch=64)] * 2

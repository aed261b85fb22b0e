"""Sub-networks of a supernet: equal to stand-alone models with copied weights, forward and backward."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.supernet.families import FULL, parts, supernet

from tradewind import models
from tradewind.core import GPT2, HWGPT, Architecture, TransformerXL, UsageError
from tradewind.models.supernet import Supernet

TOKENS = torch.randint(30, (2, 9), generator=torch.Generator().manual_seed(1))
INPUTS, TARGETS = TOKENS[:, :-1], TOKENS[:, 1:]
NETS = {name: supernet(full) for name, full in FULL.items()}
ORDERED = {name: supernet(full, tuple(range(full.n_layer))[::-1]) for name, full in FULL.items()}


def gradients(net: Supernet) -> dict[str, torch.Tensor]:
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in net.model.named_parameters()}


@pytest.mark.parametrize("name", FULL)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_part_equals_its_extract(name: str, data: st.DataObject) -> None:
    """Logits bit for bit; the gradients of the copies are those of the shared weights, zero outside the slices."""
    net = data.draw(st.sampled_from([NETS[name], ORDERED[name]]))
    arch = data.draw(parts(net.arch, net.layer_order))
    part, alone = net.at(arch), net.extract(arch)
    assert alone.arch == arch
    with torch.no_grad():
        assert torch.equal(part(INPUTS), alone(INPUTS))
        assert torch.equal(net(INPUTS, arch, logits="last"), alone(INPUTS, logits="last"))
    loss = alone.loss(INPUTS, TARGETS)
    loss.backward()
    net.zero_grad()
    part.loss(INPUTS, TARGETS).backward()
    shared = gradients(net)
    expected = {shared_name: torch.zeros_like(gradient) for shared_name, gradient in shared.items()}
    for own, parameter in alone.named_parameters():
        if parameter.grad is not None:
            part.cuts[own].scatter_add(parameter.grad, expected[part.cuts[own].name])
    for shared_name, gradient in shared.items():
        torch.testing.assert_close(gradient, expected[shared_name], rtol=1e-10, atol=1e-12)
    net.zero_grad()
    assert net.accumulate(part, lambda model: model.loss(INPUTS, TARGETS)).item() == loss.item()
    for shared_name, gradient in gradients(net).items():
        torch.testing.assert_close(gradient, expected[shared_name], rtol=1e-10, atol=1e-12)
    net.zero_grad()


@pytest.mark.parametrize("name", FULL)
def test_the_largest_is_the_model(name: str) -> None:
    net = NETS[name]
    with torch.no_grad():
        expected = net.model(INPUTS)
        assert torch.equal(net(INPUTS), expected)
        assert torch.equal(net(INPUTS, net.arch), expected)


def test_gradients_of_several_add_up() -> None:
    """Those of the sandwich's networks accumulate, whatever their order."""
    net = copy.deepcopy(NETS["gpt2"])
    small = GPT2(d_model=8, n_head=(2,), d_inner=(8,), vocab_size=30, context=12)
    middle = GPT2(d_model=12, n_head=(4, 2), d_inner=(30, 9), vocab_size=30, context=12)
    for arch in (net.arch, small, middle):
        net.accumulate(net.at(arch), lambda model: model.loss(INPUTS, TARGETS))
    found = gradients(net)
    net.zero_grad()
    sum(net.at(arch).loss(INPUTS, TARGETS) for arch in (small, middle, net.arch)).backward()
    for name, gradient in gradients(net).items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-12)


def test_choosing_leaves_no_trace() -> None:
    """Two sub-networks used in turn, and training between, disturb neither each other nor the whole."""
    net = copy.deepcopy(NETS["gpt2"])
    small = GPT2(d_model=8, n_head=(2,), d_inner=(8,), vocab_size=30, context=12)
    part = net.at(small)
    names = [name for name, _ in net.named_modules()]
    with torch.no_grad():
        whole, first = net(INPUTS), part(INPUTS)
        net.at(GPT2(d_model=12, n_head=(3,), d_inner=(9,), vocab_size=30, context=12))(INPUTS)
        assert torch.equal(part(INPUTS), first)
        assert torch.equal(net(INPUTS), whole)
        for parameter in net.parameters():
            parameter.mul_(1.1)
        assert torch.equal(part(INPUTS), net.extract(small)(INPUTS))
        assert not torch.equal(part(INPUTS), first)
    assert [name for name, _ in net.named_modules()] == names
    assert {id(p) for p in part.parameters()} == {id(p) for p in net.parameters()}


def test_modes_are_the_parts_own() -> None:
    net = Supernet(models.build(NETS["gpt2"].arch, dropout=0.5)).train()
    part = net.at(GPT2(d_model=8, n_head=(2,), d_inner=(8,), vocab_size=30, context=12))
    assert not torch.equal(part(INPUTS), part(INPUTS))
    part.eval()
    assert torch.equal(part(INPUTS), part(INPUTS))
    assert net.training
    assert net.model.training


def test_heads_are_whole_where_their_size_is_the_shared_one() -> None:
    """Half the width with half the heads: the first heads as they are, in queries, keys and values."""
    net = NETS["gpt2"]
    half = GPT2(d_model=12, n_head=(2,), d_inner=(40,), vocab_size=30, context=12)
    rows = net.at(half).cuts["layers.0.attention.qkv.weight"].axes[0].indices()
    assert rows.tolist() == [part * 24 + place for part in range(3) for place in range(12)]
    narrow = GPT2(d_model=12, n_head=(4,), d_inner=(40,), vocab_size=30, context=12)
    rows = net.at(narrow).cuts["layers.0.attention.qkv.weight"].axes[0].indices()
    assert rows[:12].tolist() == [0, 1, 2, 6, 7, 8, 12, 13, 14, 18, 19, 20]


def test_position_codes_of_the_nearest_frequency() -> None:
    full = FULL["transformer-xl-plain"]
    arch = TransformerXL(d_model=8, n_head=(2,), d_inner=(8,), cutoffs=(), vocab_size=30, context=12, mem_len=12)
    columns = supernet(full).at(arch).cuts["layers.0.attention.relative.weight"].axes[1].indices()
    assert columns.tolist() == [0, 3, 6, 9, 12, 15, 18, 21]


def test_layers_by_rank_in_their_own_order() -> None:
    net = supernet(FULL["gpt2"], (2, 0, 1))
    assert [net.layers(n) for n in (1, 2, 3)] == [(2,), (0, 2), (0, 1, 2)]


_BASE = {"vocab_size": 30, "context": 12}
REFUSED: dict[str, tuple[str, Architecture, str]] = {
    "family": ("gpt2", HWGPT(d_model=8, n_head=(1,), mlp_ratio=(1,), **_BASE), "holds no hwgpt"),
    "width": (
        "gpt2",
        GPT2(d_model=32, n_head=(4,), d_inner=(8,), **_BASE),
        "d_model up to 24; .* has 32",
    ),
    "inner": ("gpt2", GPT2(d_model=8, n_head=(4,), d_inner=(48,), **_BASE), "d_inner up to 40 in layer 0"),
    "words": ("gpt2", GPT2(d_model=8, n_head=(4,), d_inner=(8,), vocab_size=31, context=12), "must be the same"),
    "block": ("gpt2", GPT2(d_model=8, n_head=(4,), d_inner=(8,), block=("primer",), **_BASE), "primer"),
    "network": ("hwgpt-intended", HWGPT(d_model=8, n_head=(1,), mlp_ratio=(1,), **_BASE), "has network intended"),
    "heads": ("hwgpt-profiled", HWGPT(d_model=8, n_head=(4,), mlp_ratio=(1,), **_BASE), "n_head up to 3 in layer 0"),
    "projection": (
        "transformer-xl-one-table",
        TransformerXL(d_model=8, n_head=(2,), d_inner=(8,), div_val=1, cutoffs=(5, 12), **_BASE),
        "share no weights",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_part_is_refused(case: str) -> None:
    name, arch, words = REFUSED[case]
    with pytest.raises(UsageError, match=words):
        NETS[name].at(arch)


def test_a_ranking_holds_every_layer_once() -> None:
    with pytest.raises(UsageError, match=r"layer_order \[0, 0, 1\]"):
        Supernet(NETS["gpt2"].model, (0, 0, 1))

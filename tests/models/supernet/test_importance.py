"""Units in order of importance: the whole network stays the same, and what matters comes first."""

from __future__ import annotations

import pytest
import torch
from tests.models.supernet.families import FULL, supernet

from tradewind.core import GPT2, HWGPT, UsageError
from tradewind.models.supernet import measure, ranked

TOKENS = torch.randint(30, (3, 11), generator=torch.Generator().manual_seed(2))
BATCHES = [(TOKENS[:, :-1], TOKENS[:, 1:])]


@pytest.mark.parametrize("name", FULL)
def test_the_whole_network_stays_the_same(name: str) -> None:
    model = supernet(FULL[name]).model
    before = {key: value.clone() for key, value in model.state_dict().items()}
    net = ranked(model, measure(model, BATCHES))
    with torch.no_grad():
        torch.testing.assert_close(net(BATCHES[0][0]), model(BATCHES[0][0]), rtol=0, atol=1e-12)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    moved = [key for key, value in net.model.state_dict().items() if not torch.equal(value, before[key])]
    assert any("mlp.up" in key for key in moved)
    assert any("attention.qkv" in key for key in moved)


@pytest.mark.parametrize("name", FULL)
def test_scores_are_the_gradients_of_gates(name: str) -> None:
    """Against gates put into the network by hooks."""
    model = supernet(FULL[name]).model
    arch = model.arch
    found = measure(model, BATCHES)
    gates = {"neurons": [], "values": []}
    handles = []
    for layer in model.layers:
        for kind, module in (("neurons", layer.mlp.down), ("values", layer.attention.out)):
            gate = torch.ones(module.in_features, dtype=torch.float64, requires_grad=True)
            gates[kind].append(gate)
            handles.append(module.register_forward_pre_hook(lambda _, args, gate=gate: (args[0] * gate,)))
    model.loss(*BATCHES[0]).backward()
    for i in range(arch.n_layer):
        for kind, scores in (("neurons", found.neurons[i]), ("values", found.values[i].flatten())):
            torch.testing.assert_close(scores, gates[kind][i].grad.abs().float(), rtol=1e-4, atol=1e-7)
        per_head = gates["values"][i].grad.view(arch.n_head[i], -1).sum(1).abs()
        torch.testing.assert_close(found.heads[i], per_head.float(), rtol=1e-4, atol=1e-7)


def test_silent_units_go_last() -> None:
    """Neurons and heads that do nothing are the first to be cut; a silent layer costs nothing to leave out."""
    model = supernet(FULL["gpt2"]).model
    with torch.no_grad():
        model.layers[0].mlp.down.weight[:, :20] = 0
        model.layers[0].attention.out.weight[:, :6] = 0  # head 0 of 4, of 6 places each
        for name in ("attention.out", "mlp.down"):
            module = model.layers[1].get_submodule(name)
            module.weight.zero_()
            module.bias.zero_()
    found = measure(model, BATCHES)
    assert found.layers[1].abs() < 1e-6 < found.layers[0].abs()
    found.layers = torch.tensor([1.0, 0.0, 2.0])
    net = ranked(model, found)
    assert net.layer_order == (2, 0, 1)
    assert not net.model.layers[0].mlp.down.weight[:, 20:].any()
    assert net.model.layers[0].mlp.down.weight[:, :20].any(dim=0).all()
    cut = GPT2(d_model=24, n_head=(4, 2), d_inner=(20, 40), vocab_size=30, context=12)
    with torch.no_grad():
        torch.testing.assert_close(net(BATCHES[0][0], cut), model(BATCHES[0][0]), rtol=0, atol=1e-12)


def test_a_silent_head_of_its_own_size_goes_last() -> None:
    model = supernet(FULL["hwgpt-profiled"]).model
    with torch.no_grad():
        model.layers[0].attention.out.weight[:, :64] = 0
    net = ranked(model, measure(model, BATCHES))
    cut = HWGPT(d_model=16, n_head=(2, 2), mlp_ratio=(2, 3), bias=True, vocab_size=30, context=12)
    with torch.no_grad():
        torch.testing.assert_close(net(BATCHES[0][0], cut), model(BATCHES[0][0]), rtol=0, atol=1e-12)


def test_no_text() -> None:
    with pytest.raises(UsageError, match="at least one batch"):
        measure(supernet(FULL["gpt2"]).model, [])

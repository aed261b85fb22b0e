from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tradewind.core import UsageError
from tradewind.models.program import ProgramModel, build
from tradewind.programs import (
    Program,
    ProgramCausalityError,
    ProgramShapeError,
    evolved,
    primer,
    primer_ez,
    transformer,
)

SIZE: dict[str, Any] = {"d_model": 32, "n_layer": 2, "vocab_size": 50, "context": 12}
SEEDS = [transformer(), primer_ez(), primer(), evolved()]
TOKENS = torch.arange(20).reshape(2, 10)


@pytest.mark.parametrize("program", SEEDS)
def test_a_model_scores_and_learns(program: Program) -> None:
    model = build(program, **SIZE)
    logits = model(TOKENS)
    assert logits.shape == (2, 10, 50)
    torch.testing.assert_close(model(TOKENS, logits="last"), logits[:, -1:])
    targets = TOKENS.roll(-1, 1)
    before = model.loss(TOKENS, targets)
    torch.testing.assert_close(before, F.cross_entropy(logits.flatten(0, 1), targets.flatten()))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(10):
        optimizer.zero_grad()
        model.loss(TOKENS, targets).backward()
        optimizer.step()
    assert model.loss(TOKENS, targets) < before - 0.5
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("program", SEEDS)
def test_a_model_does_not_look_ahead(program: Program) -> None:
    model = build(program, **SIZE, dtype="float64")
    other = TOKENS.clone()
    other[:, 6:] += 1
    a, b = model(TOKENS), model(other)
    torch.testing.assert_close(a[:, :6], b[:, :6], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(a[:, 6:], b[:, 6:])


def test_a_program_that_looks_ahead_is_not_built() -> None:
    body = list(transformer().subprograms[4].instructions)
    leaking = transformer().with_body(4, [body[0], dataclasses.replace(body[1], op="TANH"), *body[2:]])
    with pytest.raises(ProgramCausalityError, match="put MASK between"):
        build(leaking, **SIZE)


def test_a_program_beyond_repair_is_not_built() -> None:
    body = list(transformer().subprograms[0].instructions)
    with pytest.raises(ProgramShapeError):
        build(transformer().with_body(0, [dataclasses.replace(body[0], op="RED_SUM")]), **SIZE)


@pytest.mark.parametrize(
    ("program", "block"),
    [
        # Attention 4 D², feed-forward 8 D² + 5 D, two norms 4 D.
        (transformer(), lambda d: 12 * d * d + 9 * d),
        (primer_ez(), lambda d: 12 * d * d + 9 * d + 9 * d),
        # q from k per head is 8 (D/8)² for D²; depthwise kernels after k and v; no bias at the end.
        (primer(), lambda d: 11 * d * d + d * d // 8 + 8 * d + 6 * d),
        # Inner size 96 units; one scale a key.
        (evolved(), lambda d: 3 * d * d + d * d // 8 + 6 * d + 24 * d * d + 12 * d + 4 * d + 8 * 12),
    ],
)
def test_parameters(program: Program, block: Any) -> None:
    model = build(program, **SIZE, init="meta")
    d = SIZE["d_model"]
    outside = (SIZE["vocab_size"] + SIZE["context"]) * d + 2 * d
    assert sum(p.numel() for p in model.parameters()) == outside + 2 * block(d)


def test_weights_are_a_function_of_the_seed() -> None:
    first, again, other = (build(primer_ez(), **SIZE, seed=seed) for seed in (0, 0, 1))
    faithful = build(primer_ez(), **SIZE, seed=0, fuse=False)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
        assert torch.equal(weight, faithful.state_dict()[name])
    assert not torch.equal(first.token_embedding.weight, other.token_embedding.weight)
    torch.testing.assert_close(first(TOKENS), faithful(TOKENS), rtol=1e-4, atol=1e-5)


def test_how_weights_start() -> None:
    model = build(primer_ez(), **{**SIZE, "d_model": 256, "vocab_size": 1000})
    weights = dict(model.layers[0].named_parameters())
    kernels = [w for name, w in weights.items() if name.startswith("dconv")]
    assert len(kernels) == 3
    for kernel in kernels:
        torch.testing.assert_close(kernel, torch.tensor([0.5 / 3, 0.5 / 3, 0.5]).expand_as(kernel))
    for name, weight in weights.items():
        if name.startswith("conv_1x1"):
            assert weight.std().item() == pytest.approx(weight.shape[-1] ** -0.5, rel=0.05)
        elif name.startswith(("scale", "shift")):
            assert (weight == float(name.startswith("scale"))).all()
    assert model.token_embedding.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert (model.final_norm.weight == 1).all()


def test_maps_may_start_as_those_of_gpt2() -> None:
    size = {**SIZE, "d_model": 256}
    wide, small = build(primer_ez(), **size), build(primer_ez(), **size, init_std=0.02)
    for (name, one), other in zip(wide.named_parameters(), small.parameters(), strict=True):
        if ".conv_1x1_" in name:
            torch.testing.assert_close(other, one * (0.02 * one.shape[-1] ** 0.5))
        else:
            assert torch.equal(one, other)


def test_a_child_shares_the_start_of_what_an_edit_left_alone() -> None:
    parent, child = (dict(build(program(), **SIZE, seed=3).named_parameters()) for program in (transformer, primer_ez))
    assert {name.split(".")[-1].rpartition("_")[0] for name in child.keys() - parent.keys()} == {"dconv_3x1"}
    assert all(torch.equal(weight, child[name]) for name, weight in parent.items())


def test_dtypes_and_devices() -> None:
    model = build(transformer(), **SIZE, dtype="bfloat16")
    assert model.dtype == torch.bfloat16
    assert model.loss(TOKENS, TOKENS).dtype == torch.float32
    assert build(transformer(), **SIZE, init="meta").device.type == "meta"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d_model": 20}, "d_model is 20"),
        ({"n_layer": 0}, "n_layer is 0; it must be a whole number of at least 1"),
        ({"vocab_size": 2.5}, "vocab_size is 2.5"),
        ({"context": True}, "context is True"),
        ({"init": "zeros"}, "unknown init 'zeros'"),
        ({"init_std": 0.0}, "init_std is 0.0; it must be above 0, such as GPT-2's 0.02"),
        ({"dtype": "float23"}, "did you mean 'float32'"),
    ],
)
def test_errors_teach(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(transformer(), **{**SIZE, **change})


def test_the_context_is_the_limit() -> None:
    with pytest.raises(UsageError, match="13 tokens exceed the 12 learned positions"):
        build(transformer(), **SIZE)(torch.zeros(1, 13, dtype=torch.int64))


def tiny(program: Program, **changes: Any) -> ProgramModel:
    return build(program, **SIZE, **{"dtype": "float64", **changes})


@pytest.mark.parametrize("program", SEEDS)
@pytest.mark.parametrize("fuse", [True, False])
def test_a_forward_exports_with_free_batch_and_length(program: Program, fuse: bool) -> None:
    """Lengths below the context: a weight along the tokens is contiguous only when whole, which torch tells apart."""
    model = tiny(program, fuse=fuse)
    free = {0: torch.export.Dim("batch", min=1, max=8), 1: torch.export.Dim("length", min=2, max=11)}
    exported = torch.export.export(model, (TOKENS,), dynamic_shapes={"tokens": free})
    other = TOKENS[:1, :7]
    torch.testing.assert_close(exported.module()(other), model(other), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("program", SEEDS)
def test_a_forward_is_one_graph(program: Program) -> None:
    model = tiny(program)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(TOKENS), model(TOKENS), rtol=1e-12, atol=1e-12)


def test_weights_can_come_from_outside() -> None:
    model, skeleton = tiny(primer()), tiny(primer(), init="meta")
    found = torch.func.functional_call(skeleton, dict(model.named_parameters()), (TOKENS,))
    assert torch.equal(found, model(TOKENS))
    assert list(model.buffers()) == []


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("program", [transformer(), primer_ez()])
def test_low_precision_follows_float64(program: Program, dtype: str) -> None:
    exact, low = tiny(program), tiny(program, dtype=dtype)
    low.load_state_dict(exact.state_dict())
    tolerance = {"bfloat16": 0.05, "float32": 1e-5}[dtype]
    torch.testing.assert_close(low(TOKENS).double(), exact(TOKENS), rtol=tolerance, atol=tolerance)

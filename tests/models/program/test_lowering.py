from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tradewind.core import UsageError
from tradewind.core.seeds import generator
from tradewind.models.program import lower, primitives
from tradewind.programs import (
    MUTATIONS,
    Instruction,
    InvalidProgramError,
    Program,
    ProgramShapeError,
    Subprogram,
    evolved,
    mutate,
    primer,
    primer_ez,
    resolve,
    transformer,
)

SEEDS = [transformer(), primer_ez(), primer(), evolved()]


@pytest.mark.parametrize("program", SEEDS)
@pytest.mark.parametrize("fuse", [False, True])
def test_seeds_compiled_are_interpreted(program: Program, fuse: bool, pair: Callable[..., Any], x: np.ndarray) -> None:
    both = pair(resolve(program), fuse)
    np.testing.assert_allclose(both.compiled(x), both.interpreted(x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("fuse", [False, True])
def test_children_compiled_are_interpreted(fuse: bool, pair: Callable[..., Any], x: np.ndarray) -> None:
    """Where the child is a well-conditioned function: a change of the last digit of x changes no more than that."""
    compared = 0
    for n in range(100):
        try:
            graph = resolve(mutate(SEEDS[n % 4], generator(0, "lowering", n)))
        except InvalidProgramError:
            continue
        both = pair(graph, fuse)
        expected, nearby = both.interpreted(x), both.interpreted(x * (1 + 1e-14))
        size = np.abs(expected).max()
        if np.isfinite(expected).all() and np.abs(expected - nearby).max() < 1e-11 * size:
            np.testing.assert_allclose(both.compiled(x), expected, rtol=0, atol=1e-9 * size)
            compared += 1
    assert compared > 70


@given(
    name=st.sampled_from(list(MUTATIONS)),
    seed=st.integers(0, 2**32),
    start=st.sampled_from(SEEDS),
    steps=st.integers(0, 20),
    fuse=st.booleans(),
)
def test_any_mutated_program_compiles_or_has_a_reason(
    name: str, seed: int, start: Program, steps: int, fuse: bool
) -> None:
    rng = generator(seed, "compiles")
    program = start
    for _ in range(steps):
        program = MUTATIONS[list(MUTATIONS)[int(rng.integers(6))]](program, rng)
    with contextlib.suppress(InvalidProgramError):
        lower(resolve(MUTATIONS[name](program, rng)), d_model=16, context=6, fuse=fuse)


class Block(nn.Module):
    """A pre-norm Transformer block of 8 heads as anyone writes it."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(d_model, eps=0.0)
        self.query, self.key, self.value, self.out = (nn.Linear(d_model, d_model, bias=False) for _ in range(4))
        self.mlp_norm = nn.LayerNorm(d_model, eps=0.0)
        self.up, self.down = nn.Linear(d_model, 4 * d_model), nn.Linear(4 * d_model, d_model)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.attention_norm(x)
        q, k, v = (m(y).unflatten(-1, (8, -1)).transpose(1, 2) for m in (self.query, self.key, self.value))
        scores = (0.125 * q @ k.mT).masked_fill(~torch.ones(x.shape[1], x.shape[1]).tril().bool(), -torch.inf)
        x = x + self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return x + self.down(F.relu(self.up(self.mlp_norm(x))))


@pytest.mark.parametrize("fuse", [False, True])
def test_the_seed_is_a_transformer(fuse: bool) -> None:
    d_model = 64
    torch.manual_seed(0)
    ours = lower(resolve(transformer()), d_model, 12, fuse).to_empty(device="cpu").to(torch.float64)
    theirs = Block(d_model).to(torch.float64)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    places = [
        *(theirs.attention_norm.weight, theirs.attention_norm.bias),
        *(theirs.query.weight, theirs.key.weight, theirs.value.weight, theirs.out.weight),
        *(theirs.mlp_norm.weight, theirs.mlp_norm.bias),
        *(theirs.up.weight, theirs.up.bias, theirs.down.weight, theirs.down.bias),
    ]
    with torch.no_grad():
        for mine, given_ in zip(ours.parameters(), places, strict=True):
            assert mine.numel() == given_.numel()
            mine.copy_(given_.reshape(mine.shape))
    x = torch.randn(2, 12, d_model, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-11, atol=1e-11)
    gradients = [
        torch.autograd.grad(m(x).square().sum(), [m.get_parameter(n) for n in names])
        for m, names in (
            (ours, [n for n, _ in ours.named_parameters()]),
            (
                theirs,
                [
                    "attention_norm.weight",
                    "attention_norm.bias",
                    "query.weight",
                    "key.weight",
                    "value.weight",
                    "out.weight",
                    "mlp_norm.weight",
                    "mlp_norm.bias",
                    "up.weight",
                    "up.bias",
                    "down.weight",
                    "down.bias",
                ],
            ),
        )
    ]
    for mine, given_ in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, given_.reshape(mine.shape), rtol=1e-9, atol=1e-9)


def test_faithful_mode_has_one_call_a_node() -> None:
    for program in SEEDS:
        graph = resolve(program)
        calls = [n for n in lower(graph, 64, 16, fuse=False).graph.nodes if n.op == "call_function"]
        assert len(calls) == len(graph.nodes) - 1


def test_both_modes_have_the_same_parameters() -> None:
    for program in SEEDS:
        shapes = [
            {n: p.shape for n, p in lower(resolve(program), 64, 16, fuse).named_parameters()} for fuse in (True, False)
        ]
        assert shapes[0] == shapes[1]


def test_the_block_is_made_on_meta_whatever_its_size() -> None:
    block = lower(resolve(transformer()), d_model=65536, context=2**20)
    assert {p.device.type for p in block.parameters()} == {"meta"}
    assert sum(p.numel() for p in block.parameters()) == 12 * 65536**2 + (4 + 4 + 1) * 65536


def test_a_value_of_another_shape_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**primitives.FUNCTIONS, "TANH": lambda x: x[..., :1]}
    monkeypatch.setattr("tradewind.models.program.lowering.FUNCTIONS", wrong)
    graph = resolve(Program((Subprogram("main", (Instruction("TANH"),)),)))
    with pytest.raises(ProgramShapeError, match=r"TANH gives the shape \(2, \d+, 1\) where the graph says"):
        lower(graph, 16, 8)


@pytest.mark.parametrize("d_model", [0, -8, 12, 8.0, True])
def test_width_is_a_multiple_of_eight(d_model: Any) -> None:
    with pytest.raises(UsageError, match="give a multiple of 8"):
        lower(resolve(transformer()), d_model, 8)


def test_the_identity_is_a_block_too() -> None:
    block = lower(resolve(Program((Subprogram("main", ()),))), 16, 8)
    x = torch.ones(1, 3, 16)
    assert block(x) is x


def test_a_weight_along_the_tokens_serves_shorter_sequences(pair: Callable[..., Any], x: np.ndarray) -> None:
    both = pair(resolve(evolved()), fuse=True)
    for tokens in (1, 2, x.shape[1]):
        np.testing.assert_allclose(both.compiled(x[:, :tokens]), both.interpreted(x[:, :tokens]), rtol=1e-12)


def test_silent_genes_change_nothing(pair: Callable[..., Any]) -> None:
    body = transformer().subprograms[9].instructions
    silent = transformer().with_body(9, [dataclasses.replace(body[0], dimension=0, branch=1)])
    assert lower(resolve(silent), 16, 4).code == lower(resolve(transformer()), 16, 4).code

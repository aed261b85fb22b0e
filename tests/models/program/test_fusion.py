from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tradewind.models.program import lower
from tradewind.programs import Instruction, Program, Subprogram, evolved, primer, primer_ez, resolve, transformer

HEAD, MODEL = 0, 1


def calls(program: Program) -> list[str]:
    """Names of the calls, without the numbers that tell equal ones apart."""
    nodes = lower(resolve(program), 64, 16).graph.nodes
    return [str(n.target.__name__) for n in nodes if n.op == "call_function"]


def block(*instructions: Instruction) -> Program:
    return Program((Subprogram("main", instructions),))


def test_the_seed_is_fourteen_calls() -> None:
    assert calls(transformer()) == [
        "layer_norm",
        "head_projections",
        "mul",
        "head_projections",
        "head_projections",
        "attention",
        "branch_merge",
        "dense",
        "add",
        "layer_norm",
        "linear",
        "maximum",
        "linear",
        "add",
    ]


def test_the_depthwise_convolutions_are_one_call_each() -> None:
    assert calls(primer_ez()).count("depthwise") == 3


def test_the_custom_norm_is_a_layer_norm() -> None:
    assert calls(primer()).count("layer_norm") == 2


def test_what_stands_between_keeps_attention_apart() -> None:
    found = calls(evolved())
    assert "attention" not in found
    assert found.count("masked_softmax") == 1


SOFTMAX = (
    Instruction("T_MAT_MUL"),
    Instruction("EXP", 2),
    Instruction("MASK", 3),
    Instruction("RED_SUM", 4),
    Instruction("DIVIDE", 4, 5),
)
NORM = (
    Instruction("RED_MEAN", 0),
    Instruction("DIFFERENCE", 0, 2),
    Instruction("MULTIPLY", 3, 3),
    Instruction("RED_MEAN", 4),
    Instruction("ABS_ROOT", 5),
    Instruction("DIVIDE", 3, 6),
)


NORM_OF_2 = (
    Instruction("RED_MEAN", 2),
    Instruction("DIFFERENCE", 2, 3),
    Instruction("MULTIPLY", 4, 4),
    Instruction("RED_MEAN", 5),
    Instruction("ABS_ROOT", 6),
    Instruction("DIVIDE", 4, 7),
)


WIDEN = Instruction("CONV_3X1", 8, dimension=MODEL)
"""From state 8 to the width of the block; no pattern has three taps."""


def branched(*body: Instruction) -> Program:
    """Four copies of a body side by side, then a dense map in three taps, which no pattern has."""
    main = (Instruction("S1", branch=4), Instruction("CONV_3X1", 2, dimension=MODEL))
    return Program((Subprogram("main", main), Subprogram("f", body)))


@pytest.mark.parametrize(
    ("program", "fused"),
    [
        (block(*SOFTMAX, Instruction("MAT_MUL", 6, 0)), ["attention"]),
        (
            block(*SOFTMAX, Instruction("CONV_3X1", 0, dimension=HEAD), Instruction("MAT_MUL", 6, 7), WIDEN),
            ["attention"],
        ),
        # The softmax is used twice, or the scores, or the powers, or the sum.
        (block(*SOFTMAX, Instruction("MAT_MUL", 6, 6), Instruction("MAT_MUL", 7, 0)), ["masked_softmax"]),
        (
            block(*SOFTMAX, Instruction("ADD", 2, 6), Instruction("MAT_MUL", 7, 0)),
            ["masked_softmax"],
        ),
        (block(*SOFTMAX, Instruction("ADD", 3, 6), Instruction("MAT_MUL", 7, 0)), []),
        (block(*SOFTMAX, Instruction("MULTIPLY", 5, 6), Instruction("MAT_MUL", 7, 0)), []),
        (block(*SOFTMAX[:4], Instruction("DIVIDE", 5, 4), Instruction("MAT_MUL", 6, 0)), []),
        (block(*SOFTMAX[:3], Instruction("RED_SUM", 3), SOFTMAX[4], Instruction("MAT_MUL", 6, 0)), []),
        (block(*NORM), ["z_score"]),
        (block(*NORM, Instruction("SCALE", 7), Instruction("SHIFT", 8)), ["layer_norm"]),
        (block(*NORM, Instruction("SCALE", 7), Instruction("SHIFT", 7), Instruction("ADD", 8, 9)), ["z_score"]),
        (block(*NORM[:2], Instruction("SQUARE", 3), *NORM[3:]), ["z_score"]),
        (block(*NORM[:2], Instruction("MULTIPLY", 0, 3), *NORM[3:]), ["z_score"]),
        (block(*NORM[:2], Instruction("MULTIPLY", 0, 0), *NORM[3:]), []),
        (block(*NORM[:2], Instruction("SQUARE", 0), *NORM[3:]), []),
        (block(*NORM[:5], Instruction("DIVIDE", 0, 6)), []),
        (block(*NORM, Instruction("ADD", 7, 3)), []),
        (block(*NORM, Instruction("ADD", 7, 4)), []),
        (block(*NORM, Instruction("ADD", 7, 2)), []),
        (block(*NORM, Instruction("ADD", 7, 6)), []),
        (block(Instruction("CONV_1X1", dimension=MODEL), Instruction("SHIFT", 2)), ["linear"]),
        (block(Instruction("CONV_1X1", dimension=MODEL), Instruction("SHIFT", 2), Instruction("ADD", 2, 3)), []),
        (block(Instruction("CONV_3X1", dimension=MODEL), Instruction("SHIFT", 2)), []),
        (
            block(Instruction("T_MAT_MUL"), Instruction("CONV_1X1", 2, dimension=MODEL), Instruction("SHIFT", 3)),
            [],
        ),
        (block(Instruction("CONV_1X1", dimension=HEAD, branch=8)), ["head_projections"]),
        # In a branch every copy has weights of its own.
        (branched(*NORM, Instruction("SCALE", 7), Instruction("SHIFT", 8)), ["z_score"]),
        (branched(Instruction("CONV_1X1", dimension=HEAD), Instruction("SHIFT", 2)), ["head_projections"]),
        (branched(Instruction("TANH"), Instruction("CONV_1X1", 2, dimension=HEAD)), []),
        # Along T columns a weight is cut to the sequence.
        (
            block(
                Instruction("T_MAT_MUL"),
                *NORM_OF_2,
                Instruction("SCALE", 8),
                Instruction("SHIFT", 9),
                Instruction("MAT_MUL", 10, 0),
            ),
            ["z_score"],
        ),
        (block(Instruction("T_MAT_MUL"), Instruction("CONV_1X1", 2, dimension=HEAD, branch=8)), []),
    ],
)
def test_a_pattern_is_taken_only_where_it_is_whole(
    program: Program, fused: list[str], pair: Callable[..., Any], x: np.ndarray
) -> None:
    kernels = {"attention", "masked_softmax", "z_score", "layer_norm", "linear", "head_projections"}
    assert [name for name in calls(program) if name in kernels] == fused
    both = pair(resolve(program), fuse=True)
    expected = both.interpreted(x)
    np.testing.assert_allclose(both.compiled(x), expected, rtol=1e-9, atol=1e-10)


def test_fused_attention_does_not_overflow_and_the_faithful_one_does() -> None:
    blocks = {}
    for fuse in (True, False):
        blocks[fuse] = lower(resolve(block(*SOFTMAX, Instruction("MAT_MUL", 6, 0))), 16, 4, fuse)
    x = 10 * torch.eye(4, 16)[None]
    assert blocks[False](x).isnan().any()
    torch.testing.assert_close(blocks[True](x), x)


def test_fused_gradients_are_those_of_the_primitives(pair: Callable[..., Any], x: np.ndarray) -> None:
    gradients = []
    for fuse in (True, False):
        both = pair(resolve(primer_ez()), fuse)
        both.block(torch.from_numpy(x)).square().sum().backward()
        gradients.append({name: p.grad for name, p in both.block.named_parameters()})
    assert set(gradients[0]) == set(gradients[1])
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-9, atol=1e-9)

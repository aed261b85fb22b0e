from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tradewind.models.program.primitives import FUNCTIONS, convolution, depthwise, recip
from tradewind.programs import OPERATIONS, Instruction, Program, Subprogram, resolve

ONE_UNIT, MODEL = 0, 1


def around(op: str) -> list[Instruction]:
    """Instructions that use the primitive and give back the width of the block."""
    body = [Instruction("TANH"), Instruction(op, 0, 2, constant=1, dimension=MODEL)]
    shape = OPERATIONS[op].shape
    if shape == "product":
        return [Instruction("T_MAT_MUL"), Instruction(op, 2, 0)]
    if shape == "gram":
        return [*body, Instruction("MAT_MUL", 3, 0)]
    return [*body, Instruction("ADD", 0, 3)]


def along_tokens(op: str) -> list[Instruction]:
    """Instructions that use the primitive on a value with one column a token."""
    body = [Instruction("T_MAT_MUL"), Instruction("MASK", 2), Instruction(op, 3, 2, constant=1, dimension=MODEL)]
    shape = OPERATIONS[op].shape
    if shape in ("reduce", "dense"):
        return [*body, Instruction("ADD", 0, 4)]
    return [*body, Instruction("MAT_MUL", 4, 0)]


@pytest.mark.parametrize("op", OPERATIONS)
@pytest.mark.parametrize("branch", [1, 4])
@pytest.mark.parametrize("body", [around, along_tokens])
def test_compiled_is_interpreted(
    op: str, branch: int, body: Callable[[str], list[Instruction]], pair: Callable[..., Any], x: np.ndarray
) -> None:
    call = (Instruction("S1", branch=branch), Instruction("CONV_1X1", 2, dimension=MODEL))
    program = Program((Subprogram("main", call), Subprogram("f", tuple(body(op)))))
    both = pair(resolve(program), fuse=False)
    expected = both.interpreted(x)
    np.testing.assert_allclose(both.compiled(x), expected, rtol=1e-10, atol=1e-10)
    if (op, body) not in {("LOG", along_tokens), ("DIVIDE", along_tokens)}:  # log 0, 0/0 above the diagonal are meant
        assert np.isfinite(expected).all()


def test_branches_inside_branches(pair: Callable[..., Any], x: np.ndarray) -> None:
    inner = (
        Instruction("CONV_3X1", dimension=ONE_UNIT, branch=2),
        Instruction("DCONV_7X1", 2),
        Instruction("S2", 3, branch=4),
        Instruction("SHIFT", 4),
    )
    leaf = (Instruction("CONV_1X1", dimension=ONE_UNIT), Instruction("SCALE", 2))
    main = (Instruction("S1", branch=4), Instruction("CONV_1X1", 2, dimension=MODEL))
    both = pair(resolve(Program((Subprogram("main", main), Subprogram("f", inner), Subprogram("g", leaf)))), fuse=False)
    np.testing.assert_allclose(both.compiled(x), both.interpreted(x), rtol=1e-10, atol=1e-12)


def test_every_operation_has_a_function() -> None:
    assert set(FUNCTIONS) == {*OPERATIONS, "BRANCH_INPUT", "BRANCH_MERGE"}


@pytest.mark.parametrize("kernel", [3, 31])
def test_convolutions_are_torch_convolutions(kernel: int) -> None:
    x = torch.randn(2, 9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(6, 4, kernel, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    padded = F.pad(x.mT, (kernel - 1, 0))
    torch.testing.assert_close(convolution(x, weight), F.conv1d(padded, weight).mT)
    torch.testing.assert_close(depthwise(x, weight[0]), F.conv1d(padded, weight[0][:, None], groups=4).mT)


def test_gradients() -> None:
    """Of what is written by hand rather than taken from torch; RECIP has none at 0."""
    x = torch.randn(2, 4, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    wide = torch.randn(4, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    narrow = torch.randn(4, 3, 3, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(convolution, (x, wide))
    torch.autograd.gradcheck(depthwise, (x, narrow))
    zero = torch.tensor([0.0, 2.0], requires_grad=True)
    recip(zero).sum().backward()
    assert zero.grad is not None
    torch.testing.assert_close(zero.grad, torch.tensor([0.0, -0.25]))

"""Blocks with known weights, and what the numpy interpreter makes of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import fx

from tradewind.core.seeds import generator
from tradewind.models.program import lower
from tradewind.programs import Graph, interpret, random_weights
from tradewind.programs.graph import unit_of

D_MODEL, CONTEXT, TOKENS, BATCH = 16, 7, 5, 2


class Pair:
    """A lowered block in float64 beside the interpreter, with the same weights."""

    def __init__(self, graph: Graph, fuse: bool, seed: int = 0) -> None:
        self.graph = graph
        self.weights = random_weights(graph, unit_of(D_MODEL), CONTEXT, seed)
        self.block: fx.GraphModule = lower(graph, D_MODEL, CONTEXT, fuse)
        self.block.to_empty(device="cpu").to(torch.float64)
        with torch.no_grad():
            for (number, weight), (name, parameter) in zip(
                self.weights.items(), self.block.named_parameters(), strict=True
            ):
                assert name.startswith(graph.nodes[number].op.lower())
                parameter.copy_(torch.from_numpy(weight))

    def interpreted(self, x: np.ndarray) -> np.ndarray:
        return np.stack([interpret(self.graph, self.weights, row) for row in x])

    def compiled(self, x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(self.block(torch.from_numpy(x)))


@pytest.fixture(scope="session")
def pair() -> Callable[..., Pair]:
    return Pair


@pytest.fixture(scope="session")
def x() -> np.ndarray:
    return generator(0, "block input").standard_normal((BATCH, TOKENS, D_MODEL))

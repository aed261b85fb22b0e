"""Patterns of primitives that one kernel of torch computes: attention, softmax, norm, biased and per-head dense maps.

A fused node gives what its primitives give, within rounding, wherever those do not overflow: the paper's softmax (EXP,
then MASK, RED_SUM, DIVIDE) does past scores of about 88 in float32, the fused one does not. Values inside a pattern are
not kept, so a pattern is taken only where nothing else uses them.

Letters: B batch, G copies, T tokens, C columns, S head size, O columns of a result.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tradewind.programs.graph import Graph, Node

SQUARES = ("MULTIPLY", "SQUARE")


@dataclasses.dataclass(frozen=True)
class Fused:
    """A kernel in place of a pattern: it takes the values of `inputs`, then the weights of the nodes `weights`."""

    function: Callable[..., Tensor]
    inputs: tuple[int, ...]
    weights: tuple[int, ...] = ()


def attention(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Causal softmax(q kᵀ) v: three of (B, T, S) or (B, G, T, S) -> the same; any scale is in q already."""
    return F.scaled_dot_product_attention(query, keys, values, is_causal=True, scale=1.0)


def masked_softmax(scores: Tensor) -> Tensor:
    """Softmax over columns up to the row's number, 0 past it: (..., T, C) -> the same."""
    past = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril().logical_not()
    return scores.masked_fill(past, -torch.inf).softmax(-1)


def z_score(x: Tensor) -> Tensor:
    """(x - mean) / deviation over the columns, no epsilon."""
    return F.layer_norm(x, x.shape[-1:], eps=0.0)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`z_score`, then scale and shift, both (C,)."""
    return F.layer_norm(x, x.shape[-1:], weight, bias, eps=0.0)


def head_projections(x: Tensor, weight: Tensor) -> Tensor:
    """The dense maps of all copies of one value as one: (B, T, C), (G, O, C) -> (B, G, T, O)."""
    return torch.unflatten(F.linear(x, weight.flatten(0, 1)), -1, weight.shape[:2]).transpose(1, 2)


class Patterns:
    """Finds the patterns of a graph, by the node that they end in."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = graph.nodes
        self.uses = Counter(i for node in graph.nodes for i in node.inputs)

    def ending_in(self, number: int) -> Fused | None:
        """The largest pattern whose result is this node's."""
        for match in (self._attention, self._softmax, self._layer_norm, self._z_score, self._biased, self._heads):
            if (found := match(number)) is not None:
                return found
        return None

    def _inner(self, number: int, op: str, uses: int = 1) -> Node | None:
        """The node if it is this operation and has so many uses, all of them in the pattern."""
        node = self.nodes[number]
        return node if node.op == op and self.uses[number] == uses else None

    def _attention(self, number: int) -> Fused | None:
        node = self.nodes[number]
        if node.op != "MAT_MUL" or self.uses[node.inputs[0]] != 1:
            return None
        weights = self._softmax(node.inputs[0])
        if weights is None or (scores := self._inner(weights.inputs[0], "T_MAT_MUL")) is None:
            return None
        return Fused(attention, (*scores.inputs, node.inputs[1]))

    def _softmax(self, number: int) -> Fused | None:
        node = self.nodes[number]
        if node.op != "DIVIDE":
            return None
        above, below = node.inputs
        total, masked = self._inner(below, "RED_SUM"), self._inner(above, "MASK", uses=2)
        if total is None or masked is None or total.inputs != (above,):
            return None
        powers = self._inner(masked.inputs[0], "EXP")
        return None if powers is None else Fused(masked_softmax, powers.inputs)

    def _z_score(self, number: int) -> Fused | None:
        node = self.nodes[number]
        if node.op != "DIVIDE" or (root := self._inner(node.inputs[1], "ABS_ROOT")) is None:
            return None
        centred = self.nodes[node.inputs[0]]
        if centred.op != "DIFFERENCE" or (variance := self._inner(root.inputs[0], "RED_MEAN")) is None:
            return None
        x = centred.inputs[0]
        squares, mean = self.nodes[variance.inputs[0]], self._inner(centred.inputs[1], "RED_MEAN")
        if mean is None or mean.inputs != (x,) or squares.op not in SQUARES or self.uses[variance.inputs[0]] != 1:
            return None
        # The mean of (x - mean) x is that of (x - mean)²: the custom norm of Primer is a layer norm.
        pair = sorted(squares.inputs * (2 if squares.op == "SQUARE" else 1))
        if pair not in ([node.inputs[0]] * 2, sorted((x, node.inputs[0]))):
            return None
        uses = 1 + pair.count(node.inputs[0]) - (squares.op == "SQUARE")
        return Fused(z_score, (x,)) if self.uses[node.inputs[0]] == uses else None

    def _layer_norm(self, number: int) -> Fused | None:
        node = self.nodes[number]
        if node.op != "SHIFT" or node.copies > 1 or node.width.axis == "token":
            return None
        scaled = self._inner(node.inputs[0], "SCALE")
        if scaled is None or self.uses[scaled.inputs[0]] != 1 or (norm := self._z_score(scaled.inputs[0])) is None:
            return None
        return Fused(layer_norm, norm.inputs, (node.inputs[0], number))

    def _biased(self, number: int) -> Fused | None:
        node = self.nodes[number]
        if node.op != "SHIFT" or node.copies > 1 or (mapped := self._inner(node.inputs[0], "CONV_1X1")) is None:
            return None
        if self.nodes[mapped.inputs[0]].width.axis == "token":
            return None
        return Fused(F.linear, mapped.inputs, (node.inputs[0], number))

    def _heads(self, number: int) -> Fused | None:
        node = self.nodes[number]
        if node.op != "CONV_1X1" or node.copies == 1:
            return None
        source = self.nodes[node.inputs[0]]
        if source.op != "BRANCH_INPUT" or source.branch != node.copies or source.width.axis == "token":
            return None
        return Fused(head_projections, source.inputs, (number,))

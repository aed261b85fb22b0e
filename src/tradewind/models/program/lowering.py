"""From a graph of primitives to a torch.fx module: the only way of a program to torch.

Each node of the graph is one call, or several are one call where a pattern is fused; the shape of every value is
checked on the meta device.

Letters: B batch, G copies, T tokens, C columns, D width (d_model).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor, fx, nn

from tradewind.models.program.fusion import Patterns
from tradewind.models.program.primitives import FUNCTIONS
from tradewind.programs import Graph, Node, ProgramShapeError
from tradewind.programs.graph import unit_of

BATCH = 2
"""Sequences of the shape check."""


def lower(graph: Graph, d_model: int, context: int, fuse: bool = True) -> fx.GraphModule:
    """The block of a graph as a module on the meta device, (B, T, D) -> (B, T, D) for T up to `context`.

    Parameters come in the order of `Graph.weight_shapes`, with its shapes; ``conv_1x1_3`` is that of the fourth
    CONV_1X1, so that a program and its child share the names of what an edit left alone, and with them the values that
    a seed draws. They are the same whether fused or not. Without `fuse` every primitive is its own operation, in the
    numerics of the paper (a softmax that can overflow).

    Raises `UsageError` if d_model is no multiple of 8 and `ProgramShapeError` if a value has not the shape that the
    graph says.

    >>> from tradewind.programs import resolve, transformer
    >>> block = lower(resolve(transformer()), d_model=64, context=32)
    >>> [node.name for node in block.graph.nodes if node.op == "call_function"][:3]
    ['layer_norm', 'head_projections', 'mul']
    """
    unit = unit_of(d_model)
    root = nn.Module()
    names: dict[int, str] = {}
    named: Counter[str] = Counter()
    for number, shape in graph.weight_shapes(unit, context).items():
        op = graph.nodes[number].op.lower()
        names[number] = f"{op}_{named[op]}"
        named[op] += 1
        root.register_parameter(names[number], nn.Parameter(torch.empty(shape, device="meta")))
    module = fx.GraphModule(root, _Emitter(graph, names, fuse).run(), class_name="Block")
    # A length that no width has, where the context leaves the choice, so that the two cannot be taken for each other.
    widths = {node.width.size(unit, 0) for node in graph.nodes}
    tokens = next((t for t in range(min(context, 2 * len(widths) + 3), 0, -1) if t not in widths), context)
    _ShapeCheck(module, unit).run(torch.empty(BATCH, tokens, d_model, device="meta"))
    return module


class _Emitter:
    """Emits the calls that the output needs, each after its inputs."""

    def __init__(self, graph: Graph, names: dict[int, str], fuse: bool) -> None:
        self.source, self.names = graph, names
        self.patterns = Patterns(graph) if fuse else None
        self.target = fx.Graph()
        self.values: dict[int, fx.Node] = {}

    def run(self) -> fx.Graph:
        output = len(self.source.nodes) - 1
        x = self.target.placeholder("x")
        plans = {number: self._plan(number) for number in self._needed(output)}
        for number in sorted(plans):
            node = self.source.nodes[number]
            if node.op == "INPUT":
                self.values[number] = x
            else:
                function, inputs, weights, extra = plans[number]
                arguments = [self.values[i] for i in inputs] + [self.target.get_attr(self.names[w]) for w in weights]
                self.values[number] = self.target.call_function(function, (*arguments, *extra))
            self.values[number].meta["node"] = node
        self.target.output(self.values[output])
        return self.target

    def _needed(self, output: int) -> set[int]:
        """The nodes whose values are made: those inside a fused pattern are not."""
        needed, waiting = set(), [output]
        while waiting:
            number = waiting.pop()
            if number not in needed:
                needed.add(number)
                waiting.extend(self._plan(number)[1])
        return needed

    def _plan(self, number: int) -> tuple[Any, tuple[int, ...], tuple[int, ...], tuple[float, ...]]:
        """Function, nodes of the inputs, nodes of the weights, and constants of a call."""
        fused = self.patterns.ending_in(number) if self.patterns else None
        if fused is not None:
            return fused.function, fused.inputs, fused.weights, ()
        node = self.source.nodes[number]
        weights = (number,) if number in self.names else ()
        extra: tuple[float, ...] = () if node.constant is None else (node.constant,)
        if node.op.startswith("BRANCH_"):
            extra = (node.branch,)
        return FUNCTIONS.get(node.op), node.inputs, weights, extra


class _ShapeCheck(fx.Interpreter):
    """Runs a block and compares the shape of every value with what its node says."""

    def __init__(self, module: fx.GraphModule, unit: int) -> None:
        super().__init__(module)
        self.unit = unit

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        node: Node | None = n.meta.get("node")
        if node is None:
            return value
        assert isinstance(value, Tensor)
        if n.op == "placeholder":
            self.batch, self.tokens = value.shape[:2]
        copies = (node.copies,) if node.copies > 1 else ()
        expected = (self.batch, *copies, self.tokens, node.width.size(self.unit, self.tokens))
        if tuple(value.shape) != expected:
            raise ProgramShapeError(f"{node.op} gives the shape {tuple(value.shape)} where the graph says {expected}")
        return value

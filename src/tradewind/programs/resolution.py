"""From a program to its graph: calls inlined, dead code dropped, widths fitted, flow along the sequence known."""

from __future__ import annotations

import dataclasses

from tradewind.programs.canonical import canonical_steps, hash_of_steps, in_canonical_order
from tradewind.programs.causality import flow_of
from tradewind.programs.errors import ProgramShapeError
from tradewind.programs.graph import Flow, Graph, Node
from tradewind.programs.program import Program
from tradewind.programs.widths import widths


def resolve(program: Program) -> Graph:
    """The typed graph of a program: equal for programs that are the same graph.

    A block that looks ahead resolves too; `tradewind.programs.check_causal` refuses it. Raises `ProgramShapeError` for
    widths beyond repair and `ProgramTooLargeError`.

    >>> from tradewind.programs import transformer
    >>> graph = resolve(transformer())
    >>> len(graph.nodes), graph.nodes[-1].op, str(graph.nodes[-1].width), graph.nodes[-1].flow
    (37, 'ADD', '8 units', 'causal')
    """
    steps = canonical_steps(program)
    known = widths(steps)
    fitted = tuple(
        step if step.dimension is None else dataclasses.replace(step, dimension=width.count)
        for step, width in zip(steps, known, strict=True)
    )
    if fitted != steps:  # ordered again: a width that was repaired and one that was asked for are the same graph
        steps = in_canonical_order(fitted, len(fitted) - 1)
        known = widths(steps)
    flows: list[Flow] = []
    for step in steps:
        flows.append(flow_of(step, known, flows))
    return Graph(
        tuple(
            Node(step.op, step.inputs, step.constant, step.branch, step.copies, width, flow)
            for step, width, flow in zip(steps, known, flows, strict=True)
        )
    )


def canonical_hash(program: Program) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the graph.

    Equal for programs that differ in dead instructions, silent genes, the order of commuting inputs, how they are cut
    into subprograms, or dimensions that repair makes equal. A program with widths beyond repair has one too, that of
    its graph without widths. Raises `ProgramTooLargeError`.

    >>> from tradewind.programs import transformer
    >>> seed = transformer()
    >>> residual = seed.subprograms[8].instructions[0]
    >>> swapped = seed.with_body(8, [dataclasses.replace(residual, input_1=1, input_2=0)])
    >>> seed.id == swapped.id, canonical_hash(seed) == canonical_hash(swapped)
    (False, True)
    """
    try:
        return resolve(program).hash
    except ProgramShapeError:
        return hash_of_steps(canonical_steps(program))

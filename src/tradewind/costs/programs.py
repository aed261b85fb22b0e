"""Closed forms of programs: parameters of a block and operations of the language model made of equal blocks.

Operations are counted as those of architectures (see `formulas`): matrix products and convolutions only, over the whole
T x T square; FLOPs = 2 · MACs. A training step is three forwards: one, and two products in the backward for each.

Symbols: T tokens, G copies of a node in a branch, C columns of its result, I columns of its input, K taps of a kernel;
L blocks, d = d_model, V vocabulary, B batch. MACs of a node for one sequence:

CONV      G·T·I·C·K
DCONV     G·T·C·K
MAT_MUL   G·T·T·C
T_MAT_MUL G·T·T·I
output    T·V·d, once
"""

from __future__ import annotations

import math

from tradewind.programs import Graph, Sizes
from tradewind.programs.graph import unit_of

TRAINING = 3
"""Forwards that a training step counts for."""


def block_params(graph: Graph, sizes: Sizes) -> int:
    """Parameters of one block.

    >>> from tradewind.programs import resolve, transformer
    >>> block_params(resolve(transformer()), Sizes(d_model=64))
    49728
    """
    return sum(math.prod(shape) for shape in graph.weight_shapes(unit_of(sizes.d_model), sizes.context).values())


def decoder_params(graph: Graph, sizes: Sizes) -> int:
    """Parameters of all blocks and of the final LayerNorm."""
    return sizes.n_layer * block_params(graph, sizes) + 2 * sizes.d_model


def params(graph: Graph, sizes: Sizes) -> int:
    """All parameters; the output layer is the embedding."""
    return decoder_params(graph, sizes) + (sizes.vocab_size + sizes.context) * sizes.d_model


def flops(graph: Graph, sizes: Sizes, batch: int, seq_len: int) -> int:
    """Floating-point operations of one forward with the logits of all positions.

    >>> from tradewind.programs import resolve, transformer
    >>> flops(resolve(transformer()), Sizes(d_model=64, n_layer=1, vocab_size=256), batch=1, seq_len=64)
    9437184
    """
    unit = unit_of(sizes.d_model)
    macs = seq_len * sizes.vocab_size * sizes.d_model
    for node in graph.nodes:
        row = node.primitive
        if row is None or not (row.mixes or row.kernel):
            continue
        columns = node.width.size(unit, seq_len)
        read = graph.nodes[node.inputs[0]].width.size(unit, seq_len)
        per_row = {
            "dense": read * columns * row.kernel,
            "same": columns * row.kernel,  # the cumulative operations have no kernel
            "product": seq_len * columns,
            "gram": seq_len * read,
        }[row.shape]
        macs += sizes.n_layer * node.copies * seq_len * per_row
    return 2 * batch * macs


def step_flops(graph: Graph, sizes: Sizes, batch: int, seq_len: int) -> int:
    """Floating-point operations of one training step."""
    return TRAINING * flops(graph, sizes, batch, seq_len)

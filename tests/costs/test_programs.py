"""Parameters and operations of programs, against the built model and PyTorch's own counter."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tradewind.core.seeds import generator
from tradewind.costs import programs as costs
from tradewind.models.program import build
from tradewind.programs import Program, ProgramSpace, Sizes, evolved, primer, primer_ez, resolve, transformer

SIZES = Sizes(d_model=16, n_layer=2, vocab_size=20, context=12)
PROGRAMS = {"transformer": transformer(), "primer-ez": primer_ez(), "primer": primer(), "evolved": evolved()}
CHILDREN = {f"child {seed}": ProgramSpace(sizes=SIZES).sample(seed) for seed in range(8)}


def model_of(program: Program, sizes: Sizes) -> torch.nn.Module:
    return build(
        program, d_model=sizes.d_model, n_layer=sizes.n_layer, vocab_size=sizes.vocab_size, context=sizes.context
    )


@pytest.mark.parametrize("program", [*PROGRAMS.values(), *CHILDREN.values()], ids=[*PROGRAMS, *CHILDREN])
def test_parameters_are_those_of_the_model(program: Program) -> None:
    model, graph = model_of(program, SIZES), resolve(program)
    assert costs.params(graph, SIZES) == sum(p.numel() for p in model.parameters())
    outside = sum(p.numel() for name, p in model.named_parameters() if "embedding" in name)
    assert costs.decoder_params(graph, SIZES) == costs.params(graph, SIZES) - outside


@pytest.mark.parametrize("program", [*PROGRAMS.values(), *CHILDREN.values()], ids=[*PROGRAMS, *CHILDREN])
def test_operations_are_those_of_the_counter(program: Program) -> None:
    tokens = torch.from_numpy(generator(0, "tokens").integers(20, size=(3, 12)))
    # One operation a primitive: the counter knows the kernels of each.
    model = build(program, d_model=16, n_layer=2, vocab_size=20, context=12, fuse=False)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(tokens)
    assert costs.flops(resolve(program), SIZES, batch=3, seq_len=12) == counter.get_total_flops()


def test_a_step_is_three_forwards() -> None:
    model = build(transformer(), d_model=16, n_layer=2, vocab_size=20, context=12, fuse=False)
    tokens = torch.zeros(2, 12, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        # All logits at once: the counter does not know the products in place of the blockwise loss.
        torch.nn.functional.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten()).backward()
    assert counter.get_total_flops() == costs.step_flops(resolve(transformer()), SIZES, 2, 12)

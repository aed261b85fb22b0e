from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.seeds import generator
from tradewind.programs import (
    MUTATIONS,
    Instruction,
    InvalidProgramError,
    Program,
    ProgramCausalityError,
    Subprogram,
    check_causal,
    evolved,
    first_leak,
    mutate,
    primer,
    primer_ez,
    resolve,
    transformer,
)

SEEDS = [transformer(), primer_ez(), primer(), evolved()]


def block(*instructions: Instruction, constants: tuple[float, float] = (0.0, 0.125)) -> Program:
    return Program((Subprogram("main", instructions),), constants)


def flow(program: Program) -> str:
    return resolve(program).nodes[-1].flow


def square(*middle: Instruction) -> Program:
    """X Yᵀ, what is done to it (from state 3), and its product with the values."""
    body = (Instruction("CONV_1X1", dimension=0), Instruction("T_MAT_MUL", 2, 0), *middle)
    return block(*body, Instruction("MAT_MUL", len(body) + 1, 0))


@pytest.mark.parametrize("program", SEEDS)
def test_seeds_do_not_look_ahead(program: Program) -> None:
    check_causal(resolve(program))
    assert all(node.flow != "leaking" for node in resolve(program).nodes)


@pytest.mark.parametrize("program", SEEDS)
def test_without_the_mask_both_tests_say_so(program: Program) -> None:
    body = list(program.subprograms[4].instructions)
    assert body[1].op == "MASK"
    body[1] = dataclasses.replace(body[1], op="TANH")
    graph = resolve(program.with_body(4, body))
    assert graph.nodes[-1].flow == "leaking"
    assert first_leak(graph) is not None
    with pytest.raises(ProgramCausalityError, match="moves information along the sequence without a mask"):
        check_causal(graph)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (square(), "leaking"),
        (square(Instruction("MASK", 3)), "causal"),
        (square(Instruction("MASK", 3), Instruction("EXP", 4)), "leaking"),  # e⁰ = 1 above the diagonal
        (square(Instruction("EXP", 3), Instruction("MASK", 4)), "causal"),
        (square(Instruction("MASK", 3), Instruction("SHIFT", 4)), "leaking"),
        (square(Instruction("MASK", 3), Instruction("SCALE", 4)), "causal"),
        (square(Instruction("MASK", 3), Instruction("MAX", 4, constant=0)), "causal"),
        (square(Instruction("MASK", 3), Instruction("MAX", 4, constant=1)), "leaking"),
        (square(Instruction("MASK", 3), Instruction("MIN", 4, constant=1)), "causal"),
        (square(Instruction("MASK", 3), Instruction("MULTIPLY", 3, 4)), "causal"),
        (square(Instruction("MASK", 3), Instruction("ADD", 3, 4)), "leaking"),
        (square(Instruction("MASK", 3), Instruction("DIVIDE", 4, 3)), "causal"),
        (square(Instruction("CUM_SUM", 3), Instruction("MASK", 4)), "causal"),
        (square(Instruction("DCONV_7X1", 3), Instruction("MASK", 4)), "causal"),
        (square(Instruction("MASK", 3), Instruction("CUM_PROD", 4)), "causal"),
        (square(Instruction("RED_SUM", 3), Instruction("MULTIPLY", 3, 4), Instruction("MASK", 5)), "leaking"),
        (square(Instruction("MASK", 3), Instruction("MAT_MUL", 4, 3), Instruction("MASK", 5)), "causal"),
        (square(Instruction("MASK", 3), Instruction("MAT_MUL", 3, 4), Instruction("MASK", 5)), "leaking"),
        (square(Instruction("MASK", 3), Instruction("T_MAT_MUL", 4, 3), Instruction("MASK", 5)), "causal"),
        (square(Instruction("T_MAT_MUL", 3, 3), Instruction("MASK", 4)), "leaking"),
        (block(Instruction("T_MAT_MUL"), Instruction("CONV_1X1", 2, dimension=1)), "leaking"),
        (block(Instruction("T_MAT_MUL"), Instruction("MASK", 2), Instruction("CONV_31X1", 3, dimension=1)), "causal"),
        (block(Instruction("CUM_SUM"), Instruction("CONV_15X1", 2, dimension=1)), "causal"),
        (block(), "causal"),
    ],
)
def test_the_static_rule_and_the_perturbation_agree(program: Program, expected: str) -> None:
    graph = resolve(program)
    assert flow(program) == expected
    assert (first_leak(graph) is not None) == (expected == "leaking")


def test_infinities_are_left_to_the_static_rule() -> None:
    graph = resolve(square(Instruction("MASK", 3), Instruction("DIVIDE", 3, 4)))
    assert first_leak(graph) is None
    with pytest.raises(ProgramCausalityError):
        check_causal(graph)


@given(seed=st.integers(0, 2**32), start=st.sampled_from(range(4)), steps=st.integers(1, 12))
def test_what_the_rule_passes_no_perturbation_refutes(seed: int, start: int, steps: int) -> None:
    program = SEEDS[start]
    rng = generator(seed, "causality")
    for _ in range(steps):
        program = MUTATIONS[list(MUTATIONS)[int(rng.integers(6))]](program, rng)
    try:
        graph = resolve(program)
        leak = first_leak(graph, seed)
    except InvalidProgramError:
        return
    if graph.nodes[-1].flow == "causal":
        assert leak is None


def test_a_leaking_child_is_found_among_the_children_of_the_seed() -> None:
    found = 0
    for n in range(60):
        child = mutate(transformer(), generator(0, "child", n))
        try:
            check_causal(resolve(child))
        except ProgramCausalityError:
            found += 1
        except InvalidProgramError:
            continue
    assert found > 0

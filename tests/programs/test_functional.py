from __future__ import annotations

import dataclasses

import pytest

from tradewind.programs import (
    Instruction,
    Program,
    Subprogram,
    canonical_hash,
    evolved,
    fingerprint,
    primer,
    primer_ez,
    resolve,
    transformer,
)


def of(program: Program) -> str:
    return fingerprint(resolve(program))


def with_numerator(program: Program, second: int) -> Program:
    """The program whose z-score averages (x - mean) times state `second` of it: 3 is x - mean, 0 is x."""
    body = list(program.subprograms[6].instructions)
    assert body[2].op == "MULTIPLY"
    body[2] = Instruction("MULTIPLY", 3, second)
    return program.with_body(6, body)


@pytest.mark.parametrize("program", [transformer(), primer_ez(), primer(), evolved()])
def test_the_custom_norm_is_layer_norm(program: Program) -> None:
    """mean(x (x - mean)) is the variance, so two graphs are one function."""
    custom, layer = with_numerator(program, 0), with_numerator(program, 3)
    assert canonical_hash(custom) != canonical_hash(layer)
    assert of(custom) == of(layer)


def test_twice_a_sublayer_in_two_ways() -> None:
    def residual(*body: Instruction) -> Program:
        program = dataclasses.replace(transformer(), constants=(0.0, 2.0))
        return program.with_body(8, body)

    added = residual(Instruction("ADD", 0, 1), Instruction("ADD", 2, 1))
    doubled = residual(Instruction("C_MUL", 1, constant=1), Instruction("ADD", 0, 2))
    assert canonical_hash(added) != canonical_hash(doubled)
    assert of(added) == of(doubled)
    assert of(added) != of(residual(Instruction("ADD", 0, 1)))


def test_the_same_graph_has_the_same_fingerprint() -> None:
    seed = transformer()
    dead = seed.with_body(9, [*seed.subprograms[9].instructions, Instruction("EXP"), Instruction("MAX", 0)])
    assert resolve(dead) == resolve(seed)
    assert of(dead) == of(seed)


@pytest.mark.parametrize("index", range(10))
def test_what_changes_the_function_changes_the_fingerprint(index: int) -> None:
    seed = transformer()
    last = seed.subprograms[index].instructions
    program = seed.with_body(index, [*last, Instruction("TANH", len(last) + 1)])
    assert of(program) != of(seed)


def test_small_differences_are_seen_and_rounding_is_not() -> None:
    def norm(c: float) -> Program:
        body = (Instruction("C_MUL", 0, constant=0), Instruction("ADD", 0, 2))
        return Program((Subprogram("main", body),), constants=(c, 0.0))

    assert of(norm(0.1)) == of(norm(0.1 + 1e-14))
    assert of(norm(0.1)) != of(norm(0.1 + 1e-4))


def test_what_is_not_finite_has_a_fingerprint() -> None:
    def poisoned(op: str) -> Program:
        return Program((Subprogram("main", (Instruction("DIFFERENCE"), Instruction(op, 0, 2))),))

    infinite = of(poisoned("DIVIDE"))
    assert infinite == of(poisoned("DIVIDE"))
    assert infinite != of(poisoned("ADD"))

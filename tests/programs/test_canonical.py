from __future__ import annotations

import dataclasses
import itertools

import pytest

from tradewind.core.seeds import generator
from tradewind.programs import (
    OPERATIONS,
    Instruction,
    Program,
    Subprogram,
    canonical_hash,
    evolved,
    primer,
    resolve,
    transformer,
)

SEEDS = [transformer(), primer(), evolved()]


def block(*instructions: Instruction) -> Program:
    return Program((Subprogram("main", instructions),))


@pytest.mark.parametrize("program", SEEDS)
def test_dead_code_and_silent_genes_do_not_count(program: Program) -> None:
    rng = generator(0, "silent")
    for index, subprogram in enumerate(program.subprograms):
        instructions = []
        for place, i in enumerate(subprogram.instructions):
            used = i.primitive.fields if i.primitive else ("input_1", "input_2")
            silent = {"input_2": int(rng.integers(place + 2)), "constant": 1, "dimension": int(rng.integers(6))}
            instructions.append(dataclasses.replace(i, **{k: v for k, v in silent.items() if k not in used}))
        silenced = program.with_body(index, instructions)
        assert canonical_hash(silenced) == canonical_hash(program)
        dead = [Instruction("CONV_7X1", branch=4), *(shifted(i) for i in subprogram.instructions)]
        assert canonical_hash(program.with_body(index, dead)) == canonical_hash(program)


def shifted(instruction: Instruction) -> Instruction:
    """The instruction one place further down."""
    inputs = {name: n + (n >= 2) for name in ("input_1", "input_2") for n in [getattr(instruction, name)]}
    return dataclasses.replace(instruction, **inputs)


@pytest.mark.parametrize("program", SEEDS)
def test_commuting_inputs_may_be_swapped_others_not(program: Program) -> None:
    for index, subprogram in enumerate(program.subprograms):
        for place, i in enumerate(subprogram.instructions):
            if i.primitive is None or i.primitive.arity == 1 or i.input_1 == i.input_2:
                continue
            body = list(subprogram.instructions)
            body[place] = dataclasses.replace(i, input_1=i.input_2, input_2=i.input_1)
            same = canonical_hash(program.with_body(index, body)) == canonical_hash(program)
            assert same == OPERATIONS[i.op].commutative, (index, i)


def test_how_a_program_is_cut_does_not_count() -> None:
    called = Program(
        (
            Subprogram("main", (Instruction("S1", 0, 1), Instruction("ADD", 0, 2))),
            Subprogram("f", (Instruction("EXP"),)),
        )
    )
    assert resolve(called) == resolve(block(Instruction("EXP"), Instruction("ADD", 2, 0)))


def test_equal_values_are_one_but_weights_never() -> None:
    twice = block(Instruction("EXP"), Instruction("EXP", 1), Instruction("ADD", 2, 3))
    once = block(Instruction("EXP"), Instruction("ADD", 2, 2))
    assert canonical_hash(twice) == canonical_hash(once)
    twice = block(Instruction("SCALE"), Instruction("SCALE"), Instruction("ADD", 2, 3))
    once = block(Instruction("SCALE"), Instruction("ADD", 2, 2))
    assert canonical_hash(twice) != canonical_hash(once)


@pytest.mark.parametrize("join", ["ADD", "MULTIPLY"])
@pytest.mark.parametrize("first", ["EXP", "TANH", "SQUARE", "ABS"])
def test_the_order_of_emission_does_not_count(join: str, first: str) -> None:
    """One value: (f(x W) ∘ (x V - x U)) - (x V - x U), its parts emitted in any order and joined from either side."""
    conv = Instruction("CONV_1X1", dimension=1)
    forms = set()
    for w, v, u in itertools.permutations((2, 3, 4)):
        parts = [Instruction(first, w), Instruction("DIFFERENCE", v, u)]
        for f, d in ((5, 6), (6, 5)):
            body = (conv, conv, conv, *(parts if f < d else parts[::-1]), Instruction(join, f, d))
            forms.add(resolve(block(*body, Instruction("DIFFERENCE", 7, d))))
            forms.add(resolve(block(*body[:-1], Instruction(join, d, f), Instruction("DIFFERENCE", 7, d))))
    assert len(forms) == 1


@pytest.mark.parametrize("program", SEEDS)
def test_what_is_used_counts(program: Program) -> None:
    hashes = {canonical_hash(program)}
    for slot in range(2):
        constants = [c + (n == slot) for n, c in enumerate(program.constants)]
        hashes.add(canonical_hash(dataclasses.replace(program, constants=tuple(constants))))
    inner = [24 if n == 2 else d for n, d in enumerate(program.dimensions)]
    hashes.add(canonical_hash(dataclasses.replace(program, dimensions=tuple(inner))))
    hashes.add(canonical_hash(program.with_body(9, [*program.subprograms[9].instructions, Instruction("TANH", 2)])))
    assert len(hashes) == 5


def test_an_unused_slot_does_not_count() -> None:
    program = dataclasses.replace(transformer(), dimensions=(1, 8, 32, 2, 64, 64))
    assert program.id != transformer().id
    assert resolve(program) == resolve(transformer())


def test_hashes_stay() -> None:
    """Hashes stand in logs and file names; a change of format must be meant."""
    assert canonical_hash(transformer()) == "2cdb77423b00eae4"
    assert transformer().id == "86c24060e55240d3"

"""The six mutations of Primer as pure functions of a program and a generator.

Source: So et al. 2021, arXiv 2109.08668, section 2 and appendix A.1 (the text announces five and lists six). A child
has one mutation, its kind and every other choice uniform; if the child's graph is the parent's, it is mutated again, so
silent changes gather until something changes. What the paper leaves open is chosen here:

- A deleted instruction is bridged: what took its result takes its first input.
- An inserted instruction is free: no other takes its result, unless it stands last. Later references keep their target.
- A mutated field, and a mutated dimension slot, get a value other than the one they have.
- Constants stay within the range of float32.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias, TypeVar

import numpy as np

from tradewind.programs.errors import ProgramTooLargeError
from tradewind.programs.operations import OPERATIONS
from tradewind.programs.program import BRANCHES, DIMENSIONS, N_CONSTANTS, N_DIMENSIONS, Instruction, Program
from tradewind.programs.resolution import canonical_hash

Mutation: TypeAlias = Callable[[Program, np.random.Generator], Program]
_T = TypeVar("_T")

PATIENCE = 200
"""Mutations without effect on the graph, one on top of the other, before a program is left as it is."""
MAX_CONSTANT = float(np.finfo(np.float32).max)


def delete(program: Program, rng: np.random.Generator) -> Program:
    """Remove one instruction of a subprogram that has any; a program without instructions comes back unchanged."""
    index = _subprogram(program, rng, least=1)
    if index is None:
        return program
    old = program.subprograms[index].instructions
    removed = int(rng.integers(len(old)))
    bridge = old[removed].input_1

    def target(state: int) -> int:
        return bridge if state == removed + 2 else state - (state > removed + 2)

    kept = [*old[:removed], *(_redirected(i, target) for i in old[removed + 1 :])]
    return program.with_body(index, kept)


def insert(program: Program, rng: np.random.Generator) -> Program:
    """Insert a random instruction at a random place of a subprogram."""
    index = int(rng.integers(len(program.subprograms)))
    old = program.subprograms[index].instructions
    place = int(rng.integers(len(old) + 1))
    new = Instruction(
        op=_choice(_operations(program, index), rng),
        input_1=int(rng.integers(place + 2)),
        input_2=int(rng.integers(place + 2)),
        constant=int(rng.integers(N_CONSTANTS)),
        dimension=int(rng.integers(N_DIMENSIONS)),
        branch=_choice(BRANCHES, rng),
    )
    moved = (_redirected(i, lambda state: state + (state >= place + 2)) for i in old[place:])
    return program.with_body(index, [*old[:place], new, *moved])


def delete_and_insert(program: Program, rng: np.random.Generator) -> Program:
    """`delete`, then `insert`; each in a subprogram of its own choice."""
    return insert(delete(program, rng), rng)


def mutate_field(program: Program, rng: np.random.Generator) -> Program:
    """Give one field of one instruction another value, used or silent."""
    index = _subprogram(program, rng, least=1)
    if index is None:
        return program
    instructions = list(program.subprograms[index].instructions)
    place = int(rng.integers(len(instructions)))
    field = _choice([f.name for f in dataclasses.fields(Instruction)], rng)
    states = range(place + 2)
    values: dict[str, Sequence[str | int]] = {
        "op": _operations(program, index),
        "input_1": states,
        "input_2": states,
        "constant": range(N_CONSTANTS),
        "dimension": range(N_DIMENSIONS),
        "branch": BRANCHES,
    }
    others = [v for v in values[field] if v != getattr(instructions[place], field)]
    changes: dict[str, str | int] = {field: _choice(others, rng)}
    instructions[place] = dataclasses.replace(instructions[place], **changes)  # type: ignore[arg-type]
    return program.with_body(index, instructions)


def swap(program: Program, rng: np.random.Generator) -> Program:
    """Exchange two instructions of one subprogram and their inputs: each takes the other's place in the graph."""
    index = _subprogram(program, rng, least=2)
    if index is None:
        return program
    instructions = list(program.subprograms[index].instructions)
    a, b = (int(place) for place in rng.choice(len(instructions), size=2, replace=False))
    first, second = instructions[a], instructions[b]
    instructions[a] = dataclasses.replace(second, input_1=first.input_1, input_2=first.input_2)
    instructions[b] = dataclasses.replace(first, input_1=second.input_1, input_2=second.input_2)
    return program.with_body(index, instructions)


def mutate_bank(program: Program, rng: np.random.Generator) -> Program:
    """Change one slot of the banks: a dimension to another of the vocabulary, a constant c to c·10^X + Y.

    X and Y are standard normal.
    """
    slot = int(rng.integers(N_CONSTANTS + N_DIMENSIONS))
    if slot < N_CONSTANTS:
        constants = list(program.constants)
        x, y = rng.standard_normal(2)
        constants[slot] = float(np.clip(constants[slot] * 10.0**x + y, -MAX_CONSTANT, MAX_CONSTANT))
        return dataclasses.replace(program, constants=tuple(constants))
    dimensions = list(program.dimensions)
    slot -= N_CONSTANTS
    dimensions[slot] = _choice([d for d in DIMENSIONS if d != dimensions[slot]], rng)
    return dataclasses.replace(program, dimensions=tuple(dimensions))


MUTATIONS: Mapping[str, Mutation] = MappingProxyType(
    {
        "delete": delete,
        "insert": insert,
        "delete_and_insert": delete_and_insert,
        "mutate_field": mutate_field,
        "swap": swap,
        "mutate_bank": mutate_bank,
    }
)
"""The six mutations by name."""


def mutate(program: Program, rng: np.random.Generator) -> Program:
    """A child whose graph is not its parent's: random mutations, one on top of the other, until it differs.

    Most children differ after a few. A child may be too large, or have widths beyond repair; `resolve` tells.

    >>> from tradewind.core.seeds import generator
    >>> from tradewind.programs import transformer
    >>> child = mutate(transformer(), generator(0, "mutate", 1))
    >>> canonical_hash(child) == canonical_hash(transformer())
    False
    """
    return mutant(program, rng)[0]


def mutant(
    program: Program,
    rng: np.random.Generator,
    vocabulary: Collection[str] | None = None,
    edits: Sequence[str] | None = None,
) -> tuple[Program, tuple[str, ...]]:
    """The child that `mutate` gives, and the kinds of the mutations that made it, in order.

    With a `vocabulary` no primitive outside it comes in; those that the parent has may stay. `edits` are the kinds to
    draw from, all of `MUTATIONS` if None. The parent itself and no kinds where `PATIENCE` mutations changed nothing.
    """
    allowed = None if vocabulary is None else {*vocabulary, *program.operations}
    parent = _graph_of(program)
    child = program
    kinds: list[str] = []
    while _graph_of(child) == parent:
        if len(kinds) == PATIENCE:
            return program, ()
        kinds.append(_choice(list(edits or MUTATIONS), rng))
        drawn = MUTATIONS[kinds[-1]](child, rng)
        while allowed is not None and not drawn.operations <= allowed:
            drawn = MUTATIONS[kinds[-1]](child, rng)
        child = drawn
    return child, tuple(kinds)


def _graph_of(program: Program) -> str:
    """The canonical hash; of a program too large to have one, its id."""
    try:
        return canonical_hash(program)
    except ProgramTooLargeError:
        return program.id


def _operations(program: Program, index: int) -> list[str]:
    return [*OPERATIONS, *(f"S{callee}" for callee in range(index + 1, len(program.subprograms)))]


def _subprogram(program: Program, rng: np.random.Generator, least: int) -> int | None:
    """A subprogram with at least so many instructions."""
    found = [n for n, s in enumerate(program.subprograms) if len(s.instructions) >= least]
    return _choice(found, rng) if found else None


def _redirected(instruction: Instruction, target: Callable[[int], int]) -> Instruction:
    return dataclasses.replace(instruction, input_1=target(instruction.input_1), input_2=target(instruction.input_2))


def _choice(options: Sequence[_T], rng: np.random.Generator) -> _T:
    return options[int(rng.integers(len(options)))]

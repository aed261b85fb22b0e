from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.seeds import generator
from tradewind.programs import (
    MUTATIONS,
    Graph,
    Instruction,
    InvalidProgramError,
    Program,
    Subprogram,
    canonical_hash,
    check_causal,
    diff,
    evolved,
    fingerprint,
    listing,
    mutate,
    primer,
    primer_ez,
    resolve,
    transformer,
)
from tradewind.programs import mutation as module
from tradewind.programs.graph import MODEL, ONE
from tradewind.programs.mutation import Mutation
from tradewind.programs.program import BRANCHES, DIMENSIONS

SEEDS = [transformer(), primer_ez(), primer(), evolved()]
SEED_AND_PARENT = {"seed": st.integers(0, 2**32), "start": st.sampled_from(SEEDS), "steps": st.integers(0, 15)}


def wandered(program: Program, rng: np.random.Generator, steps: int) -> Program:
    for _ in range(steps):
        program = MUTATIONS[list(MUTATIONS)[int(rng.integers(6))]](program, rng)
    return program


def check_graph(graph: Graph) -> None:
    """What every resolved graph must satisfy."""
    assert graph.nodes[-1].width == MODEL
    used = set().union(*(node.inputs for node in graph.nodes))
    assert used == set(range(len(graph.nodes) - 1)), "every node but the output is used"
    for number, node in enumerate(graph.nodes):
        assert all(i < number for i in node.inputs)
        inputs = [graph.nodes[i] for i in node.inputs]
        row = node.primitive
        if row is None:
            continue
        assert {n.copies for n in inputs} == {node.copies}
        if row.shape == "join":
            assert {n.width for n in inputs} <= {node.width, ONE}
        if row.shape == "gram":
            assert inputs[0].width == inputs[1].width
        if row.shape == "dense":
            assert node.width.axis == "unit"
            assert node.width.count >= 1


@pytest.mark.parametrize("name", MUTATIONS)
@given(**SEED_AND_PARENT)
def test_closure(name: str, seed: int, start: Program, steps: int) -> None:
    """A mutated program is a program, and it resolves or fails with a reason; whatever came before."""
    rng = generator(seed, "closure", name)
    parent = wandered(start, rng, steps)
    child = MUTATIONS[name](parent, rng)
    assert Program.from_json(child.to_json()) == child
    assert diff(parent, child) or child == parent
    with contextlib.suppress(InvalidProgramError):
        graph = resolve(child)
        check_graph(graph)
        fingerprint(graph)
        check_causal(graph)


@given(**SEED_AND_PARENT)
def test_a_mutation_is_a_function_of_program_and_generator(seed: int, start: Program, steps: int) -> None:
    first, second = (wandered(start, generator(seed, "twice"), steps) for _ in range(2))
    assert first == second


@given(**SEED_AND_PARENT)
def test_a_child_is_another_graph(seed: int, start: Program, steps: int) -> None:
    rng = generator(seed, "child")
    parent = wandered(start, rng, steps)
    child = mutate(parent, rng)
    try:
        assert canonical_hash(child) != canonical_hash(parent)
    except InvalidProgramError:
        assert child.id != parent.id


def test_a_child_of_nothing_is_something() -> None:
    empty = Program((Subprogram("main", ()),))
    child = mutate(empty, generator(0, "empty"))
    assert child.subprograms[0].instructions
    for name in ("delete", "mutate_field", "swap"):
        assert MUTATIONS[name](empty, generator(0)) == empty


def many(name: str, program: Program, n: int = 300) -> list[Program]:
    return [MUTATIONS[name](program, generator(0, name, i)) for i in range(n)]


def changed_subprograms(parent: Program, child: Program) -> list[int]:
    pairs = zip(parent.subprograms, child.subprograms, strict=True)
    return [n for n, (a, b) in enumerate(pairs) if a.instructions != b.instructions]


def test_delete_bridges_what_it_removes() -> None:
    seen = set()
    for child in many("delete", evolved()):
        (index,) = changed_subprograms(evolved(), child)
        seen.add(index)
        old, new = evolved().subprograms[index].instructions, child.subprograms[index].instructions
        assert len(new) == len(old) - 1
    assert seen == set(range(10))
    body = (Instruction("EXP"), Instruction("TANH", 2), Instruction("ADD", 3, 2))
    program = Program((Subprogram("main", body),))
    without_tanh = (Instruction("EXP"), Instruction("ADD", 2, 2))
    assert without_tanh in {child.subprograms[0].instructions for child in many("delete", program)}


def test_an_inserted_instruction_is_free_unless_last() -> None:
    places: Counter[bool] = Counter()
    for child in many("insert", transformer()):
        (index,) = changed_subprograms(transformer(), child)
        old, new = transformer().subprograms[index].instructions, child.subprograms[index].instructions
        assert len(new) == len(old) + 1
        rest = new[: len(old)] == old
        places[rest] += 1
        assert (canonical_hash(child) == canonical_hash(transformer())) or rest
    assert min(places[True], places[False]) > 50


def test_insert_draws_from_everything() -> None:
    seed, drawn = transformer(), []
    for child in many("insert", seed, 1500):
        for index in changed_subprograms(seed, child):
            old, new = seed.subprograms[index].instructions, child.subprograms[index].instructions
            drawn.append(next(b for a, b in itertools.zip_longest(old, new) if a != b))
    assert len({i.op for i in drawn}) == 39 + 9
    assert {i.branch for i in drawn} == set(BRANCHES)
    assert {i.dimension for i in drawn} == set(range(6))
    assert {i.constant for i in drawn} == {0, 1}


def test_mutate_field_changes_one_field_and_reaches_all() -> None:
    seen = set()
    for child in many("mutate_field", transformer()):
        (index,) = changed_subprograms(transformer(), child)
        pairs = zip(transformer().subprograms[index].instructions, child.subprograms[index].instructions, strict=True)
        (before, after), *others = [(a, b) for a, b in pairs if a != b]
        assert not others
        (field,) = [k for k, v in dataclasses.asdict(before).items() if v != getattr(after, k)]
        seen.add(field)
    assert seen == {"op", "input_1", "input_2", "constant", "dimension", "branch"}


def test_swap_exchanges_places_in_the_graph() -> None:
    body = (Instruction("EXP", 0), Instruction("TANH", 2), Instruction("ADD", 3, 0))
    program = Program((Subprogram("main", body),))
    children = {child.subprograms[0].instructions for child in many("swap", program)}
    assert (Instruction("TANH", 0), Instruction("EXP", 2), Instruction("ADD", 3, 0)) in children
    assert len(children) == 3
    swapped = program.with_body(0, (Instruction("TANH", 0), Instruction("EXP", 2), Instruction("ADD", 3, 0)))
    assert [row.op for row in listing(swapped)[0][2:]] == ["TANH", "EXP", "ADD"]
    assert program in many("swap", swapped), "the same swap takes it back"


def test_mutate_bank_changes_one_slot() -> None:
    constants = []
    for child in many("mutate_bank", transformer(), 2000):
        assert not changed_subprograms(transformer(), child)
        old, new = (p.constants + p.dimensions for p in (transformer(), child))
        (slot,) = [n for n in range(8) if old[n] != new[n]]
        if slot >= 2:
            assert new[slot] in DIMENSIONS
        elif slot == 0:
            constants.append(new[slot])
    # The first constant is 0, so its child is Y, standard normal; of about 250 draws.
    assert len(constants) > 200
    assert abs(np.mean(constants)) < 0.3
    assert 0.8 < np.std(constants) < 1.2


def test_constants_stay_finite() -> None:
    program = dataclasses.replace(transformer(), constants=(3e38, -3e38))
    for child in many("mutate_bank", program, 200):
        assert np.isfinite(np.float32(child.constants)).all()


def test_the_kinds_are_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind is drawn as often as the others (chi-squared with 5 degrees of freedom, p > 0.001)."""
    drawn: Counter[str] = Counter()

    def counted(name: str, mutation: Mutation) -> Mutation:
        def run(program: Program, rng: np.random.Generator) -> Program:
            drawn[name] += 1
            return mutation(program, rng)

        return run

    monkeypatch.setattr(module, "MUTATIONS", {name: counted(name, m) for name, m in MUTATIONS.items()})
    for n in range(150):
        mutate(transformer(), generator(0, "kinds", n))
    counts = np.array(list(drawn.values()))
    assert len(counts) == 6
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 20.5

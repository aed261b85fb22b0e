"""The one-edit neighbourhood: valid, distinct, complete against drawn mutations, with the published changes."""

from __future__ import annotations

import pytest

from tradewind.core.seeds import generator
from tradewind.programs import (
    MUTATIONS,
    Instruction,
    Program,
    Subprogram,
    canonical_hash,
    check_causal,
    diff,
    fingerprint,
    neighbourhood,
    primer_ez,
    resolve,
    transformer,
)
from tradewind.programs.errors import InvalidProgramError
from tradewind.programs.neighbourhood import edits

TINY = Program(
    (
        Subprogram("main", (Instruction("S1", 0), Instruction("CONV_1X1", 2, dimension=1), Instruction("ADD", 0, 3))),
        Subprogram("inner", (Instruction("MAX", 0), Instruction("SCALE", 2))),
    )
)
"""Every neighbour of it is soon found."""


@pytest.mark.parametrize("program", [TINY, primer_ez()], ids=["tiny", "primer-ez"])
def test_neighbours_are_new_distinct_and_causal(program: Program) -> None:
    kinds = ["insert", "delete", "swap"]
    found = neighbourhood(program, ["SQUARE", "MAT_MUL"], kinds)
    hashes = [canonical_hash(n.program) for n in found]
    assert len(set(hashes)) == len(hashes) > 10
    assert canonical_hash(program) not in hashes
    for neighbour in found[::7]:
        check_causal(resolve(neighbour.program))
    assert [n.program for n in found] == [n.program for n in neighbourhood(program, ["MAT_MUL", "SQUARE"], kinds)]


def test_a_vocabulary_keeps_others_out_and_kinds_leave_others_out() -> None:
    found = neighbourhood(TINY, vocabulary=["SQUARE"], kinds=["insert", "delete"])
    assert {n.kind for n in found} == {"insert", "delete"}
    assert set().union(*(n.program.operations for n in found)) == {"SQUARE", *TINY.operations}


@pytest.mark.parametrize("kind", ["insert", "delete", "mutate_field", "swap"])
def test_what_one_mutation_draws_is_walked(kind: str) -> None:
    """The neighbourhood has the graph of every drawn child, where that is new, valid and causal.

    Insertions: those at the end that take the state before them and are not branched.
    """
    walked = {canonical_hash(n.program) for n in neighbourhood(TINY, kinds=[kind])}
    before, seen = canonical_hash(TINY), 0
    for index in range(400 if kind == "insert" else 60):
        child = MUTATIONS[kind](TINY, generator(1, kind, index))
        if kind == "insert" and not any(
            len(now.instructions) > len(old.instructions)
            and (last := now.instructions[-1]).input_1 == len(now.instructions)
            and now.instructions[:-1] == old.instructions
            and last.primitive is not None
            and last.branch == 1
            for now, old in zip(child.subprograms, TINY.subprograms, strict=True)
        ):
            continue
        try:
            graph = resolve(child)
        except InvalidProgramError:
            continue
        if graph.nodes[-1].flow == "causal" and graph.hash != before and child.constants == TINY.constants:
            seen += 1
            assert graph.hash in walked, diff(TINY, child)
    assert seen >= 2


def test_the_published_changes_are_one_edit_away() -> None:
    seed = transformer()
    found = {diff(seed, n.program): n.kind for n in neighbourhood(seed, ["SQUARE", "DCONV_3X1"], ["insert"])}
    assert found["spliced SQUARE after relu in feed-forward",] == "insert"
    assert found["inserted DCONV_3X1 after CONV_1X1 in head-projection of self-attention",] == "insert"
    # After one of q, k and v alone.
    assert found["spliced DCONV_3X1 after head-projection in self-attention",] == "insert"


def test_a_spliced_instruction_is_taken_by_all_behind_it() -> None:
    body = [Instruction("MAX", 0), Instruction("ADD", 2, 0)]
    program = Program((Subprogram("main", tuple(body)),))
    children = [n.program.subprograms[0].instructions for n in edits(program, ["SQUARE"]) if n.kind == "insert"]
    assert (Instruction("SQUARE", 0, 0), Instruction("MAX", 2, 2), Instruction("ADD", 3, 2)) in children
    assert (Instruction("MAX", 0), Instruction("SQUARE", 2, 2), Instruction("ADD", 3, 0)) in children


def test_all_that_is_found_are_other_functions_or_other_weights() -> None:
    """The graph tells programs apart; that most are other functions, the fingerprint shows."""
    found = neighbourhood(TINY, vocabulary=["SQUARE", "TANH", "ABS"], kinds=["insert"])
    prints = {fingerprint(resolve(n.program)) for n in found}
    assert len(prints) > 0.8 * len(found)

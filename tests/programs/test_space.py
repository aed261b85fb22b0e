"""ProgramSpace: the suite of spaces, as far as a space without an end can pass it, and its own promises."""

from __future__ import annotations

import dataclasses

import pytest
from tests.programs.test_neighbourhood import TINY

from tradewind.core import FileFormatError, UsageError
from tradewind.core.files import canonical_json, parse_json
from tradewind.core.seeds import generator
from tradewind.programs import (
    MUTATIONS,
    InvalidProgramError,
    Program,
    ProgramSpace,
    Sizes,
    Subprogram,
    canonical_hash,
    evolved,
    neighbourhood,
    primer_ez,
    read_candidate,
    transformer,
)
from tradewind.programs.space import SizedProgram
from tradewind.testing.spaces import check_sampling

SPACE = ProgramSpace(start=TINY, vocabulary=("SQUARE", "DCONV_3X1"))


def test_samples_are_members_and_follow_their_seed() -> None:
    check_sampling(SPACE, seed=0, n=12)
    assert SPACE.sample(0) != SPACE.sample(1)
    assert len(SPACE.sample_many(5, 0)) == 5
    with pytest.raises(IndexError):
        SPACE.sample_many(5, 0)[5]


def test_moves_stay_inside_and_repeat() -> None:
    """Not the suite's: one mutation may be several edits, when the first ones changed nothing."""
    for seed in range(3):
        a, b = SPACE.sample(seed), SPACE.sample(seed + 10)
        steps = [SPACE.step(a, generator(seed, i)) for i in range(10)]
        assert steps == [SPACE.step(a, generator(seed, i)) for i in range(10)]
        assert len({canonical_hash(step) for step in steps} - {canonical_hash(a)}) > 3
        for candidate in (*steps, SPACE.mutate(a, generator(seed)), SPACE.crossover(a, b, generator(seed))):
            SPACE.validate(candidate)
        neighbours = SPACE.neighbours(a)
        assert len({c.id for c in neighbours} | {a.id}) == len(neighbours) + 1


def test_a_mutant_is_a_member_with_another_graph() -> None:
    space = ProgramSpace()
    rejected = 0
    for seed in range(25):
        step = space.mutant(transformer(), generator(3, "mutant", seed))
        assert space.contains(step.program)
        assert canonical_hash(step.program) != canonical_hash(transformer())
        assert set(step.mutations) <= set(MUTATIONS)
        assert set(step.rejected) <= {"ProgramShapeError", "ProgramCausalityError", "ProgramTooLargeError"}
        rejected += sum(step.rejected.values())
    assert rejected, "about a fifth of all children cannot be built or look ahead"


def test_a_reduced_vocabulary_and_fewer_mutations() -> None:
    space = ProgramSpace(vocabulary=("SQUARE",), edits=("insert",))
    known = {"SQUARE", *transformer().operations}
    for seed in range(15):
        step = space.mutant(transformer(), generator(0, seed))
        assert step.program.operations <= known
        assert set(step.mutations) == {"insert"}
    assert not space.contains(primer_ez())
    assert ProgramSpace(vocabulary=("SQUARE", "DCONV_3X1")).contains(primer_ez())
    assert [n.kind for n in neighbourhood(TINY, ["SQUARE"], ["insert"])] == ["insert"] * len(
        dataclasses.replace(SPACE, vocabulary=("SQUARE",), edits=("insert",)).neighbours(TINY)
    )


def test_crossing_takes_whole_subprograms_and_banks() -> None:
    space, a, b = ProgramSpace(), transformer(), evolved()
    assert space.crossover(a, b, generator(0), 0.0) == a
    assert space.crossover(a, b, generator(0), 1.0) == b
    for seed in range(8):
        child = space.crossover(a, b, generator(seed))
        assert space.contains(child)
        for part, one, other in zip(child.subprograms, a.subprograms, b.subprograms, strict=True):
            assert part in (one, other)
    assert space.crossover(a, TINY, generator(0)) == a


def test_walking_begins_with_the_start_and_its_neighbours() -> None:
    neighbours = SPACE.neighbours(TINY)
    walked = [program for program, _ in zip(SPACE.enumerate(), range(len(neighbours) + 1), strict=False)]
    assert walked[0] == TINY
    assert walked[1:] == neighbours
    assert SPACE.size() > 10**100


def test_plain_data() -> None:
    data = SPACE.to_dict()
    assert parse_json(canonical_json(data)) == data
    assert ProgramSpace.from_dict(data) == SPACE
    assert ProgramSpace.from_dict(data) != ProgramSpace()
    sized = SizedProgram(TINY, Sizes(d_model=16))
    assert SizedProgram.from_dict(sized.to_dict()) == sized
    assert read_candidate(TINY.to_dict()) == TINY


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary": ("SQUER",)}, "did you mean 'SQUARE'"),
        ({"vocabulary": ()}, "vocabulary is empty"),
        ({"edits": ("inserted",)}, "did you mean 'insert'"),
        ({"start": Program((Subprogram("main", ()),)).with_body(0, [])}, None),
    ],
)
def test_errors_teach(options: dict, message: str | None) -> None:
    if message is None:
        assert ProgramSpace(**options).contains(options["start"]), "the empty program is the identity"
        return
    with pytest.raises(UsageError, match=message):
        ProgramSpace(**options)


def test_what_cannot_be_built_is_no_member() -> None:
    softmax = transformer().subprograms[4].instructions
    leaking = transformer().with_body(4, [dataclasses.replace(i, op="TANH") if i.op == "MASK" else i for i in softmax])
    for strange in (None, "transformer", leaking):
        assert not SPACE.contains(strange)
    with pytest.raises(InvalidProgramError, match="without a mask"):
        ProgramSpace().validate(leaking)
    with pytest.raises(InvalidProgramError):
        ProgramSpace(start=leaking)
    with pytest.raises(FileFormatError, match="not a space of programs"):
        ProgramSpace.from_dict({"start": TINY.to_dict()})
    with pytest.raises(UsageError, match="multiple of 8"):
        Sizes(d_model=12)
    with pytest.raises(UsageError, match="n_layer is 0"):
        Sizes(n_layer=0)

"""Conformance suite of search spaces: what `tradewind.core.Space` promises, as tests that pytest runs on yours.

In a test file of your own::

    import pytest
    from tradewind.testing.spaces import SpaceSuite

    class TestMySpace(SpaceSuite):
        @pytest.fixture
        def space(self):
            return my_space()

The functions are usable on their own, e.g. from property tests over random narrowings.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tradewind.core import Architecture, Space
from tradewind.core.files import canonical_json, parse_json
from tradewind.core.seeds import generator

ENUMERABLE = 20_000
"""Spaces up to this size are walked through whole."""


def check_sampling(space: Space, seed: int, n: int = 50) -> None:
    """Samples are members, whole as plain data, and a pure function of the seed."""
    batch = space.sample_many(n, seed)
    again = space.sample_many(n, seed)
    assert len(batch) == n
    for row, candidate in enumerate(batch):
        assert candidate == again[row], "sample_many must be a pure function of its seed"
        space.validate(candidate)
        assert space.contains(candidate)
        if isinstance(candidate, Architecture):
            assert Architecture.from_dict(candidate.to_dict()) == candidate
    assert space.sample(seed) == space.sample(seed), "sample must be a pure function of its seed"
    space.validate(space.sample(seed))


def check_moves(space: Space, seed: int, n_neighbours: int = 30) -> None:
    """All moves stay inside the space, repeat with their generator, and draw from no other; a step is a neighbour."""
    a, b = space.sample(seed), space.sample(seed + 1)
    for probability in (0.0, 0.3, 1.0):
        mutant = space.mutate(a, generator(seed, "mutate"), probability)
        assert mutant == space.mutate(a, generator(seed, "mutate"), probability)
        child = space.crossover(a, b, generator(seed, "cross"), probability)
        assert child == space.crossover(a, b, generator(seed, "cross"), probability)
        space.validate(mutant)
        space.validate(child)
    assert space.mutate(a, generator(seed), 0.0) == a, "a mutation of no gene changes nothing"
    assert space.crossover(a, a, generator(seed)) == a, "a cross of a candidate with itself is itself"
    neighbours = space.neighbours(a)
    assert neighbours == space.neighbours(a), "neighbours come in a fixed order"
    assert len({c.id for c in neighbours}) == len(neighbours), "a neighbour stands twice"
    assert a not in neighbours, "a candidate is not its own neighbour"
    nearby = {a.id, *(c.id for c in neighbours)}
    for spread in (False, True):
        taken = [space.step(a, generator(seed, "step", i), spread) for i in range(10)]
        assert taken == [space.step(a, generator(seed, "step", i), spread) for i in range(10)]
        for candidate in taken:
            space.validate(candidate)
            assert spread or candidate.id in nearby, "a step that is not spread leads to a neighbour"
    for i in generator(seed, "neighbours").permutation(len(neighbours))[:n_neighbours]:
        space.validate(neighbours[i])


def check_encoding(space: Space, seed: int, n: int = 20) -> None:
    """Vectors of one length in [0, 1], one-to-one; every vector decodes to a member, also one that no member has."""
    candidates = list(space.sample_many(n, seed))
    vectors = [space.encode(c) for c in candidates]
    for candidate, vector in zip(candidates, vectors, strict=True):
        assert vector.dtype == np.float64
        assert vector.shape == vectors[0].shape
        assert (vector >= 0).all()
        assert (vector <= 1).all()
        assert space.decode(vector) == candidate
    assert len({v.tobytes() for v in vectors}) == len({c.id for c in candidates}), "two candidates share a vector"
    rng = generator(seed, "vectors")
    for _ in range(n):
        space.validate(space.decode(rng.uniform(-0.5, 1.5, size=vectors[0].shape)))


def check_every_member(space: Space, expected: Iterable[str] | None = None) -> None:
    """`enumerate` gives each member once in a fixed order, `size` counts them; ids are those `expected`, if given."""
    members = list(space.enumerate())
    ids = [c.id for c in members]
    assert len(ids) == len(set(ids)) == space.size()
    assert [c.id for c in space.enumerate()] == ids
    for candidate in members:
        space.validate(candidate)
    if expected is not None:
        assert set(ids) == set(expected)


class SpaceSuite:
    """Tests that every space must pass; a subclass provides the fixture `space`."""

    def test_is_a_space(self, space: Space) -> None:
        """It has what the protocol names."""
        assert isinstance(space, Space)
        assert space.name

    def test_sampling(self, space: Space) -> None:
        """See `check_sampling`."""
        for seed in range(3):
            check_sampling(space, seed)
        if space.size() > 10**6:
            assert space.sample(0) != space.sample(1), "two seeds give one sample in a large space"

    def test_moves(self, space: Space) -> None:
        """See `check_moves`."""
        for seed in range(10):
            check_moves(space, seed)

    def test_encoding(self, space: Space) -> None:
        """See `check_encoding`."""
        for seed in range(3):
            check_encoding(space, seed)

    def test_size(self, space: Space) -> None:
        """An exact count: of the members walked through where that can be done, else consistent with sampling."""
        size = space.size()
        assert isinstance(size, int)
        assert size >= 1
        if size <= ENUMERABLE:
            check_every_member(space)
        else:
            assert size >= len({c.id for c in space.sample_many(1000, 0)})

    def test_a_large_space_can_be_walked_from_its_beginning(self, space: Space) -> None:
        """The first members come at once, however many there are."""
        members = [c for c, _ in zip(space.enumerate(), range(100), strict=False)]
        assert len({c.id for c in members}) == min(100, space.size())

    def test_no_dead_genes(self, space: Space) -> None:
        """Equal content means equal candidate: plain data, canonical JSON, id and equality agree."""
        for candidate in space.sample_many(20, 5):
            text = canonical_json(candidate.to_dict())
            twin = type(candidate)(**{k: v for k, v in parse_json(text).items() if k != "family"})
            assert twin == candidate
            assert twin.id == candidate.id
            assert hash(twin) == hash(candidate)

    def test_plain_data(self, space: Space) -> None:
        """Plain data goes through JSON unchanged, and an unchanged narrowing is the same space."""
        data = space.to_dict()
        assert parse_json(canonical_json(data)) == data
        assert space.narrow() == space

    def test_foreign_things_are_refused(self, space: Space) -> None:
        """What is no candidate at all is not a member."""
        assert not space.contains(None)
        assert not space.contains("gpt2")

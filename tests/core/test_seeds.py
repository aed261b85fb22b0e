from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.seeds import Streams, derive, generator

paths = st.lists(st.integers(0, 99) | st.text(max_size=3), max_size=3).map(tuple)


@given(st.integers(0, 9), paths, paths)
def test_streams_are_equal_exactly_when_their_paths_are(
    seed: int, a: tuple[int | str, ...], b: tuple[int | str, ...]
) -> None:
    assert (derive(seed, *a) == derive(seed, *b)) == (a == b)
    assert (derive(seed, *a) == derive(seed + 1, *a)) is False


def test_the_stream_is_pinned_across_platforms_and_versions() -> None:
    assert generator(0, "mutate", 3).integers(0, 1000, 4).tolist() == [652, 841, 169, 98]


def test_global_random_state_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    generator(1, "x").normal(size=10)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_streams_are_those_of_numpys_jumps() -> None:
    streams = Streams(3, "breed", 1)
    for index in (0, 1, 7, 10**6):
        jumped = np.random.Generator(np.random.PCG64(derive(3, "breed", 1)).jumped(index))
        assert streams.at(index).random(5).tolist() == jumped.random(5).tolist()


def test_a_stream_depends_on_its_index_alone() -> None:
    streams = Streams(0, "x")
    draws: dict[int, list[int]] = {}
    for index in (5, 2, 5, 9, 2):
        drawn = streams.at(index).integers(2**32, size=index, dtype=np.uint32).tolist()
        assert draws.setdefault(index, drawn) == drawn

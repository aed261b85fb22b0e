from __future__ import annotations

import numpy as np

from tradewind.core import GPT2, ArchitectureBatch
from tradewind.pareto.networks import Networks

WIDE = ArchitectureBatch.of([GPT2(d_model=64, n_head=(2,), d_inner=(f,)) for f in (64, 128, 192)])
NARROW = ArchitectureBatch.of([GPT2(d_model=32, n_head=(2,), d_inner=(f,)) for f in (64, 128)])


def test_a_sequence_of_architectures_in_the_given_order() -> None:
    networks = Networks([(WIDE, np.array([[0, 2], [1, 1]])), (NARROW, np.array([[1, 0, 1]]))], np.array([2, 0]))
    assert len(networks) == 2
    expected = [
        GPT2(d_model=32, n_head=(2,) * 3, d_inner=(128, 64, 128)),
        GPT2(d_model=64, n_head=(2, 2), d_inner=(64, 192)),
    ]
    assert list(networks) == expected
    assert networks[0] == expected[0]
    assert networks[-1] == expected[1]
    assert networks[::-1] == tuple(expected[::-1])
    assert networks.take([1, 0, 1]) == [expected[1], expected[0], expected[1]]
    assert networks == tuple(expected)
    assert networks != tuple(expected[:1])


def test_none_are_an_empty_sequence() -> None:
    assert list(Networks([], np.empty(0, dtype=np.int64))) == []

"""The conformance suite on every algorithm, in spaces of every kind."""

from __future__ import annotations

import pytest

from tradewind import search, spaces
from tradewind.testing.algorithms import AlgorithmSuite, tiny_space

SPACES = {
    **{name: spaces.get(name) for name in spaces.names()},
    "tiny": tiny_space(),
    "narrow": spaces.get("gpt2", n_layer="2..3", d_model="128,960", d_inner="1600..1728", n_head="2,4"),
}
SETTINGS = {
    "random": {},
    "lts": {"population": 10, "initial": 12, "patience": 20},
    "nsga2": {"population": 8, "patience": 20},
    "morea": {"population": 12, "initial": 6, "patience": 20},
    "mo-asha": {"initial": 6, "patience": 20},
    "local-search": {"initial": 6, "patience": 20},
    "aging": {"population": 8, "tournament": 3, "patience": 20},
    "neighbourhood": {"centres": 0},
}


class TestAlgorithms(AlgorithmSuite):
    @pytest.fixture(params=SETTINGS)
    def create(self, request):
        return lambda problem: search.create(request.param, problem, **SETTINGS[request.param])

    @pytest.fixture(params=SPACES)
    def space(self, request):
        return SPACES[request.param]


class TestAdditive(AlgorithmSuite):
    @pytest.fixture
    def create(self):
        return lambda problem: search.create("additive", problem, initial=35, round=10)

    @pytest.fixture(params=["narrow"])
    def space(self, request):
        return SPACES[request.param]


class TestBayesian(AlgorithmSuite):
    @pytest.fixture(params=["ehvi", "lsbo", "rsbo"])
    def create(self, request):
        pytest.importorskip("botorch")
        return lambda problem: search.create(request.param, problem, initial=41, round=10, pool=60)

    @pytest.fixture
    def space(self):
        return SPACES["narrow"]


class TestCalibrated(AlgorithmSuite):
    @pytest.fixture
    def create(self):
        return lambda problem: search.create("calibrated", problem, measurements=10, round=5, patience=0)

    @pytest.fixture(params=["tiny", "narrow"])
    def space(self, request):
        return SPACES[request.param]

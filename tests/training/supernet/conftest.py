"""A small space, a supernet of it and a short recipe."""

from __future__ import annotations

import pytest

from tradewind import models, spaces
from tradewind.models.supernet import Supernet
from tradewind.spaces import ArchitectureSpace
from tradewind.training import Recipe
from tradewind.training.supernet import covering

RECIPE = Recipe(steps=6, batch_size=4, length=16, learning_rate=3e-3)


@pytest.fixture(scope="session")
def space() -> ArchitectureSpace:
    """gpt2 of one or two layers on bytes."""
    return spaces.from_dict(
        {
            "name": "small",
            "family": "gpt2",
            "dimensions": [
                {"name": "n_layer", "choices": [1, 2]},
                {"name": "d_model", "choices": [8, 16]},
                {"name": "n_head", "choices": [1, 2, 4], "per_layer": True},
                {"name": "d_inner", "choices": [16, 32, 48], "per_layer": True},
            ],
            "constants": {"vocab_size": 256, "context": 16},
        }
    )


@pytest.fixture
def supernet(space: ArchitectureSpace) -> Supernet:
    return Supernet(models.build(covering(space), seed=1))

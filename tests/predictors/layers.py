"""A small grid of layer choices and random architectures of it, for the tests of layer models."""

from __future__ import annotations

import numpy as np

from tradewind.core import ArchitectureBatch
from tradewind.predictors.layer_grid import Codes, LayerGrid

GRID = LayerGrid("d_model", (64, 128), "bias", (2, 3, 4), (("n_head", (1, 2, 4)), ("mlp_ratio", (2, 3))))


def random_codes(n: int, seed: int, grid: LayerGrid = GRID) -> Codes:
    rng = np.random.default_rng(seed)
    depth = rng.choice(grid.depths, n)
    layered = {name: rng.choice(choices, (n, max(grid.depths))) for name, choices in grid.layered}
    batch = ArchitectureBatch.of_columns(
        "hwgpt", depth, d_model=rng.choice(grid.groups, n), bias=rng.random(n) < 0.5, **layered
    )
    return grid.codes(batch)

from __future__ import annotations

import numpy as np
import pytest
from tests.predictors.layers import GRID, random_codes

from tradewind import spaces
from tradewind.core import FileFormatError, InvalidArchitectureError
from tradewind.predictors.layer_grid import LayerGrid


def test_codes_are_what_counting_by_hand_gives() -> None:
    codes = random_codes(50, seed=0)
    for row, arch in enumerate(codes.archs):
        assert GRID.groups[codes.group[row]] == arch.d_model
        assert GRID.depths[codes.depth[row]] == arch.n_layer
        for c, (name, choice) in enumerate(GRID.contrasts):
            assert codes.contrast_counts[row, c] == getattr(arch, name).count(choice)
            for layer in range(max(GRID.depths)):
                live = layer < arch.n_layer and getattr(arch, name)[layer] == choice
                assert codes.one_hot[row, layer, c] == live


def test_features_are_balanced_and_of_full_rank_within_a_group() -> None:
    codes = random_codes(4000, seed=1)
    mine = codes.features[codes.group == 0]
    assert np.linalg.matrix_rank(mine) == mine.shape[1] == 1 + 2 + 1 + 1 + 2 * len(GRID.contrasts)
    assert np.all(np.abs(mine[:, 3:].mean(axis=0)) < 0.1)


def test_sorted_rows_are_the_rows_in_slices_of_group_and_depth() -> None:
    codes = random_codes(60, seed=2)
    rows = codes.sorted
    assert sorted(rows.order.tolist()) == list(range(60))
    stop = 0
    for group, depth, part in rows.cells:
        assert part.start == stop
        stop = part.stop
        assert np.all(codes.group[rows.order[part]] == group)
        assert np.all(codes.depth[rows.order[part]] == depth)
    assert stop == 60
    assert np.array_equal(rows.features, codes.features[rows.order])
    assert np.array_equal(rows.restored(rows.features[:, 4]), codes.features[:, 4])


def test_a_subset_has_the_codes_of_its_rows() -> None:
    codes = random_codes(30, seed=3)
    rows = np.array([4, 7, 21])
    assert np.array_equal(codes[rows].features, codes.features[rows])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"d_model": 100}, r"row 0: d_model is 100; it must be one of 64, 128 \(nearest: 128\)"),
        ({"n_head": (1, 3)}, r"row 0: n_head is \[1, 3\]; every entry must be one of 1, 2, 4"),
        ({"mlp_ratio": (2, 3, 2, 2, 2), "n_head": (1,) * 5}, "n_layer is 5"),
    ],
)
def test_outside_the_grid_is_said_with_what_is_allowed(change: dict[str, object], words: str) -> None:
    from tradewind.core import HWGPT, ArchitectureBatch

    arch = HWGPT(d_model=64, n_head=(1, 2), mlp_ratio=(2, 3)).replace(**change)
    with pytest.raises(InvalidArchitectureError, match=words):
        GRID.codes(ArchitectureBatch.of([arch]))


def test_the_grid_of_a_space_and_its_plain_data() -> None:
    grid = LayerGrid.of_space(spaces.get("hwgpt-s"))
    assert grid.groups == (192, 384, 768)
    assert grid.contrasts == (("n_head", 8), ("n_head", 12), ("mlp_ratio", 3), ("mlp_ratio", 4))
    assert LayerGrid.from_dict(grid.to_dict()) == grid
    with pytest.raises(FileFormatError):
        LayerGrid.from_dict({"group": "d_model"})

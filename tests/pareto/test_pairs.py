from __future__ import annotations

import itertools

import numpy as np
import pytest

from tradewind.pareto import nondominated_mask
from tradewind.pareto.pairs import admissible


@pytest.mark.parametrize("seed", range(6))
def test_some_network_of_every_non_dominated_total_has_admissible_pairs_only(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_term, depth, options = 2 + seed % 2, 5, 4
    columns = rng.integers(0, 4, (n_term, depth, options)).astype(float)
    if seed > 3:
        columns = np.repeat(columns[:, :1], depth, axis=1)
    everything = np.array(list(itertools.product(range(options), repeat=depth)))
    totals = columns[:, np.arange(depth), everything].sum(axis=2).T
    truth = {tuple(row) for row in totals[nondominated_mask(totals)].tolist()}
    # Every sequence that no pair of its layers forbids, without any other comparison.
    history, parents = [(np.zeros(options, np.int64), np.arange(options))], np.arange(options)
    for _ in range(1, depth):
        parents, choices = admissible(columns, history, np.arange(options), np.arange(options))
        history.append((parents, choices))
    rows = np.empty((len(parents), depth), dtype=np.int64)
    index = np.arange(len(parents))
    for layer in reversed(range(depth)):
        rows[:, layer], index = history[layer][1][index], history[layer][0][index]
    found = columns[:, np.arange(depth), rows].sum(axis=2).T
    assert truth <= {tuple(row) for row in found.tolist()}
    assert len(rows) < len(everything) / 2


def test_only_the_latest_layers_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = np.array([[[0.0, 1.0], [0.0, 0.0], [0.0, 3.0]], [[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]])
    history = [(np.zeros(2, np.int64), np.arange(2)), (np.arange(2), np.zeros(2, np.int64))]
    both = np.arange(2)
    assert [each.tolist() for each in admissible(columns, history, both, both)] == [[0, 1, 1], [0, 0, 1]]
    monkeypatch.setattr("tradewind.pareto.pairs.BACK", 1)
    assert [each.tolist() for each in admissible(columns, history, both, both)] == [[0, 0, 1, 1], [0, 1, 0, 1]]

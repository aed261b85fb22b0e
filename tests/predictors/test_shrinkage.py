from __future__ import annotations

import numpy as np
import pytest

from tradewind.predictors.shrinkage import Block, Ridge, evidence_penalties


@pytest.mark.parametrize("n", [200, 12])
def test_ridge_is_least_squares_with_penalty_rows(n: int) -> None:
    rng = np.random.default_rng(0)
    blocks = [Block(rng.normal(size=(n, 3))), Block(rng.normal(size=(n, 15)))]
    values, penalties = rng.normal(size=n), np.array([0.5, 4.0])
    matrix = np.column_stack([b.columns for b in blocks])
    rows = np.vstack([matrix, np.diag(np.sqrt(np.repeat(penalties, [3, 15])))])
    expected = np.linalg.lstsq(rows, np.concatenate([values, np.zeros(18)]), rcond=None)[0]
    assert np.allclose(np.concatenate(Ridge(blocks, penalties).fit(values)), expected)


@pytest.mark.parametrize("n", [60, 400])
def test_the_evidence_is_largest_at_the_penalties_found(n: int) -> None:
    rng = np.random.default_rng(1)
    sizes = ((n, 40), (n, 30))
    blocks = [Block(np.ones((n, 1)), shrunk=False), *(Block(rng.normal(size=size)) for size in sizes)]
    matrix = [b.columns for b in blocks]
    values = 2 + matrix[1] @ rng.normal(size=40) * 0.3 + matrix[2] @ rng.normal(size=30) * 0.05 + rng.normal(size=n)
    found = evidence_penalties(blocks, values)

    def log_evidence(penalties: np.ndarray) -> float:
        """Log marginal likelihood up to a constant, the noise variance profiled out."""
        each = np.repeat(penalties, [m.shape[1] for m in matrix])
        whole = np.column_stack(matrix)
        kernel = np.eye(n) + (whole / each) @ whole.T
        noise = values @ np.linalg.solve(kernel, values) / n
        return float(-np.linalg.slogdet(kernel)[1] / 2 - n / 2 * np.log(noise))

    best = log_evidence(found)
    for block in (1, 2):
        for factor in (0.6, 1.7):
            other = found.copy()
            other[block] *= factor
            assert log_evidence(other) < best + 0.05


def test_a_block_of_noise_vanishes() -> None:
    rng = np.random.default_rng(2)
    signal, noise = rng.normal(size=(300, 5)), rng.normal(size=(300, 40))
    values = signal @ np.ones(5) + rng.normal(size=300)
    blocks = [Block(signal), Block(noise)]
    penalties = evidence_penalties(blocks, values)
    kept, dropped = Ridge(blocks, penalties).fit(values)
    assert np.linalg.norm(dropped) < 0.25
    assert np.allclose(kept, 1, atol=0.25)


def test_it_is_deterministic() -> None:
    rng = np.random.default_rng(3)
    blocks, values = [Block(rng.normal(size=(50, 70)))], rng.normal(size=50)
    assert np.array_equal(evidence_penalties(blocks, values), evidence_penalties(blocks, values))

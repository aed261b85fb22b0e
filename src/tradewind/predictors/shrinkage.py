"""Linear regression in blocks of coefficients, each shrunk as much as the data ask for.

Every block of columns has its own prior variance; the evidence (the probability of the data with the coefficients
integrated out) sets them: empirical Bayes, by the fixed point of MacKay 1992 ("Bayesian interpolation", Neural
Computation 4, section 3) that the relevance vector machine uses a coefficient (Tipping 2001, section 2.3). A block that
explains nothing is shrunk to nothing, so a generous design does no harm.

Symbols: n rows, p columns, λ penalty of a block (noise variance over prior variance), γ effective coefficients.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

FREE = 1e-8
"""Penalty of a block that is not shrunk, against singular designs only."""

ROUNDS = 60
TOLERANCE = 0.01
HELD = 2.0


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """Columns (n, p_b) of a design; `shrunk` says whether the evidence sets their penalty.

    `usual` is the variance of a coefficient known from elsewhere, which counts like that of `HELD` coefficients seen:
    few data then cannot shrink a block to nothing, nor set it free.
    """

    columns: np.ndarray
    shrunk: bool = True
    usual: float | None = None


def evidence_penalties(blocks: Sequence[Block], values: np.ndarray) -> np.ndarray:
    """The penalty of each block that maximises the evidence, rounded to 3 significant digits; deterministic.

    Works in n x n matrices where n < p. The rounding makes the coefficients independent of how the fixed point was
    approached.

    >>> x = np.linspace(-1, 1, 50)
    >>> useless, useful = np.cos(40 * x)[:, None], x[:, None]
    >>> useless, useful = evidence_penalties([Block(useless), Block(useful)], 3 * x + 0.1 * np.sin(90 * x))
    >>> bool(useless > 100 * useful)
    True
    """
    matrix = np.column_stack([block.columns for block in blocks])
    owner = np.repeat(np.arange(len(blocks)), [block.columns.shape[1] for block in blocks])
    penalties = np.array([30.0 if block.shrunk else FREE for block in blocks])
    held = np.array([HELD if block.usual is not None else 0.0 for block in blocks])
    usual = held * np.array([block.usual or 0.0 for block in blocks])
    n, p = matrix.shape
    gram = matrix.T @ matrix if p <= n else None
    for _ in range(ROUNDS):
        each = penalties[owner]
        if gram is not None:
            inverse = np.linalg.inv(gram + np.diag(each))
            coefficients, diagonal = inverse @ (matrix.T @ values), np.diag(inverse)
        else:
            scaled = matrix / each
            inverse = np.linalg.inv(scaled @ matrix.T + np.eye(n))
            coefficients = scaled.T @ (inverse @ values)
            diagonal = 1 / each - np.einsum("ij,ij->j", scaled, inverse @ scaled)
        effective = 1 - each * diagonal
        residual = values - matrix @ coefficients
        noise = float(residual @ residual) / max(n - effective.sum(), 1.0)
        size = np.bincount(owner, coefficients**2, len(blocks))
        count = np.bincount(owner, effective, len(blocks))
        found = np.clip(noise * np.maximum(count + held, 1e-9) / np.maximum(size + usual, 1e-300), 1e-6, 1e9)
        found = np.where([block.shrunk for block in blocks], found, FREE)
        moved = float(np.max(np.abs(np.log(found / penalties))))
        penalties = found
        if moved < TOLERANCE:
            break
    return np.array([float(f"{penalty:.3g}") for penalty in penalties.tolist()])


class Ridge:
    """Ridge regression of given blocks and penalties, factorised once for many responses.

    Primal or dual, whichever is smaller.

    >>> [c.round(3).tolist() for c in Ridge([Block(np.eye(3))], np.array([1.0])).fit(np.array([1.0, 2.0, 3.0]))]
    [[0.5, 1.0, 1.5]]
    """

    def __init__(self, blocks: Sequence[Block], penalties: np.ndarray) -> None:
        self._matrix = np.column_stack([block.columns for block in blocks])
        self._ends = np.cumsum([block.columns.shape[1] for block in blocks])[:-1]
        self._each = np.repeat(penalties, [block.columns.shape[1] for block in blocks])
        n, p = self._matrix.shape
        self._primal = p <= n
        if self._primal:
            self._inverse = np.linalg.inv(self._matrix.T @ self._matrix + np.diag(self._each))
        else:
            self._inverse = np.linalg.inv((self._matrix / self._each) @ self._matrix.T + np.eye(n))

    def fit(self, values: np.ndarray) -> list[np.ndarray]:
        """Coefficients of each block, (p_b,), for values (n,)."""
        if self._primal:
            coefficients = self._inverse @ (self._matrix.T @ values)
        else:
            coefficients = (self._matrix / self._each).T @ (self._inverse @ values)
        return np.split(coefficients, self._ends)

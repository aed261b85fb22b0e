"""What the Bayesian algorithms share: Gaussian processes, a pool of candidates near the front, greedy rounds.

A round's candidates are chosen one after the other from a pool; after each choice the surrogate takes its mean for
granted (the "kriging believer" of Ginsbourger, Le Riche and Carraro 2010), so that the next one is another.

Symbols: N measurements, P pool members, D entries of an encoding, M objectives.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from tradewind.core import Evaluation, Problem
from tradewind.core.seeds import generator
from tradewind.pareto import crowding_distance, nondominated_mask
from tradewind.search.encoding import encoding
from tradewind.search.ranking import signs
from tradewind.search.rounds import Rounds, RoundsSettings
from tradewind.search.settings import Settings, setting
from tradewind.search.surrogate import Posterior, learn, posterior, require_botorch


@dataclasses.dataclass(frozen=True)
class BayesianSettings(RoundsSettings):
    """Settings of every `Bayesian`."""

    pool: int = setting(300, "candidates among which a round is chosen", low=10)


class Bayesian(Rounds):
    """Base of the Bayesian algorithms; a subclass says how much a candidate is worth measuring.

    Candidates without values (failed, or beyond a measured constraint) teach which others will have values.
    """

    settings_type = BayesianSettings
    settings: BayesianSettings

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        require_botorch(type(self).__name__)
        super().__init__(problem, settings)
        self._encode = encoding(problem.space)
        self._signs = np.array(signs(problem.objectives))
        self._learnt = lru_cache(maxsize=2)(self._learn)

    @abstractmethod
    def worth(self, pool: Posterior, front: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """How much each pool member is worth measuring, (P,), at least 0.

        All is to be minimised; `front` (F, M) is what the posterior says of the best measured and chosen so far, 0 to
        1 in every objective.
        """

    def plan(self, number: int, evaluations: Sequence[Evaluation]) -> list[Any]:
        """A round's candidates, each worth most given those before it."""
        rng = generator(self.problem.seed, "bayesian", number)
        known = self._known(evaluations)
        inputs, targets = self._data(known)
        states = self._learnt(min(self.fitted_at(number), len(evaluations)))
        ours = posterior(states, inputs, targets, inputs).mean
        front = nondominated_mask(ours)
        parents = [known[i].candidate for i in np.flatnonzero(front)]
        pool = self._pool(parents, ours[front], {e.candidate.id for e in evaluations}, rng)
        if not pool:
            return []
        encoded = self._encode(pool)
        found, likely = posterior(states, inputs, targets, encoded), self._likely(evaluations, encoded)
        low, extent = ours[front].min(axis=0), np.ptp(ours[front], axis=0)
        extent = np.where(extent > 1e-9, extent, 1.0)
        found = Posterior(
            (found.mean - low) / extent, found.covariance / (extent[:, None, None] * extent[:, None, None])
        )
        best = (ours[front] - low) / extent
        chosen: list[int] = []
        while len(chosen) < min(self.settings.round, len(pool)):
            # Where nothing is worth anything, what is least certain is chosen.
            worth = self.worth(found, best, rng) * likely + 1e-12 * found.deviation.sum(axis=1)
            worth[chosen] = -1.0
            index = int(np.argmax(worth))
            chosen.append(index)
            best = np.vstack([best, found.mean[index]])
            best = best[nondominated_mask(best)]
            found = found.given_mean(index)
        return [pool[i] for i in chosen]

    def _pool(self, parents: Sequence[Any], points: np.ndarray, taken: set[str], rng: np.random.Generator) -> list[Any]:
        """New feasible candidates: steps from the front, crosses and mutants of its members, and random ones."""
        space, size = self.problem.space, self.settings.pool
        lonely = np.argsort(-crowding_distance(points), kind="stable")[: max(4, len(parents) // 4)]

        def parent() -> Any:
            return parents[int(rng.choice(lonely) if rng.random() < 0.5 else rng.integers(len(parents)))]

        children = [space.step(parent(), rng, True) for _ in range(size // 2)]
        children += [space.step(space.step(parent(), rng, True), rng, True) for _ in range(size // 6)]
        children += [space.crossover(parent(), parent(), rng) for _ in range(size // 6)]
        children += list(space.sample_many(max(1, size // 6), int(rng.integers(2**62))))
        found = {c.id: c for c in children if c.id not in taken}
        new = list(found.values())
        return [c for c, holds in zip(new, self.problem.feasible(new) if new else (), strict=True) if holds]

    def _known(self, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
        """Those with values, of candidates of the space."""
        space, objectives = self.problem.space, self.problem.objectives
        return [e for e in evaluations if e.values(objectives) is not None and space.contains(e.candidate)]

    def _data(self, known: Sequence[Evaluation]) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (N, D) and targets (N, M): to be minimised, logarithms where all are positive, standardised."""
        values = np.array([e.values(self.problem.objectives) for e in known], dtype=float)
        positive = (values > 0).all(axis=0)
        values = np.where(positive, np.log(np.where(positive, values, 1.0)), values) * self._signs
        spread = values.std(axis=0)
        return self._encode([e.candidate for e in known]), (values - values.mean(axis=0)) / np.where(
            spread > 1e-12, spread, 1.0
        )

    def _learn(self, count: int) -> Sequence[Mapping[str, Any]]:
        """Hyperparameters from the first evaluations."""
        return learn(*self._data(self._known(self._log[:count])))

    def _likely(self, evaluations: Sequence[Evaluation], encoded: np.ndarray) -> np.ndarray:
        """How probable it is that each pool member has values, (P,)."""
        from scipy.special import ndtr

        inside = [e for e in evaluations if self.problem.space.contains(e.candidate)]
        valued = np.array([e.values(self.problem.objectives) is not None for e in inside], dtype=float)
        if valued.all():
            return np.ones(len(encoded))
        inputs, labels = self._encode([e.candidate for e in inside]), (2 * valued - 1)[:, None]
        found = posterior(learn(inputs, labels), inputs, labels, encoded)
        return np.asarray(ndtr(found.mean[:, 0] / found.deviation[:, 0]))

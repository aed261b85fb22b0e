"""Additive search: a model that is a sum over layers, searched exactly where a weighted sum is least, then measured.

Costs and quality of a network are nearly sums over its layers. A Gaussian process of that form learns them from a few
dozen measurements (`tradewind.predictors.additive_fit`), whatever they are: nothing but the space's choices is known
of them. The least weighted sum of several such functions is found layer by layer, each layer choosing for itself, so a
whole frontier costs as little as a few thousand predictions. A round's candidates are chosen on the posterior mean and
on functions drawn from the posterior, each adding the most hypervolume to what the function thinks of the measured
front (Thompson sampling for several objectives: Bradford, Schweidtmann and Lapkin 2018, J. Glob. Optim. 71(2)).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from tradewind.core import Evaluation, Problem
from tradewind.core.seeds import generator
from tradewind.pareto import nondominated_mask
from tradewind.predictors.additive_features import LayerFeatures, Written
from tradewind.predictors.additive_fit import AdditiveFit, AdditivePrior, Gram, LayerSum, fit_additive
from tradewind.search.additive_design import spread_design
from tradewind.search.ranking import signs
from tradewind.search.rounds import Rounds, RoundsSettings
from tradewind.search.settings import Settings, setting
from tradewind.search.spread import farthest_first, greedy_hypervolume, unit_range
from tradewind.search.supported import supported

SHORTLIST = 150
"""Points of a function's frontier, spread over it, among which the best are chosen by hypervolume."""

STEPS = 40
"""Random steps away from the measured front that are considered beside the function's own frontier."""

SETTLED = 6
"""Rounds after which half as many candidates as at first come from drawn functions."""

REFERENCE = 1.1
"""The reference point in every objective, what is considered spanning 0 to 1."""


@dataclasses.dataclass(frozen=True)
class AdditiveSettings(RoundsSettings):
    """Settings of `Additive`."""

    draws: int = setting(1, "functions drawn from the posterior for a round, beside its mean", low=0)


def explored(size: int, draws: int, number: int) -> int:
    """How many of a round's candidates come from drawn functions: as many from each as from the mean, later fewer.

    Without them a search may settle on a wrong function early; towards its end they cost more than they find.

    >>> [explored(10, 1, number) for number in (0, 6, 12, 60)]
    [5, 2, 1, 0]
    """
    return int(size * draws / (draws + 1) * SETTLED / (SETTLED + number))


class Additive(Rounds):
    """Learn what each layer's choices add, then measure the frontier of sums that is still uncertain.

    Works for any objectives of a space made of layers; raises `UsageError` for another space.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import Problem, parse_objectives
    >>> problem = Problem(spaces.get("gpt2"), parse_objectives("params"), 0, lambda c: np.ones(len(c), bool))
    >>> len(Additive(problem).ask(20))
    20
    """

    settings_type = AdditiveSettings
    settings: AdditiveSettings

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        self._features = LayerFeatures.of_space(problem.space)
        self._tables: Any = self._features.tables
        self._signs = np.array(signs(problem.objectives))
        self._priors = lru_cache(maxsize=4)(self._learn)

    def start(self, position: int) -> Any | None:
        """The next network of the design; a random one in a space that has no such."""
        new = next((candidate for candidate in self._design if candidate.id not in self.seen), None)
        return new or self.fresh.draw(self.seen, "start", position)

    @cached_property
    def _design(self) -> list[Any]:
        return spread_design(self.problem, self._features, self.settings.initial)

    def plan(self, number: int, evaluations: Sequence[Evaluation]) -> list[Any]:
        """A round's candidates: some from the posterior mean, some from each drawn function."""
        known, values = self._data(evaluations)
        if not known:
            return []
        rng = generator(self.problem.seed, "additive", number)
        gram = Gram(self._features, self._written(known))
        priors = self._priors(min(self.fitted_at(number), len(evaluations)))
        fits = [prior.given(gram, column) for prior, column in zip(priors, values.T, strict=True)]
        allowed = self._valid(evaluations)
        taken = {e.candidate.id for e in evaluations}
        chosen: list[Any] = []
        draws = self.settings.draws
        drawn = explored(self.settings.round, draws, number)
        for turn in range(draws + 1):
            functions = [fit.mean() if turn == 0 else fit.draw(rng) for fit in fits]
            want = self.settings.round - drawn + (drawn * turn // draws if draws else 0) - len(chosen)
            found = self._best(functions, want, known, chosen, taken, allowed, rng) if want else []
            taken |= {candidate.id for candidate in found}
            chosen += found
        return chosen

    def _best(
        self,
        functions: Sequence[LayerSum],
        n: int,
        known: Sequence[Any],
        chosen: Sequence[Any],
        taken: set[str],
        allowed: LayerSum | None,
        rng: np.random.Generator,
    ) -> list[Any]:
        """New candidates that add most hypervolume to the known and chosen ones, by what the functions say."""
        ours = self._points(functions, [*known, *chosen])
        front = np.flatnonzero(nondominated_mask(ours))
        near = [known[int(i)] for i in front if i < len(known)] or list(known)
        steps = [self.problem.space.step(near[int(rng.integers(len(near)))], rng, True) for _ in range(STEPS)]
        pool = {c.id: c for c in (*self._frontier(functions, rng), *steps)}
        fresh = [c for name, c in pool.items() if name not in taken]
        fresh = [c for c, holds in zip(fresh, self.problem.feasible(fresh) if fresh else (), strict=True) if holds]
        if allowed is not None and fresh:
            likely = allowed.linear(self._written(fresh)) > 0
            fresh = [c for c, holds in zip(fresh, likely, strict=True) if holds]
        if not fresh:
            return []
        points = self._points(functions, fresh)
        best = np.flatnonzero(nondominated_mask(points))
        both = np.vstack([points[best], ours])
        points, ours = unit_range(points, both), unit_range(ours[front], both)
        best = best[farthest_first(points[best], SHORTLIST)]
        order = greedy_hypervolume(points[best], n, ours, np.full(points.shape[1], REFERENCE))
        picks = [int(best[i]) for i in order]
        # Where nothing adds to the front any more, what lies farthest from all that was measured is most worth knowing.
        if len(picks) < n:
            rest = [i for i in farthest_first(points, n + len(picks), ours) if i not in picks]
            picks += rest[: n - len(picks)]
        return [fresh[i] for i in picks]

    def _frontier(self, functions: Sequence[LayerSum], rng: np.random.Generator) -> list[Any]:
        """Networks of the functions' own frontier, spread over it; all of them where some may break a constraint."""
        cells = supported(functions, self._signs, rng)
        members = [(cell.row, codes) for cell in cells for codes in cell.codes]
        eta = np.vstack([cell.eta for cell in cells])
        points = self._signs * np.column_stack([f.value(eta[:, m]) for m, f in enumerate(functions)])
        if not self.problem.constraints:
            best = np.flatnonzero(nondominated_mask(points))
            members = [members[best[i]] for i in farthest_first(unit_range(points[best], points[best]), SHORTLIST)]
        return [self._tables.build(*member) for member in members]

    def _points(self, functions: Sequence[LayerSum], candidates: Sequence[Any]) -> np.ndarray:
        """What the functions say of N candidates, all to be minimised, (N, M)."""
        at = self._written(candidates)
        return self._signs * np.column_stack([f.value(f.linear(at)) for f in functions])

    def _written(self, candidates: Sequence[Any]) -> Written:
        return self._features.write([self._tables.place(c) for c in candidates])

    def _data(self, evaluations: Sequence[Evaluation]) -> tuple[list[Any], np.ndarray]:
        """The candidates of the space that have values, and these, (N, M)."""
        rows = [(e.candidate, e.values(self.problem.objectives)) for e in evaluations]
        rows = [(c, values) for c, values in rows if values is not None and self.problem.space.contains(c)]
        return [c for c, _ in rows], np.array([values for _, values in rows], dtype=float)

    def _valid(self, evaluations: Sequence[Evaluation]) -> LayerSum | None:
        """A function above 0 where values are expected rather than a failure; None where nothing has failed."""
        inside = [e for e in evaluations if self.problem.space.contains(e.candidate)]
        labels = np.array([1.0 if e.values(self.problem.objectives) else -1.0 for e in inside])
        if (labels > 0).all():
            return None
        gram = Gram(self._features, self._written([e.candidate for e in inside]))
        return fit_additive(gram, labels).mean()

    def _learn(self, count: int) -> tuple[AdditivePrior, ...]:
        """What the first evaluations say about the form of each objective."""
        known, values = self._data(self._log[:count])
        gram = Gram(self._features, self._written(known))
        fits: list[AdditiveFit] = [fit_additive(gram, column) for column in values.T]
        return tuple(fit.prior for fit in fits)

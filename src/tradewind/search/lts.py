"""LTS: the evolutionary Pareto search of LiteTransformerSearch.

Source: Javaheripi et al. 2022, arXiv 2203.02094, and its released search code. Each generation draws parents, with
replacement, from the non-dominated front of everything evaluated, novel ones more often: weight 1 / (1 + s), where s is
the number of times c that the candidate was in a working population, scaled to [0, 1] over the front. Half of the
children are mutants of a parent, half crosses of two.

What differs from the released code, which measured every child before it looked at the cheap constraints, threw away
children with too small a d_inner, could repeat a child within a batch and never stopped in a small space: children are
repaired, feasible and new before they are proposed; a cross that is not after half of `patience` tries becomes a
mutant, and after all of them a random feasible new candidate takes its place; when none is left, nothing is proposed.
Dominance is the usual one (nowhere worse, somewhere better).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np

from tradewind.core import Evaluation, Problem, UsageError
from tradewind.core.seeds import generator
from tradewind.pareto import nondominated_mask, oriented
from tradewind.search.base import AskTell
from tradewind.search.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class LTSSettings(Settings):
    """Settings of `LTS`."""

    population: int = setting(100, "parents and children of a generation", low=5)
    parent_share: float = setting(0.2, "share of parents in the population", low=0.0, high=0.8)
    mutant_share: float = setting(0.4, "share of mutants in the population; the rest are crosses", low=0.0, high=1.0)
    initial: int = setting(0, "random candidates before the first generation; 0: as many as the population", low=0)
    mutation: float = setting(0.3, "probability of redrawing a gene of a mutant", low=0.0, high=1.0)
    crossover: float = setting(0.5, "probability that a gene of a cross is the second parent's", low=0.0, high=1.0)
    patience: int = setting(100, "tries for a feasible new child before a random one takes its place", low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.parent_share + self.mutant_share > 1.0:
            raise UsageError(
                f"parent_share {self.parent_share:g} and mutant_share {self.mutant_share:g} add up to more than 1; "
                "lower one of them"
            )

    @property
    def parents(self) -> int:
        """Parents drawn for a generation."""
        return max(1, round(self.population * self.parent_share))

    @property
    def children(self) -> int:
        """Children of a generation."""
        return self.population - self.parents

    def is_mutant(self, child: int) -> bool:
        """Whether a generation's child of this number is a mutant: mutants and crosses take turns in proportion."""
        mutants = min(round(self.population * self.mutant_share), self.children)
        return (child + 1) * mutants // self.children > child * mutants // self.children


class LTS(AskTell):
    """Evolution on the front with parents weighted by novelty (LiteTransformerSearch).

    Random candidates first, then generations. A generation starts when all evaluations of the one before are told; what
    is asked beyond its end belongs to it still, so nothing waits for slow evaluations. Candidates without values
    (failed, or beyond a measured constraint) are not proposed again and never parents.

    The settings are the paper's, so the first 100 evaluations are random. That is no loss: on six closed-form problems
    (`benchmarks/lts_settings.py`, 16 seeds) shorter starts were level with random search or behind it at 60 and 100
    evaluations, because few parents breed more of the same. With two objectives and bounds on the parameters, as in the
    paper, it leads random search from 200 evaluations on; on the HW-GPT spaces with two objectives, by 1,000; with
    three objectives it is level at 1,000; without bounds it stays behind, for nothing draws it to the front's ends.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import Problem, parse_objectives
    >>> problem = Problem(spaces.get("gpt2"), parse_objectives("params"), 0, lambda c: np.ones(len(c), bool))
    >>> LTS(problem).ask() == LTS(problem).ask()
    True
    """

    settings_type = LTSSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {
            "population": 100,
            "parent_share": 0.2,
            "mutant_share": 0.4,
            "initial": 100,
            "mutation": 0.3,
            "crossover": 0.5,
        },
    }

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        self.options = cast(LTSSettings, self.settings)
        self._front: list[Any] = []
        self._points = np.empty((0, len(problem.objectives)))
        self._since: list[tuple[Any, tuple[float, ...]]] = []
        self._valued: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._parents: list[Any] = []
        self._generation = 0
        self._start = 0
        self._end = self.options.initial or self.options.population

    def learn(self, evaluation: Evaluation) -> None:
        """Keep the values, and draw new parents when a generation is complete."""
        candidate, values = evaluation.candidate, evaluation.values(self.problem.objectives)
        self._counts[candidate.id] += 1
        if values is not None and candidate.id not in self._valued:
            self._valued.add(candidate.id)
            self._since.append((candidate, values))
        if self.told == self._end:
            self._update_front()
            self._generation += 1
            self._start, self._end = self.told, self.told + self.options.children
            self._draw_parents()

    def propose(self, position: int) -> Any | None:
        """A child of the current parents, or a random candidate before there are any."""
        if not self._parents:
            return self.fresh.draw(self.seen, "lts", "initial", position)
        child, patience = position - self._start, self.options.patience
        rng = generator(self.problem.seed, "lts", self._generation, child)
        tries = 0
        while tries < patience:
            mutant = self.options.is_mutant(child) or 2 * tries > patience
            batch = min(1 + tries, 32, patience - tries)
            tries += batch
            children = [self._mutant(rng) if mutant else self._cross(rng) for _ in range(batch)]
            new = [c for c in children if c.id not in self.seen]
            for candidate, feasible in zip(new, self.problem.feasible(new) if new else (), strict=True):
                if feasible:
                    return candidate
        return self.fresh.draw(self.seen, "lts", self._generation, child)

    def _mutant(self, rng: np.random.Generator) -> Any:
        parent = self._parents[rng.integers(len(self._parents))]
        return self.problem.space.mutate(parent, rng, self.options.mutation)

    def _cross(self, rng: np.random.Generator) -> Any:
        """A cross of two positions among the parents, which may hold the same candidate."""
        n = len(self._parents)
        first = int(rng.integers(n))
        second = (first + 1 + int(rng.integers(max(n - 1, 1)))) % n
        return self.problem.space.crossover(self._parents[first], self._parents[second], rng, self.options.crossover)

    def _update_front(self) -> None:
        """Merge what was told since the last time into the non-dominated front."""
        if self._since:
            candidates = [*self._front, *(candidate for candidate, _ in self._since)]
            new = oriented([values for _, values in self._since], self.problem.objectives)
            points = np.concatenate([self._points, new])
            mask = nondominated_mask(points)
            self._front = [candidate for candidate, kept in zip(candidates, mask, strict=True) if kept]
            self._points = points[mask]
            self._since = []

    def _draw_parents(self) -> None:
        """Parents of the next generation, with replacement; none while nothing has values."""
        if self._front:
            weights = novelty([self._counts[candidate.id] for candidate in self._front])
            rng = generator(self.problem.seed, "lts", self._generation, "parents")
            drawn = rng.choice(len(self._front), size=self.options.parents, p=weights)
            self._parents = [self._front[i] for i in drawn]
            self._counts.update(candidate.id for candidate in self._parents)


def novelty(counts: Sequence[int]) -> np.ndarray:
    """Probabilities of becoming a parent from the times each candidate was in a working population.

    >>> novelty([1, 1, 3, 2]).round(3).tolist()
    [0.316, 0.316, 0.158, 0.211]
    """
    times = np.asarray(counts, dtype=np.float64)
    spread = times.max() - times.min()
    weights = 1.0 / (1.0 + (times - times.min()) / (spread or 1.0))
    return np.asarray(weights / weights.sum())

"""MO-ASHA: many candidates with little resource each, and more of it for the best of them.

Source: Schmucker, Donini, Zafar, Salinas and Archambeau 2021, arXiv 2106.12639; the asynchronous halving of Li et al.
2020, arXiv 1810.05934, with candidates ordered by non-dominated sorting and, within a front, along an epsilon-net
(Salinas et al. 2021, arXiv 2106.05680). A rung is a fidelity. Whenever more than one in `reduction` of those that
finished a rung could have gone on and did not, the best of them does; otherwise a new candidate starts at the lowest.

The published algorithm draws new candidates at random. Here, after `initial` of them, a share of `breed` are steps away
from the best of the highest rung that says something.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from tradewind.core import Constraint, Evaluation, Partial, Problem
from tradewind.core.seeds import Streams
from tradewind.pareto import crowding_distance, nondominated_rank, oriented
from tradewind.search.breeding import BreederSettings, Breeding
from tradewind.search.settings import Settings, setting
from tradewind.search.spread import farthest_first, unit_range


@dataclasses.dataclass(frozen=True)
class MOASHASettings(BreederSettings):
    """Settings of `MOASHA`."""

    reduction: int = setting(3, "one in so many goes on to the next rung, of so many times the resource", low=2)
    grace: int = setting(0, "resource of the lowest rung; 0: the whole over the square of the reduction", low=0)
    crowding: bool = setting(False, "order a front by crowding distance, not along an epsilon-net")
    initial: int = setting(20, "proposals before the first child", low=1)
    breed: float = setting(0.8, "share of children among the new candidates after that", low=0.0, high=1.0)
    elite: int = setting(20, "best candidates that may have children", low=1)


class MOASHA(Breeding):
    """Multi-objective asynchronous successive halving: the best go on to more resource.

    Where the problem has no fidelities there is one rung, the whole: it then evolves from the best of all evaluations,
    and with the preset ``hwgpt`` (no children) it is random search, as in the published comparison, whose trials
    reported once. Measured constraints are judged at every rung: what breaks one comes after all that breaks none, in
    the order of how far. When the space has no new candidate left, all others go on, best first.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import Problem, parse_objectives
    >>> facts = spaces.get("gpt2"), parse_objectives("params"), 0, lambda c: np.ones(len(c), bool)
    >>> MOASHA(Problem(*facts, fidelities=range(1, 101))).rungs, MOASHA(Problem(*facts)).rungs
    ((12, 34, None), (None,))
    """

    settings_type = MOASHASettings
    settings: MOASHASettings
    judges_constraints = True
    uses_fidelities = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "hwgpt": {"reduction": 3, "grace": 1, "breed": 0.0, "corners": False, "spread": False},
    }

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        self.rungs = rungs(problem.fidelities, self.settings.reduction, self.settings.grace)
        self._coins = Streams(problem.seed, "breed or draw")
        self._finished = [_Rung(problem, self.settings.crowding) for _ in self.rungs]

    @property
    def initial(self) -> int:
        """As set; then children as well as random candidates."""
        return self.settings.initial

    @property
    def parents(self) -> int:
        """How many of the best may have children."""
        return len(self._elite())

    def learn(self, evaluation: Evaluation) -> None:
        """Keep it in its rung; one at a fidelity that is no rung says nothing."""
        if evaluation.fidelity in self.rungs:
            self._finished[self.rungs.index(evaluation.fidelity)].add(evaluation)

    def propose(self, position: int) -> Any | None:
        """Who may go on, from the highest rung down; else a new candidate; at the end of the space, whoever is left."""
        found = self._promotion()
        if found is None:
            found = self._beginner(position)
        return self._promotion(everyone=True) if found is None else found

    def breed(self, rng: np.random.Generator) -> Any:
        """A step away from one of the best."""
        best = self._elite()
        return self.problem.space.step(best[int(rng.integers(len(best)))], rng, self.settings.spread)

    def _promotion(self, everyone: bool = False) -> Any | None:
        for lower in reversed(range(len(self.rungs) - 1)):
            rung, above = self._finished[lower], self._finished[lower + 1]
            for candidate in rung.best(len(rung) if everyone else len(rung) // self.settings.reduction):
                if candidate.id not in above and candidate.id not in self._out:
                    return self._at(candidate, lower + 1)
        return None

    def _beginner(self, position: int) -> Any | None:
        child = self._coins.at(position).random() < self.settings.breed
        candidate = super().propose(position) if child else self._starts.draw(self.seen, position)
        return None if candidate is None else self._at(candidate, 0)

    def _at(self, candidate: Any, rung: int) -> Any:
        fidelity = self.rungs[rung]
        return candidate if fidelity is None else Partial(candidate, fidelity)

    def _elite(self) -> Sequence[Any]:
        """The best of the highest rung that the square of `reduction` candidates have finished; of the lowest, else."""
        reduction = self.settings.reduction
        full = [rung for rung in self._finished if len(rung) >= reduction**2]
        rung = full[-1] if full else self._finished[0]
        return rung.best(min(self.settings.elite, max(1, len(rung) // reduction)))


class _Rung:
    """What finished at one fidelity, and in which order it may go on."""

    def __init__(self, problem: Problem, crowding: bool) -> None:
        self._problem, self._crowding = problem, crowding
        self._names: set[str] = set()
        self._candidates: list[Any] = []
        self._values: list[tuple[float, ...]] = []
        self._violations: list[float] = []
        self._best: list[Any] = []

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, evaluation: Evaluation) -> None:
        """Take in a finished evaluation, a candidate's first here; one without values is counted and never the best."""
        candidate, values = evaluation.candidate, evaluation.values(self._problem.objectives)
        if candidate.id in self._names:
            return
        self._names.add(candidate.id)
        if values is not None:
            self._candidates.append(candidate)
            self._values.append(values)
            self._violations.append(sum(violation(c, evaluation) for c in self._problem.constraints))
            self._best = []

    def best(self, n: int) -> list[Any]:
        """The first `n` in order."""
        if len(self._best) < min(n, len(self._candidates)):
            self._best = [self._candidates[i] for i in self._order(n)]
        return self._best[:n]

    def _order(self, n: int) -> list[int]:
        """Indices of `n`, best first: by front and within it; after them what breaks a constraint, least first."""
        points, violations = oriented(self._values, self._problem.objectives), np.array(self._violations)
        allowed, order = np.flatnonzero(violations == 0), list[int]()
        ranks = nondominated_rank(points[allowed]) if len(allowed) else allowed
        for rank in range(int(ranks.max(initial=-1)) + 1):
            front = allowed[ranks == rank]
            if len(order) < n:
                order += front[self._within(points[front], n - len(order))].tolist()
        rest = np.flatnonzero(violations > 0)
        return [*order, *rest[np.argsort(violations[rest], kind="stable")].tolist()][:n]

    def _within(self, front: np.ndarray, n: int) -> np.ndarray:
        """The first `n` of one front's points: those that are far from all before."""
        if self._crowding:
            return np.argsort(-crowding_distance(front), kind="stable")[:n]
        return np.array(farthest_first(unit_range(front, front), n))


def violation(constraint: Constraint, evaluation: Evaluation) -> float:
    """How far an evaluation oversteps a bound, as a share of it; 0 where it holds, infinite without a value."""
    found = evaluation.values([constraint.objective])
    if found is None:
        return math.inf
    over = abs(found[0] - constraint.bound) / (abs(constraint.bound) or 1.0)
    return 0.0 if constraint.holds(found[0]) else max(over, math.ulp(1.0))


def rungs(fidelities: Sequence[int], reduction: int, grace: int) -> tuple[int | None, ...]:
    """Rungs for an evaluator's fidelities, rising: the grace times powers of the reduction, and None for the whole.

    Each is the least fidelity that is not below that.

    >>> rungs(range(1, 6), 3, 1), rungs((100, 200, 400, 800), 2, 0), rungs((), 3, 1)
    ((1, 3, None), (200, 400, None), (None,))
    """
    if not len(fidelities):
        return (None,)
    whole = fidelities[-1]
    wanted = float(grace) or whole / reduction**2
    found: list[int] = []
    while wanted < whole:
        level = next(f for f in fidelities if f >= wanted)
        if level < whole and level not in found:
            found.append(level)
        wanted *= reduction
    return (*found, None)

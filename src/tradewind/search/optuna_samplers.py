"""Any of Optuna's samplers as an ask/tell algorithm, e.g. ``optuna:NSGAIISampler`` or ``optuna:TPESampler``.

An Optuna study in memory holds what was told, one trial an evaluation, with measured constraints as Optuna's. For each
proposal a sampler is made anew, its seed derived from the position: so what it proposes depends on the log alone. What
it proposes is rounded to a member of the space; from one that is known or infeasible the search walks on, one random
step at a time.

Samplers that breed keep each trial's generation in the trial, so with them a told candidate is asked for as Optuna
would have done it, and then told. Samplers whose memory is elsewhere cannot go on from a log and are refused.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any, ClassVar

import optuna

from tradewind.core import Evaluation, Problem, UsageError, unknown
from tradewind.core.seeds import Streams, derive
from tradewind.search.base import AskTell
from tradewind.search.libraries import given, settings_of
from tradewind.search.settings import Settings
from tradewind.search.vectors import Vectors

REFUSED = {
    "BruteForceSampler": "it only enumerates; `exact` and `random` reach every candidate",
    "CmaEsSampler": "it keeps its state in the trials it asked for, and knows one objective and no categories",
    "GridSampler": "it needs a grid; narrow the space with --set and search it with `random`",
    "NSGAIIISampler": "it goes on differently from a log; `optuna:NSGAIISampler` does not",
    "PartialFixedSampler": "it wraps another sampler; narrow the space with --set and name that one",
    "QMCSampler": "it counts its proposals outside of the log; `random` starts as evenly from a log",
}
"""Samplers that cannot be used, and what to do instead."""
HIDDEN = ("seed", "consider_prior", "prior_weight", "consider_magic_clip", "consider_endpoints")
"""Parameters that are set here or deprecated in Optuna."""
WALK = 100
"""Random steps away from a proposal that is known or infeasible, before a random candidate takes its place."""


def kinds() -> list[str]:
    """The samplers that can be used."""
    found = [name for name in optuna.samplers.__all__ if name.endswith("Sampler") and not name.startswith("Base")]
    return sorted(set(found) - set(REFUSED))


@cache
def adapted(kind: str) -> type[AskTell]:
    """The algorithm around a sampler; raises `UsageError`."""
    if kind in REFUSED:
        raise UsageError(f"optuna:{kind} cannot be used here: {REFUSED[kind]}")
    if kind not in kinds():
        raise unknown("sampler of Optuna", kind, kinds())
    sampler = getattr(optuna.samplers, kind)
    facts = {
        "__doc__": f"Optuna's {kind}.",
        "sampler": sampler,
        "settings_type": settings_of(kind, [sampler], (*HIDDEN, "warn_independent_sampling")),
    }
    return type(f"Optuna{kind}", (OptunaSampler,), facts)


class OptunaSampler(AskTell):
    """Base of the algorithms around samplers; see the module's text."""

    judges_constraints = True
    sampler: ClassVar[type[optuna.samplers.BaseSampler]]

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        self._vectors = Vectors(problem.space)
        self._distributions = {
            gene.name: optuna.distributions.IntDistribution(0, len(gene.choices) - 1)
            if type(gene.choices[0]) is int
            else optuna.distributions.CategoricalDistribution(range(len(gene.choices)))
            for gene in self._vectors.genes
            if len(gene.choices) > 1
        }
        self._walk = Streams(problem.seed, "walk")
        with quiet():
            self._study = optuna.create_study(
                directions=["minimize" if o.minimise else "maximize" for o in problem.objectives],
                sampler=self._sampler(0),
            )

    def propose(self, position: int) -> Any | None:
        """What a sampler proposes, or the nearest new candidate that a random walk from there meets."""
        with quiet():
            self._study.sampler = self._sampler(position)
            trial = self._study.ask()
            indices = [self._suggested(trial, gene.name) for gene in self._vectors.genes]
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        candidate, rng = self._vectors.candidate(indices), self._walk.at(position)
        for _ in range(WALK):
            if candidate.id not in self.seen and self.problem.feasible([candidate])[0]:
                return candidate
            candidate = self.problem.space.step(candidate, rng)
        return self.fresh.draw(self.seen, "optuna", position)

    def learn(self, evaluation: Evaluation) -> None:
        """A finished trial; one without a value for every objective and constraint is a failed one."""
        values = evaluation.values(self.problem.objectives)
        constraints = self._constraints(evaluation)
        if values is None or constraints is None or not self.problem.space.contains(evaluation.candidate):
            return
        indices = dict(zip([g.name for g in self._vectors.genes], self._vectors.of(evaluation.candidate), strict=True))
        params = {name: int(indices[name]) for name in self._distributions}
        with quiet():
            if issubclass(self.sampler, optuna.samplers.BaseGASampler):
                self._breed(params, values, constraints)
            else:
                self._study.add_trial(
                    optuna.trial.create_trial(
                        values=values, params=params, distributions=dict(self._distributions), constraints=constraints
                    )
                )

    def _breed(self, params: dict[str, int], values: tuple[float, ...], constraints: dict[str, float]) -> None:
        """A trial that counts in its generation."""
        self._study.enqueue_trial(params)
        self._study.sampler = self._sampler(self.told)
        trial = self._study.ask(dict(self._distributions))
        _ = trial.relative_params  # Optuna counts generations where it makes children, and makes them when asked for
        for name, value in constraints.items():
            trial.set_constraint(name, value)
        self._study.tell(trial, list(values))

    def _sampler(self, position: int) -> optuna.samplers.BaseSampler:
        seed = derive(self.problem.seed, "optuna", position) % 2**32
        silence = {"warn_independent_sampling": False} if self.sampler is optuna.samplers.TPESampler else {}
        try:
            return self.sampler(seed=seed, **given(self.settings), **silence)  # type: ignore[call-arg]
        except ValueError as error:
            raise UsageError(f"optuna:{self.sampler.__name__} refuses its settings: {error}") from error

    def _suggested(self, trial: optuna.Trial, name: str) -> int:
        distribution = self._distributions.get(name)
        if distribution is None:
            return 0
        if isinstance(distribution, optuna.distributions.IntDistribution):
            return trial.suggest_int(name, distribution.low, distribution.high)
        return int(trial.suggest_categorical(name, distribution.choices))  # type: ignore[arg-type]

    def _constraints(self, evaluation: Evaluation) -> dict[str, float] | None:
        """How far each measured bound is overstepped, at most 0 where it holds; None where one has no value."""
        found = {}
        for constraint in self.problem.constraints:
            value = evaluation.values([constraint.objective])
            if value is None:
                return None
            over = abs(value[0] - constraint.bound)
            found[str(constraint)] = -over if constraint.holds(value[0]) else max(over, math.ulp(constraint.bound))
        return found


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's log and its warnings of what is experimental."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)

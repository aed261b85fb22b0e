"""Any of pymoo's multi-objective algorithms as ask/tell, e.g. ``pymoo:NSGA2`` or ``pymoo:AGEMOEA``.

pymoo works in generations and keeps its state in an object, so a log is told again: with the same seed and the same
results it makes the same generations. Its variables are the choice indices of a space's genes, scaled to [0, 1]; what
it makes is rounded to members of the space before it looks at it again. Those that are known already are told to it
with the values that they have, those without values as worse than all others.

A generation is told when all its candidates are. Whatever is asked for meanwhile are random candidates, from which
pymoo learns when it makes them itself.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pymoo.algorithms.moo
from pymoo.core.algorithm import Algorithm
from pymoo.core.evaluator import Evaluator
from pymoo.core.individual import Individual
from pymoo.core.population import Population
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.repair import Repair
from pymoo.core.sampling import Sampling
from pymoo.core.termination import NoTermination
from pymoo.problems.static import StaticProblem

from tradewind.core import Evaluation, Problem, UsageError, unknown
from tradewind.core.seeds import derive
from tradewind.search.base import AskTell
from tradewind.search.libraries import given, settings_of
from tradewind.search.ranking import signs
from tradewind.search.settings import Settings
from tradewind.search.vectors import Vectors

REFUSED = {
    "DNSGA2": "it is for problems that change in time",
    "KGB": "it is for problems that change in time",
    "PINSGA2": "it asks a person",
    "RVEA": "it adapts to how much of its budget is left, which no search knows",
    "RNSGA2": "it needs reference points, which no setting can give",
    "RNSGA3": "it needs reference points, which no setting can give",
}
"""Algorithms that cannot be used, and why."""
HIDDEN = (
    "verbose",
    "seed",
    "return_least_infeasible",
    "save_history",
    "save_ps",
    "eliminate_duplicates",
    "advance_after_initial_infill",
)
"""Parameters that change nothing here, or are each algorithm's own."""
IDLE = 50
"""Generations in a row without a new candidate after which random ones take over."""


def kinds() -> list[str]:
    """The algorithms that can be used."""
    return sorted(set(_classes()) - set(REFUSED))


@cache
def adapted(kind: str) -> type[AskTell]:
    """The algorithm around one of pymoo's; raises `UsageError`."""
    if kind in REFUSED:
        raise UsageError(f"pymoo:{kind} cannot be used here: {REFUSED[kind]}; there are {', '.join(kinds())}")
    if kind not in kinds():
        raise unknown("algorithm of pymoo", kind, kinds())
    made = _classes()[kind]
    parents = [parent for parent in made.__mro__ if issubclass(parent, Algorithm) and parent is not Algorithm]
    facts = {
        "__doc__": f"pymoo's {kind}.",
        "algorithm": made,
        "settings_type": settings_of(
            kind, [vars(parent)["__init__"] for parent in parents if "__init__" in vars(parent)], HIDDEN
        ),
    }
    return type(f"Pymoo{kind}", (PymooAlgorithm,), facts)


class PymooAlgorithm(AskTell):
    """Base of the algorithms around pymoo's; see the module's text."""

    algorithm: ClassVar[type[Algorithm]]

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        self._vectors = Vectors(problem.space)
        self._signs = np.array(signs(problem.objectives))
        self._values: dict[str, np.ndarray | None] = {}
        self._box = PymooProblem(n_var=len(self._vectors.sizes), n_obj=len(problem.objectives), xl=0.0, xu=1.0)
        self._made: Algorithm | None = self._create()
        self._asked: Any = None
        self._generation: Any = None
        self._members: list[Any] = []
        self._open: list[Any] = []
        self._advance()

    def propose(self, position: int) -> Any | None:
        """The next of the generation; random candidates while the last of it are awaited, and when pymoo has ended."""
        found = next((candidate for candidate in self._open if candidate.id not in self.seen), None)
        return self.fresh.draw(self.seen, "pymoo", position) if found is None else found

    def learn(self, evaluation: Evaluation) -> None:
        """Keep the values; when the whole generation has its own, tell them and make the next."""
        values = evaluation.values(self.problem.objectives)
        self._values[evaluation.candidate.id] = None if values is None else self._signs * values
        if self._made is not None and all(candidate.id in self._values for candidate in self._open):
            self._tell()
            self._advance()

    def _create(self) -> Algorithm:
        """The algorithm with the settings, at its beginning."""
        options = given(self.settings)
        parameters = {name for p in self.algorithm.__mro__ for name in _parameters(p)}
        n_obj = len(self.problem.objectives)
        if "ref_dirs" in parameters:  # one member a direction
            options["ref_dirs"] = directions(n_obj, options.pop("pop_size", 100))
        if "repair" in parameters:
            options["repair"] = _Members(self._vectors)
        if "sampling" in parameters:
            options["sampling"] = _Start(self._beginning)
        try:
            # pymoo's defaults are objects that all instances share, and some have a state.
            made = copy.deepcopy(self.algorithm(**options))
            seed = derive(self.problem.seed, "pymoo") % 2**32
            made.setup(self._box, termination=NoTermination(), seed=seed, verbose=False)
        except Exception as error:  # whatever its constructors raise is about what was given
            raise UsageError(f"pymoo:{self.algorithm.__name__} refuses its settings: {error}") from error
        return made

    def _beginning(self, n: int) -> np.ndarray:
        """Random feasible members of the space, (n, G)."""
        seen: set[str] = set()
        rows = []
        for index in range(n):
            candidate = self.fresh.draw(seen, "pymoo", "start", index)
            if candidate is None:
                break
            seen.add(candidate.id)
            rows.append(self._vectors.of(candidate) / np.maximum(self._vectors.sizes - 1, 1))
        return np.array(rows).reshape(len(rows), len(self._vectors.sizes))

    def _advance(self) -> None:
        """Make generations until one has a candidate that has to be evaluated; none where pymoo has no more."""
        for _ in range(IDLE):
            assert self._made is not None
            self._asked = self._made.ask()
            if self._asked is None:
                break
            # Some ask for one after the other, and want that one back.
            alone = isinstance(self._asked, Individual)
            self._generation = Population.create(self._asked) if alone else self._asked
            if not len(self._generation):
                break
            scale = np.maximum(self._vectors.sizes - 1, 1)
            self._members = [self._vectors.candidate(row * scale) for row in self._generation.get("X")]
            self._generation.set("X", np.array([self._vectors.of(member) / scale for member in self._members]))
            new = {c.id: c for c in self._members if c.id not in self._values}
            holds = self.problem.feasible(list(new.values())) if new else ()
            self._values |= {c.id: None for c, held in zip(new.values(), holds, strict=True) if not held}
            self._open = [c for c, held in zip(new.values(), holds, strict=True) if held]
            if self._open:
                return
            self._tell()
        self._made, self._open = None, []

    def _tell(self) -> None:
        """Hand the values of a generation over, all to be minimised; what has none is worse than all that have."""
        known = [values for values in self._values.values() if values is not None]
        table = np.array(known) if known else np.zeros((1, len(self._signs)))
        worst = table.max(axis=0) + np.maximum(np.ptp(table, axis=0), 1.0)
        rows = [worst if (v := self._values[c.id]) is None else v for c in self._members]
        assert self._made is not None
        Evaluator().eval(StaticProblem(self._box, F=np.array(rows)), self._generation)
        self._made.tell(infills=self._asked)


class _Start(Sampling):  # type: ignore[misc]
    """A first population that a function makes."""

    def __init__(self, make: Callable[[int], np.ndarray]) -> None:
        super().__init__()
        self._make = make

    def _do(self, problem: Any, n_samples: int, **_: Any) -> np.ndarray:
        return self._make(n_samples)

    def __deepcopy__(self, memo: Any) -> _Start:
        return self


class _Members(Repair):  # type: ignore[misc]
    """Snaps vectors to members of the space."""

    def __init__(self, vectors: Vectors) -> None:
        super().__init__()
        self._vectors = vectors

    def _do(self, problem: Any, X: np.ndarray, **_: Any) -> np.ndarray:  # noqa: N803
        scale = np.maximum(self._vectors.sizes - 1, 1)
        return np.array([self._vectors.of(self._vectors.candidate(row * scale)) / scale for row in X])

    def __deepcopy__(self, memo: Any) -> _Members:
        return self


def directions(n_obj: int, most: int) -> np.ndarray:
    """At most `most` evenly spread directions, (n, n_obj): the finest lattice of Das and Dennis 1998 that fits.

    >>> directions(2, 100).shape, directions(3, 100).shape, directions(1, 9).tolist()
    ((100, 2), (91, 3), [[1.0]])
    """
    from pymoo.util.ref_dirs import get_reference_directions

    if n_obj == 1:
        return np.ones((1, 1))
    parts = 1
    while math.comb(parts + n_obj, n_obj - 1) <= most:
        parts += 1
    return np.asarray(get_reference_directions("das-dennis", n_obj, n_partitions=parts))


@cache
def _classes() -> dict[str, type[Algorithm]]:
    """Every algorithm of pymoo's multi-objective room that can be loaded, by name."""
    return {
        name: kind
        for module in pkgutil.iter_modules(pymoo.algorithms.moo.__path__)
        for name, kind in inspect.getmembers(_room(module.name), inspect.isclass)
        if issubclass(kind, Algorithm) and kind.__module__.endswith(f".{module.name}")
    }


def _room(name: str) -> Any:
    """A module of pymoo's; nothing where a library that it needs is missing, which it tells by a plain Exception."""
    with contextlib.suppress(Exception):
        return importlib.import_module(f"pymoo.algorithms.moo.{name}")
    return None


def _parameters(kind: type) -> list[str]:
    return list(inspect.signature(vars(kind)["__init__"]).parameters) if "__init__" in vars(kind) else []

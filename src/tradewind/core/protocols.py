"""The contracts between the rooms: Candidate, Space, Evaluator, Algorithm, and the records that pass between them.

Data flows one way: Space -> Candidate -> Evaluator -> Measurement -> Algorithm (tell) -> Study -> Frontier -> Report.
A new space, evaluator or algorithm is right when it passes the suite of its kind in `tradewind.testing`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from tradewind.core.architecture import Architecture
from tradewind.core.batch import ArchitectureBatch
from tradewind.core.layerwise import Layerwise
from tradewind.core.measurement import Measurement
from tradewind.core.objective import Constraint, Objective
from tradewind.core.workload import Workload


@runtime_checkable
class Candidate(Protocol):
    """What a search proposes: frozen, hashable plain data (an Architecture or a Program)."""

    @property
    def id(self) -> str:
        """Content hash: equal candidates have equal ids."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain data that holds the candidate whole."""
        ...


Measurements: TypeAlias = Mapping[str, Measurement]
"""The measurements of one candidate, keyed by objective name (``latency_ms@cpu``)."""


@dataclasses.dataclass(frozen=True)
class Partial:
    """A proposal to evaluate a candidate with less than the whole resource: at `fidelity`, one of the problem's.

    A candidate that is proposed as it is, is to be evaluated whole.
    """

    candidate: Any
    fidelity: int


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """One finished evaluation of a study: the candidate, its measurements and its place in the order.

    `fidelity` is the resource after which the measurements were taken, None where that was the whole of it. Evaluations
    of one candidate at two fidelities are two evaluations; only whole ones count on a frontier.
    """

    index: int
    candidate: Any
    measurements: Measurements
    role: str = "search"
    seconds: float = 0.0
    fidelity: int | None = None

    @property
    def architecture(self) -> Architecture:
        """The candidate, where it is an Architecture."""
        arch: Architecture = self.candidate
        return arch

    def values(self, objectives: Sequence[Objective]) -> tuple[float, ...] | None:
        """The objectives' values in their order, or None if any has none."""
        found = []
        for objective in objectives:
            measurement = self.measurements.get(objective.name)
            if measurement is None or measurement.value is None:
                return None
            found.append(float(measurement.value))
        return tuple(found)


@runtime_checkable
class Space(Protocol):
    """The set of architectures that may be searched. Plain data: two equal descriptions are the same space."""

    @property
    def name(self) -> str:
        """Registered name, e.g. ``gpt2``."""
        ...

    def sample(self, seed: int) -> Any:
        """One candidate, a pure function of `seed`."""
        ...

    def sample_many(self, n: int, seed: int) -> ArchitectureBatch:
        """`n` independent candidates as arrays (repeats possible), a pure function of `seed`; vectorised."""
        ...

    def size(self) -> int:
        """Exact number of distinct candidates."""
        ...

    def enumerate(self) -> Iterator[Any]:
        """Every distinct candidate once, in a fixed order; for spaces small enough to walk through."""
        ...

    def contains(self, candidate: Any) -> bool:
        """Whether `validate` passes."""
        ...

    def validate(self, candidate: Any) -> None:
        """Raise `InvalidArchitectureError` that names the field at fault, the allowed values and the nearest one."""
        ...

    def neighbours(self, candidate: Any) -> list[Any]:
        """Every distinct candidate one gene away, inside the space, in a fixed order, without the candidate itself."""
        ...

    def step(self, candidate: Any, rng: np.random.Generator, spread: bool = False) -> Any:
        """A random neighbour, every gene as likely; with `spread` the new value may go into several layers at once.

        The candidate itself where the gene has no other value.
        """
        ...

    def mutate(self, candidate: Any, rng: np.random.Generator, probability: float = 0.3) -> Any:
        """A member of the space, each gene redrawn with `probability`; what a change breaks is repaired."""
        ...

    def crossover(self, a: Any, b: Any, rng: np.random.Generator, probability: float = 0.5) -> Any:
        """A member of the space whose genes come from `b` with `probability`, else from `a`; repaired as needed."""
        ...

    def encode(self, candidate: Any) -> np.ndarray:
        """A fixed-length float64 vector, one-to-one on the space."""
        ...

    def decode(self, vector: np.ndarray) -> Any:
        """The candidate of a vector written by `encode`; nearby vectors are rounded and repaired."""
        ...

    def narrow(self, **choices: Any) -> Space:
        """The subspace with the choices of some dimensions cut down."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the inverse of the registry's `from_dict`."""
        ...


@runtime_checkable
class Evaluator(Protocol):
    """Candidates in, measurements out, in batches.

    It may say more of itself, and studies use it: `layerwise` (its quantities taken apart into layers), `anchors`
    (readings that watch a device drift), `isolated` (candidates run in another process), `waited_s` (seconds that it
    waited for the machine), `problem(space)` (why every candidate of a space would fail, or nothing).

    One that can report before it is done, as training can after any number of steps, says so by three more names:

    - `fidelities`, a sequence of increasing positive whole numbers (a tuple or a range): the amounts of resource, in a
      unit of its own, after which it can report. The last one is the whole; `evaluate` is evaluation at that.
    - ``evaluate_at(candidates, fidelity)``: as `evaluate`, after `fidelity` (one of `fidelities`) of the resource.
    - `resumes`: whether a candidate goes on from the highest fidelity that it has reached, so that reaching 300 after
      100 costs 200 more; otherwise it costs 300 again. Where its state was lost it starts anew, with the same result.

    Nobody needs them: without fidelities every evaluation is whole, and algorithms that know none ask for whole ones.
    """

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What it measures."""
        ...

    @property
    def deterministic(self) -> bool:
        """Whether the same candidate always gives the same values."""
        ...

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        """One mapping a candidate, in order, with every objective in it; a failure is a failed Measurement."""
        ...

    def describe(self) -> dict[str, Any]:
        """Plain facts that make its numbers comparable (device, workload, versions); part of a study's identity."""
        ...

    def close(self) -> None:
        """Release workers and files; safe to call twice."""
        ...


@dataclasses.dataclass(frozen=True)
class Problem:
    """What an algorithm is told about its task. It never sees an evaluator.

    `feasible` answers, for a sequence of candidates, which satisfy the cheap (closed-form) constraints, as a boolean
    array; an algorithm proposes feasible candidates only. `constraints` are those the user gave, cheap or not, and
    `layerwise` takes apart, by objective name, the objectives and constrained quantities that are known without
    measuring; `workload` is that of the study. `fidelities` are those of the evaluator, the last one being the whole
    resource; without any, candidates are evaluated whole only.
    """

    space: Space
    objectives: tuple[Objective, ...]
    seed: int
    feasible: Callable[[Sequence[Any]], np.ndarray]
    constraints: tuple[Constraint, ...] = ()
    layerwise: Mapping[str, Layerwise] = dataclasses.field(default_factory=dict)
    workload: Workload = dataclasses.field(default_factory=Workload)
    fidelities: Sequence[int] = ()


@runtime_checkable
class Algorithm(Protocol):
    """Ask/tell. Everything it proposes is a pure function of the problem, its settings and the evaluations told so far
    (in order), plus the number asked since: so a study resumes by telling its log again.
    """

    def ask(self, n: int = 1) -> list[Any]:
        """Up to `n` new candidates; fewer, or none, when the space is exhausted or results are awaited.

        Never a candidate that was asked or told before while the space has new feasible ones. Where the problem has
        fidelities, `Partial`s may stand among them: a candidate then comes once at each fidelity, in rising order.
        """
        ...

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Learn from finished evaluations, in their order; also from ones it never asked for (a resumed log)."""
        ...

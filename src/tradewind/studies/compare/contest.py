"""What is compared: cases (a benchmark and objectives), contestants (an algorithm and its settings), seeds.

Every run is a pure function of its case, contestant, seed and what the algorithm sees. Contestants of a case and seed
see the same noise: a candidate's draw is the same whoever proposes it. So a case and a seed make a block, and blocks
are what paired tests compare.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from tradewind import search
from tradewind.benchmarks import hwgpt, lts
from tradewind.benchmarks.hwgpt.calibrated import calibrated_metric
from tradewind.benchmarks.hwgpt.targets import CLOSED, column_of, workload
from tradewind.core import Objective, Problem, UsageError, Workload, parse_objectives, unknown
from tradewind.core.seeds import derive

SEEN = ("draws", "means")
"""What an algorithm may be told: single noisy observations, or the noise-free means."""

REFERENCES = ("exact", "designed")
"""Algorithms that do not compete: one knows the optimum, the other is a design of measurements and no search."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A benchmark and the objectives to search it for.

    >>> Case.of("hwgpt-s", "perplexity, latency_ms@a100").name
    'hwgpt-s perplexity,latency_ms@a100'
    """

    benchmark: str
    objective_names: tuple[str, ...]

    @classmethod
    def of(cls, benchmark: str, objectives: Sequence[str | Objective] | str) -> Case:
        """A case from names; raises `UsageError` unless the benchmark predicts at least two such objectives."""
        case = cls(benchmark, tuple(o.name for o in parse_objectives(objectives)))
        case.bench.wanted(case.objective_names)
        if len(case.objective_names) < 2:
            raise UsageError(
                f"a comparison is of trade-offs: give at least two objectives beside {case.objective_names[0]}, "
                "e.g. perplexity,latency_ms@a100"
            )
        return case

    @property
    def name(self) -> str:
        """Benchmark and objectives, as shown and as key."""
        return f"{self.benchmark} {','.join(self.objective_names)}"

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The objectives, parsed."""
        return parse_objectives(self.objective_names)

    @property
    def bench(self) -> hwgpt.HWGPTBenchmark:
        """The benchmark; raises `UsageError` for one that predicts nothing."""
        return _bench(self.benchmark)

    def problem(self, seed: int) -> Problem:
        """The task as contestants see it: closed forms are known before anything is measured, predictions never."""
        bench = self.bench
        measured = (_facts(bench.scale, o) for o in self.objectives)
        facts = next(
            (facts for facts in measured if "batch" in facts), {"batch": 1, "seq_len": bench.space.constants["context"]}
        )
        return Problem(
            bench.space,
            self.objectives,
            seed,
            lambda candidates: np.ones(len(candidates), dtype=bool),
            layerwise={name: bench.additive(name) for name in self.objective_names if name in CLOSED},
            workload=Workload(batch=facts["batch"], seq_len=facts["seq_len"]),
        )


@dataclasses.dataclass(frozen=True)
class Contestant:
    """An algorithm with its default settings, with those in brackets behind its name, or with those of a preset.

    >>> Contestant.parse("nsga2/hwgpt").preset, Contestant.parse("optuna:TPESampler(multivariate=true)").algorithm
    ('hwgpt', 'optuna:TPESampler(multivariate=true)')
    """

    algorithm: str
    preset: str | None = None

    @classmethod
    def parse(cls, text: str) -> Contestant:
        """Read ``algorithm`` or ``algorithm/preset``; raises `UsageError` for unknown names and references."""
        algorithm, slash, preset = text.strip().partition("/")
        if search.split(algorithm)[0] in REFERENCES:
            raise UsageError(
                f"{algorithm} does not compete: the exact optimum is the reference of every comparison, and a design "
                "is no search; name algorithms that learn, e.g. random,lts,nsga2"
            )
        kind = search.get(algorithm)
        if slash and preset not in kind.presets:
            raise unknown(f"preset of {algorithm}", preset, kind.presets)
        return cls(algorithm, preset or None)

    @property
    def name(self) -> str:
        """``algorithm`` or ``algorithm/preset``."""
        return f"{self.algorithm}/{self.preset}" if self.preset else self.algorithm

    def create(self, problem: Problem) -> Any:
        """The algorithm; raises `UsageError` where it cannot search the problem."""
        return search.create(self.algorithm, problem, self.preset)


@dataclasses.dataclass(frozen=True)
class Task:
    """One run: a contestant on a case, told draws or means, with one of the seeds."""

    case: Case
    contestant: Contestant
    sees: str
    repeat: int
    evaluations: int
    seed: int

    @property
    def search_seed(self) -> int:
        """Seed of the algorithm, 32 bits (all that some libraries take), from case, contestant and repeat."""
        return derive(self.seed, "compare", self.case.name, self.contestant.name, self.repeat) % 2**32

    @property
    def noise_seed(self) -> int:
        """Seed of the draws, the same for every contestant."""
        return derive(self.seed, "draws", self.case.name, self.repeat)


@dataclasses.dataclass(frozen=True)
class Contest:
    """A whole comparison. `absent` says which algorithms were left out of which case, and why."""

    cases: tuple[Case, ...]
    contestants: tuple[Contestant, ...]
    evaluations: int
    seeds: int
    sees: tuple[str, ...] = ("draws",)
    seed: int = 0
    absent: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        objectives: Sequence[str],
        algorithms: str | Sequence[str] = "all",
        *,
        evaluations: int = 200,
        seeds: int = 20,
        sees: str = "draws",
        seed: int = 0,
    ) -> Contest:
        """Every benchmark with every set of objectives, and every algorithm on each.

        `algorithms` are names, each with settings in brackets or ``/preset`` if wanted, or ``all``: then those that
        cannot search a case are left out and listed in `absent`; one that was named raises `UsageError` instead. `sees`
        is ``draws``, ``means`` or ``both``.

        >>> contest = Contest.of(["hwgpt-s"], ["perplexity,latency_ms@a100"], "random,lts", seeds=3)
        >>> len(list(contest.tasks()))
        6
        """
        if sees not in (*SEEN, "both"):
            raise unknown("choice of what algorithms see", sees, (*SEEN, "both"))
        if not names or not objectives:
            raise UsageError("give at least one benchmark and one set of objectives, e.g. perplexity,latency_ms@a100")
        cases = tuple(dict.fromkeys(Case.of(name, each) for name in names for each in objectives))
        everyone = algorithms == "all"
        if everyone:
            listed = [name for name in search.names() if name not in REFERENCES]
        else:
            # Commas inside brackets stand between the settings of one algorithm.
            listed = re.split(r",(?![^(]*\))", algorithms) if isinstance(algorithms, str) else list(algorithms)
        contestants = tuple(dict.fromkeys(Contestant.parse(name) for name in listed if name.strip()))
        absent = []
        for contestant in contestants:
            for case in cases:
                reason = _obstacle(contestant, case)
                if reason and not everyone:
                    raise UsageError(f"{contestant.name} cannot search {case.name}: {reason}")
                if reason:
                    absent.append((contestant.name, case.name, reason))
        able = tuple(c for c in contestants if sum(name == c.name for name, _, _ in absent) < len(cases))
        if not able:
            raise UsageError("no algorithm is left to compare; name some with --algorithms, e.g. random,lts,nsga2")
        return cls(cases, able, evaluations, seeds, SEEN if sees == "both" else (sees,), seed, tuple(absent))

    def takes_part(self, contestant: Contestant, case: Case) -> bool:
        """Whether an algorithm can search a case."""
        return not any((name, place) == (contestant.name, case.name) for name, place, _ in self.absent)

    def tasks(self) -> Iterator[Task]:
        """Every run, seed by seed, so that what is finished early covers all algorithms and cases alike."""
        for repeat in range(self.seeds):
            for sees in self.sees:
                for case in self.cases:
                    for contestant in self.contestants:
                        if self.takes_part(contestant, case):
                            yield Task(case, contestant, sees, repeat, self.evaluations, self.seed)


def _facts(scale: str, objective: Objective) -> dict[str, Any]:
    own = calibrated_metric(objective.name)
    return own.facts() if own else workload(scale, column_of(objective))


@cache
def _bench(name: str) -> hwgpt.HWGPTBenchmark:
    if name in lts.names():
        raise unknown("benchmark that can be searched", name, hwgpt.names())
    return hwgpt.load(name)


def _obstacle(contestant: Contestant, case: Case) -> str:
    """Why an algorithm cannot search a case; empty where it can."""
    try:
        contestant.create(case.problem(0))
    except UsageError as error:
        return str(error)
    return ""

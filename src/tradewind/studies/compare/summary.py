"""What the runs of a comparison say: curves, outcomes, rankings, time, and the same as plain data and as a table.

Symbols: R runs (seeds), N evaluations.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind.core import StudyError
from tradewind.core.files import write_json, write_parquet
from tradewind.studies.compare.contest import Case, Contest, Contestant, Task
from tradewind.studies.compare.curves import Curves, curves
from tradewind.studies.compare.optimum import REFERENCE, THINNED, Optimum, optimum
from tradewind.studies.compare.record import Run, is_done, read_run
from tradewind.studies.compare.statistics import Ranking, band, rank

if TYPE_CHECKING:
    import pyarrow as pa

MARKS = (0.9, 0.95, 0.99)
"""Shares of the optimum's hypervolume for which the evaluations needed are counted."""

STOPS = (32, 64, 128)
"""Evaluations after which the mean share is told beside the final one, where the budget is larger."""

DRAWN, KEPT, TOLD = 40, 20, 10
"""Evaluations, evenly spread, at which curves are drawn, kept for every run, and told as means in JSON."""


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """The R runs of one algorithm on one case: curves (R, N) of share, IGD+ and epsilon, all on noise-free means.

    `returned` (R,) is the share of what a user would get, chosen by what was told; `fronts` are final fronts in units;
    `ask_ms` and `tell_ms` (R,) are milliseconds an evaluation.
    """

    case: Case
    contestant: Contestant
    sees: str
    share: np.ndarray
    igd_plus: np.ndarray
    epsilon: np.ndarray
    returned: np.ndarray
    fronts: tuple[np.ndarray, ...]
    ask_ms: np.ndarray
    tell_ms: np.ndarray

    @classmethod
    def of(cls, runs: Sequence[Run], judged: Sequence[Curves], evaluations: int) -> Outcome:
        """From the runs and their curves; one that ended early keeps its last values."""
        task = runs[0].task

        def stack(name: str) -> np.ndarray:
            return np.stack([np.pad(c, (0, evaluations - len(c)), "edge") for c in (getattr(j, name) for j in judged)])

        return cls(
            task.case,
            task.contestant,
            task.sees,
            share=stack("share"),
            igd_plus=stack("igd_plus"),
            epsilon=stack("epsilon"),
            returned=np.array([j.returned for j in judged]),
            fronts=tuple(j.front for j in judged),
            ask_ms=np.array([1e3 * run.ask_seconds / len(run) for run in runs]),
            tell_ms=np.array([1e3 * run.tell_seconds / len(run) for run in runs]),
        )

    def evaluations_to(self, share: float) -> int | None:
        """Median over runs of the evaluations needed for a share of the optimum; None if half never get there."""
        needed = np.where((self.share >= share).any(axis=1), (self.share >= share).argmax(axis=1) + 1.0, np.inf)
        middle = float(np.median(needed))
        return round(middle) if np.isfinite(middle) else None

    def early(self) -> dict[int, float]:
        """Mean share after each of `STOPS` evaluations below the budget."""
        return {stop: float(self.share[:, stop - 1].mean()) for stop in STOPS if stop < self.share.shape[1]}

    def to_dict(self, at: Sequence[int]) -> dict[str, Any]:
        """Plain data, with means over runs after the evaluations `at`, the last of which counts as the end."""
        places = np.array(at) - 1
        facts: dict[str, Any] = {"case": self.case.name, "algorithm": self.contestant.name, "sees": self.sees}
        for name in ("share", "igd_plus", "epsilon"):
            mean, low, high = band(getattr(self, name)[:, places])
            facts[name] = {"final": _short(mean[-1]), "ci95": [_short(low[-1]), _short(high[-1])]}
            facts[name]["mean"] = [_short(value) for value in mean]
        facts["share"]["after"] = {str(stop): _short(value) for stop, value in self.early().items()}
        facts["share"]["worst"] = _short(self.share[:, -1].min())
        facts["returned_share"] = _short(self.returned.mean())
        facts["evaluations_to"] = {f"{mark:g}": self.evaluations_to(mark) for mark in MARKS}
        return facts | {"ask_ms": _short(np.median(self.ask_ms)), "tell_ms": _short(np.median(self.tell_ms))}


@dataclasses.dataclass(frozen=True, eq=False)
class Summary:
    """A finished comparison: the contest, the optimum of each case, the outcomes by what was seen and case."""

    contest: Contest
    optima: tuple[Optimum, ...]
    outcomes: tuple[Outcome, ...]

    def of(self, case: Case, sees: str) -> list[Outcome]:
        """The outcomes of a case, in the order of the contestants."""
        return [o for o in self.outcomes if o.case == case and o.sees == sees]

    def ranking(self, sees: str, case: Case | None = None) -> Ranking | None:
        """By final share, over the seeds of one case, or over all cases and seeds; None with fewer than two algorithms.

        Over all cases only algorithms that took part in each are ranked.
        """
        cases = self.contest.cases if case is None else (case,)
        found = {c.name: {o.contestant.name: o.share[:, -1] for o in self.of(c, sees)} for c in cases}
        names = [c.name for c in self.contest.contestants if all(c.name in scores for scores in found.values())]
        if len(names) < 2:
            return None
        scores = np.concatenate([np.column_stack([each[name] for name in names]) for each in found.values()])
        blocks = [name for name in found for _ in range(self.contest.seeds)]
        return rank(names, scores, blocks)

    def places(self, count: int = DRAWN) -> list[int]:
        """About so many evaluations, evenly spread, the last included."""
        last = self.contest.evaluations
        return sorted({max(1, round(last * (i + 1) / count)) for i in range(count)})

    def to_dict(self) -> dict[str, Any]:
        """Plain data: everything but the single runs."""
        contest = self.contest
        return {
            "schema": 1,
            "evaluations": contest.evaluations,
            "seeds": contest.seeds,
            "seed": contest.seed,
            "sees": list(contest.sees),
            "judged": "noise-free means of all evaluated, normalised by the least and greatest mean of the space",
            "reference_point": f"{REFERENCE} in every normalised objective",
            "thinned_frontier": f"IGD+ and epsilon against at most {THINNED} points spread over the exact frontier",
            "algorithms": [{"name": c.name, **_settings(c, contest)} for c in contest.contestants],
            "left_out": [dict(zip(("algorithm", "case", "reason"), row, strict=True)) for row in contest.absent],
            "cases": [_case_facts(best) for best in self.optima],
            "at": self.places(TOLD),
            "outcomes": [outcome.to_dict(self.places(TOLD)) for outcome in self.outcomes],
            "rankings": [
                {"sees": sees, "case": case.name if case else None, **found.to_dict()}
                for sees in contest.sees
                for case in (None, *contest.cases)
                if (found := self.ranking(sees, case)) is not None
            ],
        }

    def table(self) -> pa.Table:
        """One row a run: where it belongs, its final figures, and its curves at `KEPT` places as lists of float32."""
        import pyarrow as pa

        places = np.array(self.places(KEPT)) - 1
        columns: dict[str, list[Any]] = {}
        for outcome in self.outcomes:
            for index in range(len(outcome.share)):
                row: dict[str, Any] = {
                    "case": outcome.case.name,
                    "algorithm": outcome.contestant.name,
                    "sees": outcome.sees,
                    "seed": index,
                    "returned_share": outcome.returned[index],
                    "ask_ms": outcome.ask_ms[index],
                    "tell_ms": outcome.tell_ms[index],
                    **{name: getattr(outcome, name)[index, places] for name in ("share", "igd_plus", "epsilon")},
                }
                for name, value in row.items():
                    columns.setdefault(name, []).append(value)
        kinds = {"seed": pa.int32(), **dict.fromkeys(("returned_share", "ask_ms", "tell_ms"), pa.float32())}
        kinds |= dict.fromkeys(("share", "igd_plus", "epsilon"), pa.list_(pa.float32()))
        return pa.table({name: pa.array(values, kinds.get(name)) for name, values in columns.items()})

    def write(self, out: str | os.PathLike[str]) -> list[Path]:
        """Write ``comparison.json`` and ``curves.parquet`` into the folder."""
        folder = Path(out)
        return [
            write_json(folder / "comparison.json", self.to_dict()),
            write_parquet(folder / "curves.parquet", self.table()),
        ]


def summarise(
    contest: Contest, out: str | os.PathLike[str], progress: Callable[[int, int, str], None] | None = None
) -> Summary:
    """Judge the runs in the folder `out`; the exact optima are computed once and kept beside them.

    `progress` is called with the cases done, their number and the name of the one that begins. Raises `StudyError`
    where runs are missing.
    """
    folder = Path(out)
    missing = sum(not is_done(task, folder) for task in contest.tasks())
    if missing:
        raise StudyError(f"{missing} runs are missing in {folder}; run the comparison again to make them")
    optima, outcomes = [], []
    for number, case in enumerate(contest.cases):
        if progress is not None:
            progress(number, len(contest.cases), case.name)
        best = optimum(case, folder / "runs")
        optima.append(best)
        thinned = best.thinned
        for group in _groups(contest, case):
            runs = [read_run(task, folder) for task in group]
            outcomes.append(Outcome.of(runs, [curves(run, best, thinned) for run in runs], contest.evaluations))
    return Summary(contest, tuple(optima), tuple(outcomes))


def _groups(contest: Contest, case: Case) -> Iterator[list[Task]]:
    """The tasks of each contestant of a case, by what it sees."""
    tasks = [task for task in contest.tasks() if task.case == case]
    for sees in contest.sees:
        for contestant in contest.contestants:
            group = [task for task in tasks if task.sees == sees and task.contestant == contestant]
            if group:
                yield group


def _settings(contestant: Contestant, contest: Contest) -> dict[str, Any]:
    case = next(case for case in contest.cases if contest.takes_part(contestant, case))
    return {"settings": dataclasses.asdict(contestant.create(case.problem(0)).settings)}


def _case_facts(best: Optimum) -> dict[str, Any]:
    case = best.case
    return {
        "name": case.name,
        "benchmark": case.benchmark,
        "objectives": list(case.objective_names),
        "bounds": {name: list(ends) for name, ends in case.bench.bounds(case.objective_names).items()},
        "optimum": {
            "points": len(best.values),
            "points_for_99%": best.points_for(0.99),
            "hypervolume": best.hypervolume,
            "seconds": round(best.seconds, 2),
        },
    }


def _short(value: Any) -> float:
    return float(f"{float(value):.5g}")

"""ProgramTraining: the fitness of programs, by training small language models of them in isolated workers.

What an individual gets is a pure function of its program, the settings, and the evaluations that were learnt when it
was submitted: these set the bars of the hurdles and fill the cache. So it does not matter which worker it meets, nor
who finishes first. A program that computes the same function as one that was trained before (see
`tradewind.programs.fingerprint`) is not trained again.
"""

from __future__ import annotations

import dataclasses
import math
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from tradewind.core import Evaluation, Measurement, Measurements, Objective, UsageError, unknown
from tradewind.core.seeds import derive
from tradewind.devices.isolation import Worker
from tradewind.devices.processes import kill_tree
from tradewind.devices.runner import positive
from tradewind.evaluators.hurdles import Hurdles, marks
from tradewind.programs import InvalidProgramError, Program, ProgramSpace, fingerprint
from tradewind.training import Recipe, TokenData

UNITS = ("steps", "flops", "seconds")
"""What the budget of an individual may count: steps, floating-point operations, or processor seconds of training."""
OBJECTIVE = Objective("perplexity")
LOOKAHEAD = 4
"""Individuals submitted ahead a worker, where there are several: nobody waits for the slowest."""
METHOD = "validation perplexity per token after training"

Answer = dict[str, Any]
"""A worker's reply: ``result`` (a `tradewind.training.programs.Found`) or ``failed`` (``kind: detail``)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
    """What one individual may spend, in one of `UNITS`, with `hurdles` on the way (see `hurdles.marks`).

    `window` is the number of individuals that the bar of a hurdle looks back on.

    >>> Budget(unit="steps", amount=70, hurdles=2).marks
    [10.0, 30.0, 70.0]
    """

    unit: str = "steps"
    amount: float = 400
    hurdles: int = 0
    window: int = 100

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise unknown("unit of a budget", self.unit, UNITS)
        Hurdles(len(self.marks), self.window)

    @property
    def marks(self) -> list[float]:
        """Where validation is read: the hurdles, then the end."""
        return marks(self.amount, self.hurdles)


class ProgramTraining:
    """Measures ``perplexity`` of programs of a space on a text.

    `recipe` has a schedule that does not look at the end (``rsqrt`` or ``constant``), for networks are compared on the
    way; its `steps` do not matter. `batches` validation batches are read at every mark. `seed` draws the weights, the
    same for all, with `init_std` as in `tradewind.models.program.build`. `workers` processes train at a time, one
    thread each, within `time_limit_s` and `memory_limit_mb` an individual. `ask` replaces the workers in tests.

    Details of a measurement: ``loss`` (nats per token), ``curve`` (a row a mark: steps, amount spent, loss),
    ``fingerprint``, ``params``, ``flops_a_step``, ``stopped`` (number of the hurdle that it did not pass, counted from
    1), ``same_as`` (id of the program whose measurement this is), and processor seconds.
    """

    isolated = True
    """Candidates run in the workers: none of them can end the process that asks."""

    def __init__(
        self,
        space: ProgramSpace,
        text: TokenData,
        recipe: Recipe,
        budget: Budget,
        *,
        seed: int = 0,
        init_std: float | None = None,
        batches: int = 16,
        workers: int = 1,
        time_limit_s: float = 120.0,
        memory_limit_mb: float = 2000.0,
        ask: Callable[[Mapping[str, Any]], Answer] | None = None,
    ) -> None:
        if recipe.schedule == "cosine":
            raise UsageError(
                "the schedule cosine falls towards the end of a training, and individuals end at different times; "
                "use rsqrt or constant"
            )
        if workers < 1:
            raise UsageError(f"workers is {workers}; it must be at least 1")
        if text.vocab_size > space.sizes.vocab_size or recipe.length > space.sizes.context:
            raise UsageError(
                f"the text has {text.vocab_size} tokens and windows of {recipe.length}; the space's models know "
                f"{space.sizes.vocab_size} and reach over {space.sizes.context}: give the space larger sizes"
            )
        text.check_length(recipe.length)
        self.space, self.text, self.recipe, self.budget = space, text, recipe, budget
        self.workers = workers
        self._seed, self._init_std, self._batches = seed, init_std, batches
        self._limits = (positive("time_limit_s", time_limit_s), positive("memory_limit_mb", memory_limit_mb))
        self._hurdles = Hurdles(budget.hurdles, budget.window)
        self._known: dict[str, Evaluation] = {}
        self._learnt: set[str] = set()
        self._ask = ask or self._ask_worker
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._workers: list[Worker] = []
        self._pool: ThreadPoolExecutor | None = None

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """``perplexity``."""
        return (OBJECTIVE,)

    @property
    def deterministic(self) -> bool:
        """Whether the budget counts what does not vary."""
        return self.budget.unit != "seconds"

    @property
    def lookahead(self) -> int:
        """How many individuals may be under way; what a search proposes depends on it, not on the workers."""
        return 1 if self.workers == 1 else LOOKAHEAD * self.workers

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        """One mapping a candidate, in order."""
        return [future.result() for future in [self.submit(candidate) for candidate in candidates]]

    def submit(self, candidate: Program) -> Future[Measurements]:
        """Begin to evaluate a program; its result depends on what was learnt until now, and on nothing after it."""
        try:
            print_ = fingerprint(self.space.check(candidate))
        except InvalidProgramError as error:
            return _done(_failed(f"{type(error).__name__}: {error}"))
        known = self._known.get(print_)
        if known is not None:
            return _done(_again(known))
        job = self._job(candidate, self.recipe, self._seed, self.budget.marks, self._hurdles.limits())
        return self._executor().submit(self._measure, job, {"fingerprint": print_})

    def retrain(self, candidate: Program, seed: int) -> Future[Measurements]:
        """Begin to train a program over the whole budget, with weights and batches drawn from another seed."""
        recipe = self.recipe.replace(seed=derive(self.recipe.seed, "retrain", seed) % 2**31)
        whole = self.budget.marks
        job = self._job(candidate, recipe, derive(self._seed, "retrain", seed) % 2**31, whole, [None] * len(whole))
        return self._executor().submit(self._measure, job, {"seed": seed})

    def learn(self, evaluations: Sequence[Evaluation]) -> None:
        """Take in finished evaluations of the search, in their order."""
        for evaluation in evaluations:
            found = evaluation.measurements.get(OBJECTIVE.name)
            if found is None or evaluation.role != "search" or "fingerprint" not in found.details:
                continue
            if "same_as" not in found.details:
                self._known.setdefault(str(found.details["fingerprint"]), evaluation)
                self._hurdles.add([loss for _, _, loss in found.details.get("curve", ())])

    def describe(self) -> dict[str, Any]:
        """The text, the recipe, the budget and the models' sizes."""
        recipe = {key: value for key, value in self.recipe.to_dict().items() if key != "steps"}
        return {
            "kind": "program-training",
            "objectives": [OBJECTIVE.name],
            "text": {"hash": self.text.hash, "source": self.text.manifest["source"]},
            "tokenizer": self.text.manifest["tokenizer"],
            "sizes": dataclasses.asdict(self.space.sizes),
            "recipe": recipe,
            "budget": dataclasses.asdict(self.budget),
            "batches": self._batches,
            "seed": self._seed,
            "init_std": self._init_std,
            "lookahead": self.lookahead,
        }

    def close(self) -> None:
        """End the workers and what they do; safe to call twice, and a later evaluation starts others."""
        if self._pool is not None:  # first, so that no thread whose worker is killed takes up another individual
            self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            if worker.pid is not None:
                kill_tree(worker.pid)
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        for worker in self._workers:
            worker.close()
        self._workers, self._pool, self._idle = [], None, queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _job(
        self, candidate: Program, recipe: Recipe, seed: int, goals: list[float], limits: list[float | None]
    ) -> dict[str, Any]:
        # The recipe must not end before the budget: at its last step it would validate once more.
        steps = 2**31 - 1 if self.budget.unit != "steps" else math.ceil(self.budget.amount) + 1
        return {
            "program": candidate.to_dict(),
            "sizes": dataclasses.asdict(self.space.sizes),
            "text": str(self.text.folder),
            "recipe": recipe.replace(steps=steps).to_dict(),
            "unit": self.budget.unit,
            "marks": goals,
            "limits": limits,
            "batches": self._batches,
            "seed": seed,
            "init_std": self._init_std,
        }

    def _measure(self, job: dict[str, Any], details: dict[str, Any]) -> Measurements:
        start = time.monotonic()
        reply = self._ask(job)
        details |= {"seconds": round(time.monotonic() - start, 3)}
        if "failed" in reply:
            return _failed(str(reply["failed"]), details)
        found = reply["result"]
        curve = found.pop("curve")
        details |= {**found, "curve": [list(row) for row in curve], "unit": self.budget.unit}
        if found["diverged"] or not curve:
            reason = f"diverged: {found['diverged'] or 'before the first mark'}"
            return {OBJECTIVE.name: Measurement.invalid(reason, OBJECTIVE.unit, method=METHOD, details=details)}
        loss = curve[-1][2]
        details["loss"] = loss
        if len(curve) < len(job["marks"]):
            details["stopped"] = len(curve)
        value = math.exp(min(loss, 700.0))
        return {OBJECTIVE.name: Measurement.of(value, OBJECTIVE.unit, method=METHOD, details=details)}

    def _ask_worker(self, job: Mapping[str, Any]) -> Answer:
        worker = self._idle.get()
        try:
            return worker.ask(dict(job), *self._limits)
        finally:
            self._idle.put(worker)

    def _executor(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="training")
            for _ in range(self.workers):
                self._workers.append(Worker(module="tradewind.evaluators.training_worker"))
                self._idle.put(self._workers[-1])
        return self._pool


def _failed(reason: str, details: Mapping[str, Any] | None = None) -> Measurements:
    return {OBJECTIVE.name: Measurement.failed(reason, OBJECTIVE.unit, method=METHOD, details=details or {})}


def _again(known: Evaluation) -> Measurements:
    """The measurement of a program that computes the same."""
    found = known.measurements[OBJECTIVE.name]
    kept = {key: value for key, value in found.details.items() if key in KEPT}
    return {OBJECTIVE.name: dataclasses.replace(found, details={**kept, "same_as": known.candidate.id})}


KEPT = ("fingerprint", "loss", "curve", "unit", "params", "flops_a_step", "stopped", "diverged")
"""The details that a program shares with one that computes the same."""


def _done(measurements: Measurements) -> Future[Measurements]:
    future: Future[Measurements] = Future()
    future.set_result(measurements)
    return future

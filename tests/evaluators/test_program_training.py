"""ProgramTraining: hurdles, cache, reasons and workers; most with a stand-in for the workers."""

from __future__ import annotations

import dataclasses
import math
import threading
from pathlib import Path
from typing import Any

import pytest

from tradewind.core import Evaluation, UsageError
from tradewind.evaluators import program_training
from tradewind.evaluators.program_training import Budget, ProgramTraining
from tradewind.programs import Program, ProgramSpace, Sizes, fingerprint, primer, primer_ez, resolve, transformer
from tradewind.training import Recipe, TokenData, prepare

SIZES = Sizes(d_model=16, n_layer=1, vocab_size=256, context=16)
SPACE = ProgramSpace(sizes=SIZES)
RECIPE = Recipe(batch_size=2, length=16, schedule="rsqrt", warmup=2)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> TokenData:
    return prepare(str(Path(__file__).parents[1] / "programs"), cache=tmp_path_factory.mktemp("cache"))


class Asked:
    """Answers as workers do, with losses that a function of the program gives; remembers what it was asked."""

    def __init__(self, loss: Any = lambda program: 3.0) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.loss = loss

    def __call__(self, job: dict[str, Any]) -> dict[str, Any]:
        self.jobs.append(job)
        loss = self.loss(Program.from_dict(job["program"]))
        if isinstance(loss, str):
            return {"failed": loss}
        curve = []
        for number, (mark, limit) in enumerate(zip(job["marks"], job["limits"], strict=True)):
            curve.append((round(mark), mark, loss + 1 / (number + 1)))
            if limit is not None and curve[-1][2] > limit:
                break
        facts = {"params": 1, "flops_a_step": 1, "train_s": 1.0, "evaluate_s": 0.1, "total_s": 1.2}
        return {"result": {"curve": curve, "diverged": "", **facts}}


def evaluator(text: TokenData, asked: Asked | None, **options: Any) -> ProgramTraining:
    budget = options.pop("budget", Budget(unit="steps", amount=7, hurdles=2, window=5))
    return ProgramTraining(SPACE, text, RECIPE, budget, ask=asked, **options)


def evaluated(program: Program, found: Any, index: int = 0) -> Evaluation:
    return Evaluation(index, program, found)


def children(n: int) -> list[Program]:
    """Programs of different functions."""
    found: dict[str, Program] = {}
    seed = 0
    while len(found) < n:
        child = SPACE.sample(seed)
        found.setdefault(fingerprint(resolve(child)), child)
        seed += 1
    return list(found.values())


def test_hurdles_stop_the_worse_half(text: TokenData) -> None:
    programs = children(7)
    ranks = {p.id: float(i) for i, p in enumerate(programs)}
    with evaluator(text, Asked(lambda p: ranks[p.id])) as trained:
        for index, program in enumerate(programs[:5]):
            found = trained.evaluate([program])[0]
            assert "stopped" not in found["perplexity"].details
            trained.learn([evaluated(program, found, index)])
        # Bars are medians now: 2 + 1 at the first hurdle.
        worse = trained.evaluate([programs[6]])[0]["perplexity"]
        ranks[programs[5].id] = 0.5
        better = trained.evaluate([programs[5]])[0]["perplexity"]
    assert worse.details["stopped"] == 1
    assert worse.value == pytest.approx(math.exp(7.0))
    assert [steps for steps, _, _ in better.details["curve"]] == [1, 3, 7]
    assert better.details["loss"] == pytest.approx(0.5 + 1 / 3)


def test_what_computes_the_same_is_trained_once(text: TokenData) -> None:
    seed = transformer()
    residual = seed.subprograms[8].instructions[0]
    swapped = seed.with_body(8, [dataclasses.replace(residual, input_1=1, input_2=0)])
    custom = list(seed.subprograms[6].instructions)
    custom[2] = dataclasses.replace(custom[2], input_2=0)  # the custom norm of Primer is LayerNorm
    asked = Asked()
    with evaluator(text, asked) as trained:
        first = trained.evaluate([seed])[0]
        trained.learn([evaluated(seed, first)])
        for index, same in enumerate((swapped, seed.with_body(6, custom))):
            again = trained.evaluate([same])[0]["perplexity"]
            assert again.value == first["perplexity"].value
            assert again.details["same_as"] == seed.id
            trained.learn([evaluated(same, {"perplexity": again}, index + 1)])
        trained.evaluate([primer_ez()])
    assert len(asked.jobs) == 2


def test_copies_do_not_count_at_the_hurdles(text: TokenData) -> None:
    with evaluator(text, Asked()) as trained:
        first = trained.evaluate([transformer()])[0]
        trained.learn([evaluated(transformer(), first)])
        again = trained.evaluate([transformer()])[0]
        trained.learn([evaluated(transformer(), again, i + 1) for i in range(9)])
        trained.evaluate([primer()])
        assert trained._ask.jobs[-1]["limits"] == [None, None, None]  # type: ignore[attr-defined]


@pytest.mark.parametrize("reason", ["crash: signal SIGSEGV", "timeout: no answer", "oom: refused", "error: ValueError"])
def test_a_failure_keeps_its_reason(text: TokenData, reason: str) -> None:
    with evaluator(text, Asked(lambda program: reason)) as trained:
        found = trained.evaluate([transformer()])[0]["perplexity"]
    assert (found.status, found.reason) == ("failed", reason)


def test_a_program_that_looks_ahead_is_never_trained(text: TokenData) -> None:
    softmax = transformer().subprograms[4].instructions
    leaking = transformer().with_body(4, [dataclasses.replace(i, op="TANH") if i.op == "MASK" else i for i in softmax])
    asked = Asked()
    with evaluator(text, asked) as trained:
        found = trained.evaluate([leaking])[0]["perplexity"]
    assert found.reason.startswith("ProgramCausalityError: ")
    assert not asked.jobs


def test_fresh_trainings_have_no_hurdles_and_seeds_of_their_own(text: TokenData) -> None:
    asked = Asked()
    with evaluator(text, asked) as trained:
        for program in children(6):
            trained.learn([evaluated(program, trained.evaluate([program])[0])])
        found = [trained.retrain(transformer(), seed).result()["perplexity"] for seed in (0, 1)]
    assert [m.details["seed"] for m in found] == [0, 1]
    jobs = asked.jobs[-2:]
    assert all(job["limits"] == [None] * 3 for job in jobs)
    assert len({job["seed"] for job in asked.jobs}) == 3
    assert len({job["recipe"]["seed"] for job in asked.jobs}) == 3


def test_workers_train_programs_and_agree(text: TokenData) -> None:
    """The real thing: two workers, deterministic, NaN and errors with their reasons."""
    log = transformer().with_body(9, [dataclasses.replace(transformer().subprograms[9].instructions[0], op="LOG")])
    programs = [transformer(), primer_ez(), log]
    with evaluator(text, None, workers=2, budget=Budget(amount=4)) as trained:
        assert trained.lookahead == 8
        first = [m["perplexity"] for m in trained.evaluate(programs)]
        again = [m["perplexity"] for m in trained.evaluate(programs)]
    assert [m.value for m in first] == [m.value for m in again]
    assert first[0].ok
    assert first[0].details["curve"][-1][0] == 4
    assert {"train_s", "total_s", "params", "fingerprint"} <= set(first[0].details)
    assert first[0].value != first[1].value


def test_the_description_is_plain_and_leaves_the_workers_out(text: TokenData) -> None:
    one, two = (evaluator(text, Asked(), workers=n).describe() for n in (1, 2))
    assert one.pop("lookahead") == 1
    assert two.pop("lookahead") == 8
    assert one == two
    assert "steps" not in one["recipe"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers is 0"),
        ({"recipe": RECIPE.replace(schedule="cosine")}, "use rsqrt or constant"),
        ({"recipe": RECIPE.replace(length=32)}, "give the space larger sizes"),
    ],
)
def test_errors_teach(text: TokenData, options: dict[str, Any], message: str) -> None:
    recipe = options.pop("recipe", RECIPE)
    with pytest.raises(UsageError, match=message):
        ProgramTraining(SPACE, text, recipe, Budget(), **options)


def test_a_budget_has_a_known_unit() -> None:
    with pytest.raises(UsageError, match="unknown unit of a budget 'hours'"):
        Budget(unit="hours")


def test_closing_begins_no_other_training(text: TokenData, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, killed, second = threading.Event(), threading.Event(), threading.Event()

    def ask(job: Any) -> dict[str, Any]:
        (second if begun.is_set() else begun).set()
        killed.wait()
        return {"failed": "crash: signal SIGKILL"}

    def kill(pid: int) -> None:
        killed.set()
        second.wait(0.5)

    monkeypatch.setattr(program_training.Worker, "pid", property(lambda worker: 1))
    monkeypatch.setattr(program_training, "kill_tree", kill)
    trained = evaluator(text, None)
    trained._ask = ask
    waiting = [trained.submit(program) for program in (transformer(), primer_ez())]
    assert begun.wait(600)
    trained.close()
    assert not second.is_set()
    assert [future.cancelled() for future in waiting] == [False, True]

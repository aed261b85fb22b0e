from __future__ import annotations

from typing import Any

import pytest

from tradewind.core import Problem, UsageError
from tradewind.search.random_search import RandomSearch
from tradewind.studies.compare import Case, Contest, Contestant
from tradewind.studies.compare.contest import REFERENCES, Task
from tradewind.studies.compare.run import perform

CASE = Case.of("hwgpt-s", "perplexity,latency_ms@a100")


def contest(algorithms: str = "random,lts", **options: object) -> Contest:
    return Contest.of(
        ["hwgpt-s", "hwgpt-m"], ["perplexity,params", "perplexity,latency_ms@p100"], algorithms, **options
    )  # type: ignore[arg-type]


def test_every_benchmark_meets_every_set_of_objectives_and_every_algorithm() -> None:
    found = contest(seeds=3, sees="both")
    tasks = list(found.tasks())
    assert len(found.cases) == 4
    assert len(tasks) == len(set(tasks)) == 4 * 2 * 3 * 2
    assert {t.sees for t in tasks} == {"draws", "means"}


def test_seeds_of_algorithms_differ_and_noise_is_shared() -> None:
    tasks = list(contest(seeds=3).tasks())
    assert len({t.search_seed for t in tasks}) == len(tasks)
    assert len({t.noise_seed for t in tasks}) == 4 * 3


def test_a_run_does_not_depend_on_what_else_is_compared() -> None:
    alone = next(t for t in Contest.of(["hwgpt-s"], ["perplexity,params"], "lts", seeds=2).tasks() if t.repeat == 1)
    among = next(t for t in contest(seeds=5).tasks() if (t.case, t.contestant.name, t.repeat) == (alone.case, "lts", 1))
    assert among.search_seed == alone.search_seed
    assert among.noise_seed == alone.noise_seed


def test_contestants_never_see_predictions_layer_by_layer() -> None:
    case = Case.of("hwgpt-s", "perplexity,latency_ms@a100,params,flops")
    assert set(case.problem(0).layerwise) == {"params", "flops"}
    assert case.problem(0).workload.batch == 8


def test_who_knows_the_optimum_does_not_compete() -> None:
    for name in REFERENCES:
        with pytest.raises(UsageError, match="does not compete"):
            Contestant.parse(name)
    assert not {c.algorithm for c in contest("all").contestants} & set(REFERENCES)


def test_what_cannot_search_a_case_is_left_out_with_its_reason_or_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def init(self: Any, problem: Problem, settings: Any = None) -> None:
        if any(o.quantity == "perplexity" for o in problem.objectives):
            raise UsageError("it does not read")
        made(self, problem, settings)

    made = RandomSearch.__init__
    monkeypatch.setattr(RandomSearch, "__init__", init)
    found = Contest.of(["hwgpt-s"], ["perplexity,params", "params,latency_ms@a100"], "all")
    assert found.absent == (("random", "hwgpt-s perplexity,params", "it does not read"),)
    able = next(c for c in found.contestants if c.algorithm == "random")
    assert [found.takes_part(able, case) for case in found.cases] == [False, True]
    with pytest.raises(UsageError, match="random cannot search hwgpt-s perplexity,params: it does not read"):
        Contest.of(["hwgpt-s"], ["perplexity,params"], "random")


@pytest.mark.parametrize(
    ("benchmark", "objectives", "algorithms", "options", "words"),
    [
        ("hwgpt-x", "perplexity,params", "random", {}, "did you mean 'hwgpt-"),
        ("lts-gpt2-wt103", "perplexity,params", "random", {}, "can be searched"),
        ("hwgpt-s", "perplexity", "random", {}, "at least two objectives"),
        ("hwgpt-s", "perplexity,latency_ms@b100", "random", {}, "unknown device"),
        ("hwgpt-s", "perplexity,params", "randon", {}, "did you mean 'random'"),
        ("hwgpt-s", "perplexity,params", "lts/papr", {}, "did you mean 'paper'"),
        ("hwgpt-s", "perplexity,params", "random", {"sees": "draw"}, "did you mean 'draws'"),
        ("hwgpt-s", "perplexity,params", ",", {}, "no algorithm is left"),
    ],
)
def test_mistakes_are_explained(
    benchmark: str, objectives: str, algorithms: str, options: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        Contest.of([benchmark], [objectives], algorithms, **options)  # type: ignore[arg-type]


def test_draws_are_noisy_means_are_not_and_both_are_judged_by_means() -> None:
    noisy, clean = (perform(Task(CASE, Contestant("random"), sees, 0, 12, 0)) for sees in ("draws", "means"))
    assert noisy.ids == clean.ids
    assert (noisy.means == clean.means).all()
    assert (clean.told == clean.means).all()
    assert (noisy.told != noisy.means).all()


def test_one_candidate_has_one_draw_whoever_proposes_it() -> None:
    first = perform(Task(CASE, Contestant("random"), "draws", 0, 12, 0))
    evaluator = CASE.bench.evaluator(
        CASE.objectives, draws=True, seed=Task(CASE, Contestant("lts"), "draws", 0, 5, 0).noise_seed
    )
    drawn = evaluator.evaluate([CASE.bench.space.sample(0)])[0]
    again = CASE.bench.evaluator(CASE.objectives, draws=True, seed=first.task.noise_seed).evaluate(
        [CASE.bench.space.sample(0)]
    )[0]
    assert drawn == again

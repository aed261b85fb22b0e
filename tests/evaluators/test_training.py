from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tradewind import models, spaces
from tradewind.core import GPT2, UsageError
from tradewind.evaluators import for_objectives, sources, training
from tradewind.evaluators.training import TrainingEvaluator
from tradewind.studies import Study
from tradewind.testing.evaluators import EvaluatorSuite
from tradewind.training import Recipe, TokenData, Trainer, prepare, validation_loss

SPACE = spaces.from_dict(
    {
        "name": "tiny",
        "family": "gpt2",
        "dimensions": [
            {"name": "n_layer", "choices": [1, 2]},
            {"name": "d_model", "choices": [8, 16]},
            {"name": "n_head", "choices": [2], "per_layer": True},
            {"name": "d_inner", "choices": [16, 32], "per_layer": True},
        ],
        "constants": {"vocab_size": 50257, "context": 16},
    }
)
RECIPE = Recipe(steps=9, batch_size=2, length=16, learning_rate=1e-2)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> TokenData:
    return prepare(ast.__file__, cache=tmp_path_factory.mktemp("cache"))


class TestTrainingEvaluator(EvaluatorSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def evaluator(cls, text: TokenData) -> Iterator[TrainingEvaluator]:
        made = TrainingEvaluator(text, RECIPE)
        yield made
        made.close()

    @pytest.fixture
    def candidates(self) -> list[Any]:
        return [SPACE.sample(seed) for seed in range(3)]


def test_the_perplexity_is_that_of_the_training_written_out(text: TokenData) -> None:
    arch = SPACE.sample(0)
    found = TrainingEvaluator(text, RECIPE).evaluate([arch])[0]["perplexity"]
    model = models.build(arch.replace(vocab_size=256))
    Trainer(model, text, RECIPE).run()
    loss = validation_loss(model, text, batches=16, batch_size=2, length=16)
    assert found.value == pytest.approx(math.exp(loss), rel=1e-12)
    assert found.details["tokens"] == RECIPE.tokens


def test_a_candidate_goes_on_from_where_it_was(
    text: TokenData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arch = SPACE.sample(1)
    whole = TrainingEvaluator(text, RECIPE).evaluate([arch])[0]["perplexity"]
    steps: list[int] = []
    run = Trainer.run

    def counted(self: Trainer, until: int | None = None, report: Any = None) -> Trainer:
        before = self.step
        run(self, until, report)
        steps.append(self.step - before)
        return self

    monkeypatch.setattr(Trainer, "run", counted)
    values = []
    for fidelity in (1, 3, 9):  # a new evaluator each time, as after a crash
        evaluator = TrainingEvaluator(text, RECIPE, folder=tmp_path)
        assert evaluator.fidelities == (1, 3, 9)
        values.append(evaluator.evaluate_at([arch], fidelity)[0]["perplexity"])
    assert steps == [1, 2, 6]
    assert values[-1].value == whole.value
    assert len({m.value for m in values}) == 3
    evaluator.evaluate_at([arch], 3)
    assert steps == [1, 2, 6]  # known
    assert not list(tmp_path.rglob("run"))
    faster = RECIPE.replace(learning_rate=2e-2)
    found = TrainingEvaluator(text, faster, folder=tmp_path).evaluate([arch])[0]["perplexity"]
    assert found.value == TrainingEvaluator(text, faster).evaluate([arch])[0]["perplexity"].value != whole.value
    fresh = TrainingEvaluator(text, RECIPE, folder=tmp_path / "other")
    fresh.evaluate([arch])
    assert fresh.evaluate_at([arch], 3)[0]["perplexity"].value == values[1].value  # past it: anew, the same


def test_what_cannot_be_trained_has_its_reason(text: TokenData) -> None:
    short = GPT2(d_model=8, n_head=(2,), d_inner=(16,), vocab_size=256, context=8)
    wild = TrainingEvaluator(text, RECIPE.replace(learning_rate=1e30, warmup=0, clip=0.0))
    assert "exceed the 8 positions" in wild.evaluate([short])[0]["perplexity"].reason
    found = wild.evaluate([SPACE.sample(0)])[0]["perplexity"]
    assert found.status == "invalid"
    assert found.reason.startswith("unstable: the loss is")
    last = TrainingEvaluator(text, Recipe(steps=1, batch_size=2, length=16, learning_rate=1e30, warmup=0, clip=0.0))
    assert last.evaluate([SPACE.sample(0)])[0]["perplexity"].reason == "unstable: the validation loss is nan"
    early = Recipe(steps=2, batch_size=2, length=16, learning_rate=1e30, warmup=0, clip=0.0)
    half = TrainingEvaluator(text, early, fidelities=[1, 2])
    assert half.evaluate_at([SPACE.sample(0)], 1)[0]["perplexity"].reason == (
        "unstable: the loss on the validation text is nan"
    )
    evaluator = TrainingEvaluator(text, RECIPE)
    assert "length=8" in evaluator.problem(SPACE.narrow(context=8))
    assert evaluator.problem(SPACE) == ""
    with pytest.raises(UsageError, match=r"there is no fidelity 5; there are \[1, 3, 9\]"):
        evaluator.evaluate_at([], 5)
    with pytest.raises(UsageError, match="must be rising numbers of steps that end with the recipe's 9"):
        TrainingEvaluator(text, RECIPE, fidelities=[3, 1, 9])


@pytest.mark.parametrize("algorithm", ["random", "mo-asha"])
def test_a_study_trains_its_candidates(
    algorithm: str, text: TokenData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_SOURCES", list(sources._SOURCES))
    with pytest.raises(UsageError, match="nothing here evaluates perplexity"):
        for_objectives("perplexity", space=SPACE)
    training.use(text, RECIPE, tmp_path / "trainings")
    study = Study.create(tmp_path / "s", space=SPACE, objectives="perplexity,params", algorithm=algorithm)
    study.run(budget=4, progress=False)
    whole = [e for e in study.evaluations() if e.fidelity is None]
    assert whole
    for evaluation in whole:
        measured = evaluation.measurements["perplexity"]
        assert measured.value is not None
        assert measured.value < 300
    assert len(study.frontier()) >= 1
    if algorithm == "mo-asha":
        assert {e.fidelity for e in study.evaluations(parts=True)} & {1, 3}

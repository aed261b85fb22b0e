"""Training to marks: it goes on instead of beginning again, counts what it spends, and stops where it should."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from tradewind.core import UsageError
from tradewind.costs.programs import step_flops
from tradewind.models.program import build
from tradewind.programs import Sizes, primer_ez, resolve, transformer
from tradewind.training import Recipe, TokenData, Trainer, prepare, validation_loss
from tradewind.training.evaluation import Validation
from tradewind.training.programs import run

SIZES = Sizes(d_model=16, n_layer=1, vocab_size=256, context=16)
RECIPE = Recipe(steps=1000, batch_size=2, length=16, schedule="constant", warmup=0, learning_rate=3e-3)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> TokenData:
    return prepare(str(Path(__file__).parents[1] / "programs"), cache=tmp_path_factory.mktemp("cache"))


def job(text: TokenData, **changes: Any) -> dict[str, Any]:
    marks = changes.get("marks", [2.0, 5.0])
    return {
        "program": primer_ez().to_dict(),
        "sizes": dataclasses.asdict(SIZES),
        "text": str(text.folder),
        "recipe": RECIPE.to_dict(),
        "unit": "steps",
        "marks": marks,
        "limits": [None] * len(marks),
        "batches": 2,
        "seed": 3,
        **changes,
    }


def test_training_over_marks_is_training_at_once(text: TokenData) -> None:
    found = run(job(text))
    model = build(primer_ez(), **dataclasses.asdict(SIZES), seed=3)
    Trainer(model, text, RECIPE).run(until=5)
    loss = validation_loss(model, text, batches=2, batch_size=2, length=16)
    assert [steps for steps, _, _ in found["curve"]] == [2, 5]
    assert found["curve"][-1][2] == pytest.approx(loss, abs=1e-12)
    assert found["params"] == sum(p.numel() for p in model.parameters())


def test_stops_at_a_limit_and_passes_one_that_it_meets(text: TokenData) -> None:
    whole = run(job(text))
    first = whole["curve"][0][2]
    assert run(job(text, limits=[first, None]))["curve"] == whole["curve"]
    assert run(job(text, limits=[first - 1e-9, None]))["curve"] == whole["curve"][:1]


def test_operations_pay_for_steps(text: TokenData) -> None:
    cost = step_flops(resolve(primer_ez()), SIZES, 2, 16)
    found = run(job(text, unit="flops", marks=[1.0, 3.5 * cost]))
    assert found["curve"][0][:2] == (1, cost), "at least one step"
    assert found["curve"][1][:2] == (3, 3 * cost)
    assert found["flops_a_step"] == cost


def test_processor_seconds_are_spent(text: TokenData) -> None:
    found = run(job(text, unit="seconds", marks=[0.01, 0.05]))
    (few, early, _), (many, late, _) = found["curve"]
    assert 1 <= few <= many
    assert early >= 0.01
    assert late >= 0.05
    assert found["train_s"] == pytest.approx(late)
    assert found["total_s"] > found["train_s"]


def test_divergence_ends_it(text: TokenData) -> None:
    explode = transformer().with_body(
        9, [dataclasses.replace(i, op="EXP") for i in transformer().subprograms[9].instructions]
    )
    recipe = RECIPE.replace(learning_rate=1e4, clip=0.0)
    found = run(job(text, program=explode.to_dict(), recipe=recipe.to_dict(), marks=[60.0]))
    assert found["diverged"]
    assert found["curve"] == []


@pytest.mark.parametrize("unit", ["steps", "seconds"])
def test_divergence_at_the_first_step_is_told(text: TokenData, unit: str) -> None:
    found = run(job(text, unit=unit, marks=[3.0], init_std=1e30))
    assert found["diverged"].startswith("the loss is")
    assert found["curve"] == []


def test_a_validation_loss_that_is_no_number_is_divergence(text: TokenData, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([3.0, math.nan])
    monkeypatch.setattr(Trainer, "evaluate", lambda self: Validation(next(scores), 1, 1.0, 1.0))
    found = run(job(text, marks=[1.0, 2.0, 3.0]))
    assert found["curve"] == [(1, 1.0, 3.0)]
    assert found["diverged"] == "the validation loss is nan"


def test_a_recipe_that_ends_too_early_is_refused(text: TokenData) -> None:
    with pytest.raises(UsageError, match="ends at step 4"):
        run(job(text, recipe=RECIPE.replace(steps=4).to_dict()))

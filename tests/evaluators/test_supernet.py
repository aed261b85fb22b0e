"""A supernet as an evaluator."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from tests.training.conftest import SOURCES

from tradewind import evaluators, models, spaces, studies, training
from tradewind.core import GPT2, FileFormatError
from tradewind.evaluators.supernet import SupernetEvaluator, use
from tradewind.models.supernet import Supernet
from tradewind.testing.evaluators import EvaluatorSuite
from tradewind.training.supernet import StoredSupernet, covering, load_supernet, save_supernet

SPACE = spaces.get("gpt2", n_layer="2..3:1", d_model="128..192:64", d_inner="256..384:64", n_head=[2, 4], context=32)
WINDOWS = {"batches": 2, "batch_size": 2, "length": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small supernet on a file of the standard library."""
    data, cache = str(SOURCES[1]), tmp_path_factory.mktemp("cache")
    text = training.prepare(data, cache=cache)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRADEWIND_CACHE", str(cache))
    space = SPACE.narrow(vocab_size=text.vocab_size)
    net = Supernet(models.build(covering(space), seed=0))
    facts = {"data": data, "tokenizer": "bytes", "length": 16}
    return save_supernet(tmp_path_factory.mktemp("supernet"), StoredSupernet(net, space, facts))


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_CACHE", str(tmp_path))


class TestSupernetEvaluator(EvaluatorSuite):
    @pytest.fixture
    def evaluator(self, folder: Path) -> SupernetEvaluator:
        return SupernetEvaluator(folder, **WINDOWS)

    @pytest.fixture
    def candidates(self) -> list[object]:
        return [*SPACE.narrow(vocab_size=256).sample_many(2, seed=0), SPACE.sample(seed=1)]


def test_values_are_those_of_the_extracted_model(folder: Path) -> None:
    evaluator = SupernetEvaluator(folder, **WINDOWS)
    stored = load_supernet(folder)
    text = training.prepare(stored.facts["data"])
    arch = stored.space.sample(seed=4)
    (found,) = evaluator.evaluate([arch])
    expected = training.evaluate(stored.supernet.extract(arch), text, **WINDOWS)
    assert found["perplexity"].value == pytest.approx(expected.perplexity, rel=1e-6)
    assert found["perplexity"].details == {"tokens": 64, "loss": pytest.approx(expected.loss, rel=1e-6)}


def test_what_the_supernet_does_not_hold(folder: Path) -> None:
    evaluator = SupernetEvaluator(folder, **WINDOWS)
    wide = GPT2(d_model=256, n_head=(2, 2), d_inner=(512, 512), vocab_size=256, context=32)
    (found,) = evaluator.evaluate([wide])
    assert found["perplexity"].reason.startswith("unsupported: the supernet holds networks of d_model up to 192")
    assert "vocab_size" in evaluator.problem(SPACE)
    assert evaluator.problem(SPACE.narrow(vocab_size=256)) == ""


def test_a_study_searches_the_supernet(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`perplexity` by name, beside a closed form; the values are finite, and so many as were asked for."""
    from tradewind.evaluators import sources

    monkeypatch.setattr(sources, "_SOURCES", list(sources._SOURCES))
    use(folder, **WINDOWS)
    assert {o.name for o in evaluators.for_objectives("perplexity,params").objectives} == {"params", "perplexity"}
    study = studies.Study.create(
        tmp_path / "run", space=SPACE.narrow(vocab_size=256), objectives="perplexity,params", algorithm="nsga2"
    )
    status = study.run(budget=12, progress=False)
    assert (status["evaluations"], status["failed"]) == (12, 0)
    values = [e.measurements["perplexity"].value for e in study.evaluations()]
    assert all(math.isfinite(value) and value > 1 for value in values)


def test_no_supernet(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="holds no supernet"):
        use(tmp_path)


def test_weights_that_give_no_number(folder: Path) -> None:
    stored = load_supernet(folder)
    with torch.no_grad():
        stored.supernet.model.final_norm.weight.fill_(float("inf"))
    (found,) = SupernetEvaluator(stored, **WINDOWS).evaluate([stored.space.sample(seed=0)])
    assert found["perplexity"].reason == "nan: the value is not a number"

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tradewind import models, programs
from tradewind.core import GPT2, Architecture, UsageError
from tradewind.models import program
from tradewind.training import Recipe, TokenData, Trainer, loop, prepare
from tradewind.training.metrics import read

ARCH = GPT2(d_model=16, n_head=(2, 4), d_inner=(32, 24), vocab_size=256, context=24)
QUICK: dict[str, Any] = {"steps": 8, "batch_size": 4, "length": 16, "learning_rate": 1e-2}


Build = Callable[..., Any]


@pytest.fixture
def build(archs: dict[str, Architecture]) -> Build:
    """A model by its backbone's name."""

    def make(name: str, **changes: Any) -> Any:
        if name == "program":
            return program.build(programs.primer_ez(), d_model=16, n_layer=2, vocab_size=256, context=24)
        return models.build(archs[name].replace(**changes))

    return make


def losses(trainer: Trainer) -> list[float]:
    return [row["loss"] for row in trainer.history]


def test_the_loop_is_a_plain_training_loop(text: TokenData) -> None:
    """Against the same training written out with torch's own loss, clipping and unfused AdamW."""
    recipe = Recipe(**QUICK, weight_decay=0.2, clip=0.5)
    trainer = Trainer(models.build(ARCH, seed=4), text, recipe).run()
    model = models.build(ARCH, seed=4)
    matrices = [p for p in model.parameters() if p.ndim == 2]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.2}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8, foreach=False, fused=False)
    expected = []
    for step in range(8):
        inputs, targets = map(torch.from_numpy, text.batch("train", step, batch_size=4, length=16))
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        expected.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        optimizer.step()
    assert losses(trainer) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["gpt2", "hwgpt-intended", "hwgpt-profiled", "transformer-xl", "program"])
def test_every_backbone_learns(name: str, text: TokenData, build: Build) -> None:
    recipe = Recipe(steps=60, batch_size=8, length=12, learning_rate=1e-2)
    trainer = Trainer(build(name), text, recipe).run()
    assert sum(losses(trainer)[-5:]) < sum(losses(trainer)[:5]) - 5 * 0.8
    (evaluation,) = trainer.evaluations
    assert evaluation["step"] == 60
    assert evaluation["validation"]["loss"] < losses(trainer)[0] - 0.8
    assert trainer.tokens_per_second > 0


@pytest.mark.parametrize("name", ["gpt2", "transformer-xl"])
def test_accumulation_changes_memory_and_not_results(name: str, text: TokenData, build: Build) -> None:
    whole, parts = (losses(Trainer(build(name), text, Recipe(**QUICK, accumulation=parts)).run()) for parts in (1, 4))
    assert parts == pytest.approx(whole, rel=1e-4)


def test_a_memory_is_handed_on(text: TokenData, build: Build) -> None:
    """A Transformer-XL without memory learns something else from the same windows."""
    with_memory, without = (
        losses(Trainer(build("transformer-xl-plain", mem_len=length), text, Recipe(**QUICK)).run())
        for length in (12, 0)
    )
    assert with_memory[0] == without[0]
    assert with_memory[1] != without[1]


@pytest.mark.parametrize("name", ["gpt2", "transformer-xl"])
def test_stopping_anywhere_changes_nothing(name: str, text: TokenData, build: Build, tmp_path: Path) -> None:
    recipe = Recipe(**QUICK, dropout=0.1, accumulation=2)
    whole = Trainer(build(name), text, recipe, evaluate_every=3).run()
    for stop in (3, 4, None):
        torch.rand(5)  # whatever else the process draws
        resumed = Trainer(build(name), text, recipe, tmp_path, evaluate_every=3).run(until=stop)
    assert losses(resumed) == losses(whole)
    assert resumed.evaluations == whole.evaluations
    assert [e["step"] for e in whole.evaluations] == [3, 6, 8]
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True))
    assert [row["step"] for row in read(tmp_path / "metrics.jsonl") if "loss" in row] == list(range(1, 9))


CHILD = """
import os, signal, sys, torch, tradewind as tw
from pathlib import Path
from tradewind import training
torch.set_num_threads(1)
corpus, cache, out = sys.argv[1:]
text = training.prepare(corpus, cache=cache)
arch = tw.core.GPT2(d_model=16, n_head=(2, 4), d_inner=(32, 24), vocab_size=256, context=24)
recipe = training.Recipe(steps=4000, batch_size=4, length=16, dropout=0.1)
def end(trainer):
    if trainer.step == 70:
        os.kill(os.getpid(), signal.SIGKILL)
training.Trainer(tw.models.build(arch), text, recipe, out, checkpoint_every=20).run(report=end)
"""


def test_a_killed_run_goes_on_to_the_same_losses(
    corpus: Path, cache: Path, text: TokenData, tmp_path: Path, one_thread: None
) -> None:
    out = tmp_path / "run"
    child = subprocess.run([sys.executable, "-c", CHILD, str(corpus), str(cache), str(out)], check=False)
    assert child.returncode == -signal.SIGKILL
    recipe = Recipe(steps=4000, batch_size=4, length=16, dropout=0.1)
    resumed = Trainer(models.build(ARCH), text, recipe, out)
    assert resumed.step == 60
    resumed.run(until=75)
    whole = Trainer(models.build(ARCH), text, recipe).run(until=75)
    assert losses(resumed) == losses(whole)
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True))


def test_a_run_that_ended_before_its_first_checkpoint_begins_its_record_again(text: TokenData, tmp_path: Path) -> None:
    class EndError(Exception):
        pass

    def end(trainer: Trainer) -> None:
        if trainer.step == 3:
            raise EndError

    with pytest.raises(EndError):
        Trainer(models.build(ARCH), text, Recipe(**QUICK), tmp_path, evaluate_every=2).run(report=end)
    resumed = Trainer(models.build(ARCH), text, Recipe(**QUICK), tmp_path, evaluate_every=2).run()
    assert [row["step"] for row in resumed.history] == list(range(1, 9))
    assert [row["step"] for row in resumed.evaluations] == [2, 4, 6, 8]
    assert [row["step"] for row in read(tmp_path / "metrics.jsonl") if "loss" in row] == list(range(1, 9))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_waits_for_the_step_and_keeps_it(
    number: signal.Signals, text: TokenData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Trainer(models.build(ARCH), text, Recipe(**QUICK), evaluate_every=3).run()
    update = Trainer._update

    def interrupted(self: Trainer) -> dict[str, Any]:
        if self.step == 2:
            os.kill(os.getpid(), number)
        return update(self)

    monkeypatch.setattr(Trainer, "_update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Trainer(models.build(ARCH), text, Recipe(**QUICK), tmp_path, evaluate_every=3).run()
    resumed = Trainer(models.build(ARCH), text, Recipe(**QUICK), tmp_path, evaluate_every=3)
    assert resumed.step == 3
    resumed.run()
    assert losses(resumed) == losses(whole)
    assert resumed.evaluations == whole.evaluations


def test_a_second_signal_stops_at_once_and_keeps_nothing_half(
    text: TokenData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Trainer) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("it goes on")

    monkeypatch.setattr(Trainer, "_update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Trainer(models.build(ARCH), text, Recipe(**QUICK), tmp_path).run()
    assert not (tmp_path / loop.CHECKPOINT).exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_last_step_that_spoils_the_weights_is_divergence(text: TokenData, tmp_path: Path) -> None:
    wild = Recipe(**QUICK | {"steps": 1, "learning_rate": 1e30}, warmup=0, clip=0.0)
    trainer = Trainer(models.build(ARCH), text, wild, tmp_path).run()
    assert trainer.diverged == "the validation loss is nan"
    assert trainer.evaluations == []
    assert Trainer(models.build(ARCH), text, wild, tmp_path).diverged == trainer.diverged


def test_a_gradient_that_is_no_number_stops_before_it_spoils_the_weights(text: TokenData) -> None:
    model = models.build(ARCH)
    model.final_norm.bias.register_hook(lambda gradient: gradient * math.inf)  # type: ignore[union-attr]
    trainer = Trainer(model, text, Recipe(**QUICK)).run()
    assert trainer.step == 1
    assert trainer.diverged.startswith("the norm of the gradient is")
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_a_text_too_short_to_validate_is_refused_before_anything_is_claimed(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("a line of text\n" * 80)
    short = prepare(str(tmp_path / "short.txt"), cache=cache)
    with pytest.raises(UsageError, match=r"the validation text has \d+ tokens, too few for a window of 128"):
        Trainer(models.build(ARCH.replace(context=128)), short, Recipe(length=128), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_trains_float32_weights(precision: str, text: TokenData, tmp_path: Path) -> None:
    full = losses(Trainer(models.build(ARCH), text, Recipe(**QUICK)).run())
    recipe = Recipe(**QUICK, precision=precision)
    Trainer(models.build(ARCH), text, recipe, tmp_path).run(until=4)
    half = Trainer(models.build(ARCH), text, recipe, tmp_path).run()
    assert losses(half) == pytest.approx(full, rel=2e-2)
    assert losses(half) != full
    assert {p.dtype for p in half.model.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ["gpt2", "hwgpt-profiled", "hwgpt-intended", "transformer-xl"])
def test_dropout_acts_where_the_model_says(name: str, text: TokenData, archs: dict[str, Architecture]) -> None:
    def places(model: torch.nn.Module) -> dict[str, float]:
        return {at: part.p for at, part in model.named_modules() if isinstance(part, torch.nn.Dropout)}

    trainer = Trainer(models.build(archs[name]), text, Recipe(**QUICK | {"length": 12}, dropout=0.1))
    assert places(trainer.model) == places(models.build(archs[name], dropout=0.1))
    assert set(places(trainer.model).values()) == {0.1}


def test_dropout_is_drawn_from_the_seed_and_leaves_the_global_state(text: TokenData) -> None:
    before = torch.get_rng_state()
    runs = [losses(Trainer(models.build(ARCH), text, Recipe(**QUICK, dropout=p)).run()) for p in (0.5, 0.5, 0.0)]
    assert torch.equal(torch.get_rng_state(), before)
    assert runs[0] == runs[1] != runs[2]


def test_a_loss_that_is_no_number_stops_before_it_spoils_the_weights(text: TokenData, tmp_path: Path) -> None:
    model = models.build(ARCH)
    with torch.no_grad():
        model.final_norm.weight.fill_(math.inf)  # type: ignore[union-attr,operator]
    trainer = Trainer(model, text, Recipe(**QUICK), tmp_path, evaluate_every=1).run()
    assert (trainer.step, trainer.diverged) == (1, "the loss is nan")
    assert trainer.evaluations == []
    assert all(math.isfinite(float(p.sum())) for name, p in model.named_parameters() if name != "final_norm.weight")
    again = Trainer(models.build(ARCH), text, Recipe(**QUICK), tmp_path).run()
    assert (again.step, again.diverged) == (1, "the loss is nan")


def test_a_loss_that_rises_for_good_stops(text: TokenData) -> None:
    recipe = Recipe(steps=200, batch_size=4, length=16, learning_rate=30.0, warmup=60, clip=0.0, divergence=1.0)
    trainer = Trainer(models.build(ARCH), text, recipe).run()
    assert trainer.step < 200
    assert trainer.diverged


def test_another_run_in_the_same_folder_is_refused(text: TokenData, tmp_path: Path) -> None:
    Trainer(models.build(ARCH), text, Recipe(**QUICK), tmp_path).run(until=1)
    with pytest.raises(UsageError, match=r"its recipe .*\(learning_rate 0.01 instead of 0.5\).*another --out"):
        Trainer(models.build(ARCH), text, Recipe(**QUICK).replace(learning_rate=0.5), tmp_path)
    with pytest.raises(UsageError, match="its architecture is not this one's"):
        Trainer(models.build(ARCH.replace(d_inner=(32, 32))), text, Recipe(**QUICK), tmp_path)
    assert json.loads((tmp_path / loop.RUN).read_text())["text"] == text.hash


def test_the_weights_that_a_run_starts_from_belong_to_it(text: TokenData, tmp_path: Path) -> None:
    recipe = Recipe(**QUICK)
    Trainer(models.build(ARCH), text, recipe, tmp_path / "seed").run(until=1)
    assert "start" not in json.loads((tmp_path / "seed" / loop.RUN).read_text())
    Trainer(models.build(ARCH), text, recipe, tmp_path / "loaded", start="abc").run(until=1)
    assert Trainer(models.build(ARCH), text, recipe, tmp_path / "loaded", start="abc").step == 1
    for folder, start in (("loaded", "abd"), ("loaded", None), ("seed", "abc")):
        with pytest.raises(UsageError, match="its start is not this one's"):
            Trainer(models.build(ARCH), text, recipe, tmp_path / folder, start=start)


def test_a_model_that_cannot_read_the_text_is_refused(text: TokenData, build: Build) -> None:
    with pytest.raises(UsageError, match=r"knows 100 tokens and the text has 256 \(bytes\).*vocab_size=256"):
        Trainer(models.build(ARCH.replace(vocab_size=100)), text, Recipe(**QUICK))
    with pytest.raises(UsageError, match="windows of 25 tokens exceed the 24 positions"):
        Trainer(models.build(ARCH), text, Recipe(steps=1, length=25))
    with pytest.raises(UsageError, match="windows of 25 tokens exceed the 24 positions"):
        Trainer(build("program"), text, Recipe(steps=1, length=25))

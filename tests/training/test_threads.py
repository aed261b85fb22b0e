"""Training on threads: the gradients of one thread, whatever the number, and the same run to the bit after a stop."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.waiting import PATIENCE
from torch import nn

from tradewind import models
from tradewind.core import Architecture
from tradewind.training import Recipe, TokenData, Trainer, threads
from tradewind.training.threads import Replicas, parts, slices

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("size", [1, 2, 3])
def test_gradients_are_those_of_the_whole(size: int) -> None:
    torch.manual_seed(0)
    module, data = nn.Linear(3, 2), torch.randn(7, 3)
    replicas, rows = Replicas(module, size), slices(7, size)
    for _ in range(2):  # the second adds to the first
        found = replicas.run(lambda layer, i: layer(data[rows[i]]).square().sum().backward() or i)
        assert found == list(range(size))
    mine = {name: p.grad for name, p in module.named_parameters()}
    expected = torch.autograd.grad(2 * module(data).square().sum(), list(module.parameters()))
    for (name, gradient), other in zip(mine.items(), expected, strict=True):
        torch.testing.assert_close(gradient, other, msg=name)


def test_replicas_share_weights_and_not_gradients() -> None:
    module = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 5, bias=False))
    module[1].weight = module[0].weight  # tied
    replicas = Replicas(module, 3)
    places = replicas.run(lambda layer, i: (layer[0].weight, layer[1].weight))
    assert all(one is two for one, two in places)
    assert len({id(one) for one, _ in places}) == 3
    assert len({one.data_ptr() for one, _ in places}) == 1
    with torch.no_grad():
        module[0].weight.fill_(7.0)
    assert all(float(one.detach().max()) == 7.0 for one, _ in places)


def test_each_has_a_thread_and_a_share_of_torchs_threads() -> None:
    torch.set_num_threads(4)
    replicas = Replicas(nn.Linear(1, 1), 2)
    meeting = threading.Barrier(2, timeout=PATIENCE)  # breaks unless both run at once

    def work(module: nn.Module, i: int) -> tuple[int, int]:
        meeting.wait()
        return threading.get_ident(), torch.get_num_threads()

    found = replicas.run(work)
    assert len({thread for thread, _ in found}) == 2
    assert [count for _, count in found] == [2, 2]
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize("bad", [0, 1])
def test_an_error_of_any_thread_is_raised_when_all_have_ended(bad: int) -> None:
    torch.set_num_threads(2)
    replicas, ended = Replicas(nn.Linear(1, 1, bias=False), 2), []

    def work(module: nn.Module, i: int) -> None:
        module(torch.ones(1)).backward()
        if i == bad:
            raise ValueError(f"part {i}")
        ended.append(i)

    with pytest.raises(ValueError, match=f"part {bad}"):
        replicas.run(work)
    assert ended == [1 - bad]
    assert torch.get_num_threads() == 2
    replicas.module.zero_grad()
    bad = 2
    replicas.run(work)
    assert float(replicas.module.weight.grad) == 2  # nothing is left of the failed run


@given(st.integers(0, 50), st.integers(1, 9))
def test_slices_share_out_all_rows_equally(rows: int, size: int) -> None:
    sizes = [len(range(rows)[part]) for part in slices(rows, size)]
    assert [i for part in slices(rows, size) for i in range(rows)[part]] == list(range(rows))
    assert len(sizes) == size
    assert max(sizes) - min(sizes) <= 1


def test_how_many_threads_may_train(archs: dict[str, Architecture]) -> None:
    model = models.build(archs["gpt2"])
    torch.set_num_threads(3)
    assert [parts(model, rows) for rows in (1, 2, 8)] == [1, 2, 3]
    torch.set_num_threads(16)
    assert parts(model, 8) == threads.MOST
    assert parts(models.build(archs["gpt2"], dropout=0.1), 8) == 1
    assert parts(models.build(archs["gpt2"], init="meta"), 8) == 1
    assert parts(nn.Linear(3, 3), 8) == 1


@pytest.mark.parametrize("name", ["gpt2", "hwgpt-intended", "transformer-xl"])
def test_training_is_that_of_one_thread(name: str, archs: dict[str, Architecture], text: TokenData) -> None:
    """With an odd number of rows, in two parts, with the memory of transformer-xl."""
    recipe = Recipe(steps=6, batch_size=6, accumulation=2, length=12, learning_rate=1e-2)
    found = {}
    for count in (1, 2):
        torch.set_num_threads(count)
        trainer = Trainer(models.build(archs[name]), text, recipe).run()
        assert len(trainer._replicas) == count
        found[count] = [row["loss"] for row in trainer.history]
        found[-count] = [row["gradient_norm"] for row in trainer.history]
    assert found[2] == pytest.approx(found[1], rel=1e-4)
    assert found[-2] == pytest.approx(found[-1], rel=1e-3)
    assert found[1][-1] < found[1][0]


@pytest.mark.parametrize("name", ["gpt2", "transformer-xl"])
def test_two_threads_resume_to_the_bit(
    name: str, archs: dict[str, Architecture], text: TokenData, tmp_path: Path
) -> None:
    torch.set_num_threads(2)
    recipe = Recipe(steps=6, batch_size=4, length=12)
    whole = Trainer(models.build(archs[name]), text, recipe).run()
    Trainer(models.build(archs[name]), text, recipe, tmp_path).run(until=3)
    resumed = Trainer(models.build(archs[name]), text, recipe, tmp_path).run()
    assert [row["loss"] for row in resumed.history] == [row["loss"] for row in whole.history]
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True))

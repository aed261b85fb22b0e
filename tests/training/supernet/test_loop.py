"""The supernet's trainer: gradients of all networks in one step, distillation, exact resume."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.supernet.conftest import RECIPE

from tradewind import costs, models
from tradewind.core import UsageError
from tradewind.core.files import read_json
from tradewind.models.supernet import Supernet
from tradewind.spaces import ArchitectureSpace
from tradewind.training import Recipe, TokenData
from tradewind.training.optimizers import make_optimizer
from tradewind.training.supernet import Sampling, SupernetTrainer, covering


def weights(net: Supernet) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in net.model.named_parameters()}


@pytest.mark.parametrize(("accumulation", "divided"), [(1, False), (2, False), (1, True)])
def test_a_step_by_hand(
    supernet: Supernet, space: ArchitectureSpace, text: TokenData, accumulation: int, divided: bool
) -> None:
    """One sandwich step equals AdamW on the mean loss of stand-alone forwards, written out."""
    recipe = RECIPE.replace(steps=1, accumulation=accumulation, clip=0.0)
    oracle = copy.deepcopy(supernet)
    trainer = SupernetTrainer(supernet, text, recipe, Sampling(space, "sandwich", 4), whole_batch=not divided)
    row = trainer.run().history[0]
    archs = Sampling(space, "sandwich", 4).step(0, recipe.seed)
    inputs, targets = map(torch.from_numpy, text.batch("train", 0, batch_size=4, length=16, seed=recipe.seed))
    places = [slice(i, i + 1) for i in range(4)] if divided else [slice(4)] * 4
    losses = [oracle.at(arch).loss(inputs[rows], targets[rows]) for arch, rows in zip(archs, places, strict=True)]
    (sum(losses) / 4).backward()
    optimizer = make_optimizer(oracle.named_parameters(), recipe)
    for group in optimizer.param_groups:
        group["lr"] = recipe.rate(0)
    optimizer.step()
    for name, weight in weights(oracle).items():
        torch.testing.assert_close(weights(supernet)[name], weight, rtol=0, atol=2e-5)
    assert [row[f"loss_{i}"] for i in (1, 2, 3, 4)] == pytest.approx([loss.item() for loss in losses], rel=1e-5)
    assert row["loss"] == pytest.approx(sum(loss.item() for loss in losses) / 4)
    assert row["flops"] == 3 * sum(costs.flops(arch, seq_len=16, batch=1 if divided else 4) for arch in archs)


@pytest.mark.parametrize("strategy", ["sandwich", "random", "balanced"])
def test_training_lowers_the_loss_of_all(
    supernet: Supernet, space: ArchitectureSpace, text: TokenData, strategy: str
) -> None:
    recipe = RECIPE.replace(steps=25, learning_rate=1e-2)
    sampling = Sampling(space, strategy, 3)
    inputs, targets = map(torch.from_numpy, text.batch("validation", 0, batch_size=8, length=16))
    before = [supernet.at(arch).loss(inputs, targets).item() for arch in sampling.extremes]
    SupernetTrainer(supernet, text, recipe, sampling).run()
    after = [supernet.at(arch).loss(inputs, targets).item() for arch in sampling.extremes]
    assert all(b > a + 0.3 for b, a in zip(before, after, strict=True))


@pytest.mark.parametrize("distill", [0.0, 0.5])
def test_a_killed_run_goes_on_to_the_bit(
    space: ArchitectureSpace, text: TokenData, tmp_path: Path, distill: float
) -> None:
    def trainer(out: Path | None) -> SupernetTrainer:
        net = Supernet(models.build(covering(space), seed=1))
        return SupernetTrainer(net, text, RECIPE, Sampling(space), out, distill=distill, checkpoint_every=2)

    whole = trainer(None).run()
    trainer(tmp_path).run(until=3)
    (tmp_path / "metrics.jsonl").open("a").write('{"step":4,"loss":1.0}\n{"ste')  # killed amid the next step
    resumed = trainer(tmp_path)
    assert resumed.step == 3
    resumed.run()
    for key in ("loss", "loss_1", "loss_4", "flops", "gradient_norm"):
        assert [row[key] for row in resumed.history] == [row[key] for row in whole.history]
    for name, weight in weights(whole.model).items():
        assert torch.equal(weights(resumed.model)[name], weight)
    assert read_json(tmp_path / "run.json")["sampling"]["strategy"] == "sandwich"
    other = Supernet(models.build(covering(space), seed=1))
    with pytest.raises(UsageError, match="its sampling"):
        SupernetTrainer(other, text, RECIPE, Sampling(space, "random", 4), tmp_path, distill=0.0)


@pytest.mark.parametrize("options", [{}, {"whole_batch": True}, {"distill": 0.5}])
def test_two_threads_train_as_one_does(
    options: dict[str, Any], space: ArchitectureSpace, text: TokenData, one_thread: None
) -> None:
    found = {}
    for count in (1, 2):
        torch.set_num_threads(count)
        net = Supernet(models.build(covering(space), seed=1))
        trainer = SupernetTrainer(net, text, RECIPE.replace(batch_size=11), Sampling(space), **options).run()
        assert len(trainer._replicas) == count
        keys = ("loss", "loss_1", "loss_2", "loss_3", "loss_4", "gradient_norm")
        found[count] = [row[key] for row in trainer.history for key in keys]
    assert found[2] == pytest.approx(found[1], rel=1e-3)


def test_what_the_networks_read_belongs_to_the_run(space: ArchitectureSpace, text: TokenData, tmp_path: Path) -> None:
    net = Supernet(models.build(covering(space), seed=1))
    SupernetTrainer(net, text, RECIPE, Sampling(space), tmp_path).run(until=1)
    with pytest.raises(UsageError, match="its whole_batch"):
        SupernetTrainer(net, text, RECIPE, Sampling(space), tmp_path, whole_batch=True)


def test_distillation_is_from_the_largest(supernet: Supernet, space: ArchitectureSpace, text: TokenData) -> None:
    """The gradient of the smallest is that of the cross-entropy with the largest's probabilities."""
    recipe = Recipe(steps=1, batch_size=4, length=16, learning_rate=1e-3, clip=0.0, weight_decay=0.0)
    sampling = Sampling(space, "sandwich", 2)
    trainer = SupernetTrainer(copy.deepcopy(supernet), text, recipe, sampling, distill=0.7)
    small, large = sampling.extremes
    inputs, targets = map(torch.from_numpy, text.batch("train", 0, batch_size=4, length=16, seed=recipe.seed))
    teacher = supernet(inputs, large)
    student = supernet(inputs, small)
    hard = [torch.nn.functional.cross_entropy(x.flatten(0, 1), targets.flatten()) for x in (teacher, student)]
    soft = torch.nn.functional.cross_entropy(student.flatten(0, 1), teacher.detach().softmax(-1).flatten(0, 1))
    ((hard[0] + 0.7 * soft + 0.3 * hard[1]) / 2).backward()
    trainer._networks, trainer._losses = sampling.step(0, 0), [0.0, 0.0]
    trainer._backward(0, inputs, targets)
    for (name, found), expected in zip(
        trainer.model.model.named_parameters(), supernet.model.parameters(), strict=True
    ):
        torch.testing.assert_close(found.grad, expected.grad, rtol=1e-4, atol=1e-7, msg=name)


def test_wrong_use(supernet: Supernet, space: ArchitectureSpace, text: TokenData) -> None:
    with pytest.raises(UsageError, match="no teacher"):
        SupernetTrainer(supernet, text, RECIPE, Sampling(space, "random", 1), distill=0.5)
    with pytest.raises(UsageError, match="distill is 2"):
        SupernetTrainer(supernet, text, RECIPE, Sampling(space), distill=2)
    with pytest.raises(UsageError, match="4 sequences cannot be divided among 5 networks"):
        SupernetTrainer(supernet, text, RECIPE, Sampling(space, "random", 5))
    with pytest.raises(UsageError, match="d_model up to 16"):
        SupernetTrainer(supernet, text, RECIPE, Sampling(_wider(space)))


def _wider(space: ArchitectureSpace) -> ArchitectureSpace:
    from tradewind import spaces

    data = space.to_dict()
    next(d for d in data["dimensions"] if d["name"] == "d_model")["choices"] = [8, 32]
    return spaces.from_dict(data)

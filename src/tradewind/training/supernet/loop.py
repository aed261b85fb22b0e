"""Training a supernet: every step adds up the gradients of several networks, then moves the shared weights once.

In-place distillation: Yu and Huang 2019, arXiv 1903.05134, section 3.3: the largest network of the step is the teacher
of the others, on the same text and at no further cost. A batch divided among the networks: HW-GPT-Bench (Sukthanker et
al. 2024, arXiv 2405.10299) trains each network of its sandwich in a process of its own, which reads its own text.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tradewind import costs
from tradewind.core import Architecture, UsageError
from tradewind.models.base import TokenModel, precise
from tradewind.models.supernet import SubNetwork, Supernet
from tradewind.training import parallel
from tradewind.training.data import TokenData
from tradewind.training.evaluation import autocast
from tradewind.training.loop import Trainer
from tradewind.training.recipe import Recipe
from tradewind.training.supernet.sampling import Sampling
from tradewind.training.threads import slices

BACKWARD = 3
"""Operations of a forward and a backward over those of a forward."""


class SupernetTrainer(Trainer):
    """Trains the networks that `sampling` names for each step on that step's text; their mean loss is minimised.

    With `distill` above 0 the networks after the first learn from the first's predictions with this weight, and from
    the text with the rest; the sandwich's first is the largest. A row of the history also has ``loss_1``, ``loss_2``,
    ... of the networks on the text, and ``flops``, the operations of the step in closed form (three times those of the
    forwards).

    The networks divide the step's sequences among them, each reads its own; with `whole_batch`, and always when
    distilling, each reads all, which is the work of so many steps for the text of one.

    Every window is read without memory, also by transformer-xl. Everything else is as for `Trainer`, exact resume
    included; evaluations are of the largest network. Raises `UsageError` for a distillation without a teacher, a batch
    with fewer sequences than networks, a space that the supernet does not hold, and more than one process.
    """

    def __init__(
        self,
        model: Supernet,
        text: TokenData,
        recipe: Recipe,
        sampling: Sampling,
        out: Path | str | None = None,
        *,
        distill: float = 0.0,
        whole_batch: bool = False,
        **options: Any,
    ) -> None:
        if not 0 <= distill <= 1:
            raise UsageError(f"distill is {distill}; it is a weight from 0 (learn from text) to 1 (from the largest)")
        if distill and sampling.strategy != "sandwich":
            raise UsageError(f"{sampling.strategy} has no teacher to distill from; use the strategy sandwich")
        whole_batch = whole_batch or distill > 0
        rows = recipe.batch_size // recipe.accumulation
        if not whole_batch and rows < sampling.networks:
            raise UsageError(
                f"{rows} sequences cannot be divided among {sampling.networks} networks; make batch_size larger, or "
                "let every network read the whole batch (whole_batch)"
            )
        if parallel.here().size > 1:
            raise UsageError("a supernet is trained by one process; start it without torchrun")
        self.sampling, self.distill = sampling, distill
        everything = [slice(0, rows)] * sampling.networks
        self._rows_of = everything if whole_batch else slices(rows, sampling.networks)
        self._networks: list[Architecture] = []
        self._losses: list[float] = []
        self._ends: dict[tuple[Supernet, Architecture], SubNetwork] = {}
        for arch in sampling.extremes:
            model.at(arch)
        super().__init__(model, text, recipe, out, **options)
        self.model: Supernet = model

    def _update(self) -> dict[str, Any]:
        self._networks = self.sampling.step(self.step, self.recipe.seed)
        self._losses = [0.0] * len(self._networks)
        row = super()._update()
        forward = costs.flops(self._networks, seq_len=self.recipe.length, batch=self.recipe.accumulation)
        flops = sum(int(each) * _count(rows) for each, rows in zip(forward, self._rows_of, strict=True))
        losses = {f"loss_{i}": loss for i, loss in enumerate(self._losses, 1)}
        return row | losses | {"flops": BACKWARD * flops}

    def _backward(self, part: int, inputs: Tensor, targets: Tensor) -> Tensor:
        replicas = self._replicated(min(map(_count, self._rows_of)))

        def work(loss: Any, i: int) -> Tensor:
            """The part of thread i in every network's loss, its gradients added up."""
            teacher: Tensor | None = None
            values = []
            for arch, rows in zip(self._networks, self._rows_of, strict=True):
                mine = slices(_count(rows), len(replicas))[i]
                share = _count(mine) / _count(rows)
                lesson = _Lesson(inputs[rows][mine], targets[rows][mine], self.distill, teacher)
                weight = share / len(self._networks) / self.recipe.accumulation
                with autocast(self._device, self.recipe.precision):
                    loss.model.accumulate(self._part(loss.model, arch), functools.partial(self._scaled, lesson, weight))
                teacher = lesson.predictions if teacher is None else teacher
                values.append(lesson.loss * share)
            return torch.stack(values)

        losses = torch.stack(replicas.run(work)).sum(0)
        for place, value in enumerate(losses.tolist()):
            self._losses[place] += value / self.recipe.accumulation
        return losses.mean()

    def _scaled(self, lesson: _Lesson, weight: float, model: TokenModel) -> Tensor:
        scaled: Tensor = self._scaler.scale(lesson(model) * weight)
        return scaled

    def _part(self, net: Supernet, arch: Architecture) -> SubNetwork:
        """The sub-network; those that come back every step are made once."""
        if arch not in self.sampling.extremes:
            return net.at(arch)
        if (net, arch) not in self._ends:
            self._ends[net, arch] = net.at(arch)
        return self._ends[net, arch]

    def _identity(self) -> dict[str, Any]:
        whole = self._rows_of[0] == self._rows_of[-1]
        return super()._identity() | {
            "sampling": self.sampling.to_dict(),
            "distill": self.distill,
            "whole_batch": whole,
        }


def _count(rows: slice) -> int:
    return int(rows.stop - rows.start)


class _Lesson:
    """What one network minimises; keeps its `loss` on the text and, where it teaches, its `predictions`."""

    def __init__(self, inputs: Tensor, targets: Tensor, distill: float, teacher: Tensor | None) -> None:
        self._inputs, self._targets, self._distill, self._teacher = inputs, targets, distill, teacher
        self.loss = torch.zeros(())
        self.predictions: Tensor | None = None

    def __call__(self, model: TokenModel) -> Tensor:
        if not self._distill:
            loss = model.loss(self._inputs, self._targets)
            self.loss = loss.detach()
            return loss
        logits = model(self._inputs).flatten(0, 1)
        scores = F.log_softmax(logits.to(precise(logits.dtype)), -1)
        loss = F.nll_loss(scores, self._targets.flatten())
        self.loss = loss.detach()
        if self._teacher is None:
            self.predictions = scores.detach().exp()
            return loss
        imitation = -(self._teacher * scores).sum(-1).mean()
        return self._distill * imitation + (1 - self._distill) * loss

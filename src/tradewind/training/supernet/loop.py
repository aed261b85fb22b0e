"""Training a supernet: every step adds up the gradients of several networks, then moves the shared weights once.

In-place distillation: Yu and Huang 2019, arXiv 1903.05134, section 3.3: the largest network of the step is the teacher
of the others, on the same text and at no further cost. A divided batch: HW-GPT-Bench (Sukthanker et al. 2024, arXiv
2405.10299) trains the networks of its sandwich on one process each, and each process reads its own text.
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

    Every network reads the whole batch, or with `divided` an equal part of it, its own: a step of four networks is then
    a quarter of the work.

    Every window is read without memory, also by transformer-xl. Everything else is as for `Trainer`, exact resume
    included; evaluations are of the largest network. Raises `UsageError` for a distillation without a teacher, a batch
    that cannot be divided, a space that the supernet does not hold, and more than one process.
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
        divided: bool = False,
        **options: Any,
    ) -> None:
        if not 0 <= distill <= 1:
            raise UsageError(f"distill is {distill}; it is a weight from 0 (learn from text) to 1 (from the largest)")
        if distill and sampling.strategy != "sandwich":
            raise UsageError(f"{sampling.strategy} has no teacher to distill from; use the strategy sandwich")
        if distill and divided:
            raise UsageError("distilling takes the same text for all networks; divide the batch or distill, not both")
        if divided and recipe.batch_size // recipe.accumulation % sampling.networks:
            raise UsageError(
                f"a batch of {recipe.batch_size} in {recipe.accumulation} part(s) cannot be divided among "
                f"{sampling.networks} networks; take a multiple of {recipe.accumulation * sampling.networks}"
            )
        if parallel.here().size > 1:
            raise UsageError("a supernet is trained by one process; start it without torchrun")
        self.sampling, self.distill = sampling, distill
        self.shares = sampling.networks if divided else 1
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
        batch = self.recipe.batch_size // self.shares
        forward = costs.flops(self._networks, seq_len=self.recipe.length, batch=batch)
        losses = {f"loss_{i}": loss for i, loss in enumerate(self._losses, 1)}
        return row | losses | {"flops": BACKWARD * sum(map(int, forward))}

    def _backward(self, part: int, inputs: Tensor, targets: Tensor) -> Tensor:
        texts = list(zip(inputs.chunk(self.shares), targets.chunk(self.shares), strict=True))
        size = len(texts[0][0])
        replicas = self._replicated(size)
        rows = slices(size, len(replicas))

        def work(loss: Any, i: int) -> Tensor:
            mine = [(read[rows[i]], wanted[rows[i]]) for read, wanted in texts]
            return self._lessons(loss.model, mine) * (len(mine[0][0]) / size)

        losses = torch.stack(replicas.run(work)).sum(0)  # of each network
        for i, loss in enumerate(losses.tolist()):
            self._losses[i] += loss / self.recipe.accumulation
        return losses.mean()

    def _lessons(self, net: Supernet, texts: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Add up the gradients of the step's networks in the weights of `net`; their losses on the text."""
        share = len(texts[0][0]) * len(texts) / len(self._networks) / self.recipe.batch_size
        teacher: Tensor | None = None
        losses = []
        for i, arch in enumerate(self._networks):
            lesson = _Lesson(*texts[i % len(texts)], self.distill, teacher)
            with autocast(self._device, self.recipe.precision):
                net.accumulate(self._part(net, arch), functools.partial(self._scaled, lesson, share))
            teacher = lesson.predictions if i == 0 else teacher
            losses.append(lesson.loss)
        return torch.stack(losses)

    def _scaled(self, lesson: _Lesson, share: float, model: TokenModel) -> Tensor:
        scaled: Tensor = self._scaler.scale(lesson(model) * share)
        return scaled

    def _part(self, net: Supernet, arch: Architecture) -> SubNetwork:
        """The sub-network; those that come back every step are made once."""
        if arch not in self.sampling.extremes:
            return net.at(arch)
        if (net, arch) not in self._ends:
            self._ends[net, arch] = net.at(arch)
        return self._ends[net, arch]

    def _identity(self) -> dict[str, Any]:
        return super()._identity() | {
            "sampling": self.sampling.to_dict(),
            "distill": self.distill,
            "divided": self.shares > 1,
        }


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

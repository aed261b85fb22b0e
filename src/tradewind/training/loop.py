"""The one training loop: every backbone, one process or many, resumable to the bit on the CPU.

A step is a pure function of the weights, the optimizer's state, the memory and the step's number: batches and dropout
are drawn from the seed and that number. So a run that was killed goes on from its checkpoint as if nothing had been.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tradewind.core import UsageError
from tradewind.core.files import content_hash, read_json, write_json
from tradewind.core.interrupts import Interrupts
from tradewind.core.seeds import derive
from tradewind.training import checkpoint, parallel
from tradewind.training.data import TokenData
from tradewind.training.divergence import Watch
from tradewind.training.evaluation import TokenLoss, Validation, as_tensor, autocast, score
from tradewind.training.fit import check_fit
from tradewind.training.metrics import Metrics
from tradewind.training.optimizers import make_optimizer
from tradewind.training.recipe import Recipe
from tradewind.training.threads import Replicas, parts, slices

CHECKPOINT, RUN = "checkpoint.safetensors", "run.json"


class Trainer:
    """Trains a model on a text by a recipe.

    With a folder `out` it keeps ``run.json`` (what is trained), ``metrics.jsonl`` and ``checkpoint.safetensors``, every
    `checkpoint_every` steps and where `run` ends; a Trainer made again in the same folder goes on from there. It
    evaluates every `evaluate_every` steps (0: only after the last) on `batches` validation batches. `compiled` runs
    the loss through torch.compile. Under torchrun the model is spread by `strategy`, ``ddp`` or ``fsdp``; on the CPU
    without dropout, the rows of a batch over torch's threads (`tradewind.training.threads`).

    `start` names the weights that training begins with where they are not the seed's own; a folder goes on only from
    the same ones.

    The model's device is used; its dropout layers are set to the recipe's. Raises `UsageError` where model and text do
    not fit, or where the folder holds another run.

    >>> import tempfile, tradewind as tw
    >>> text = tw.training.prepare(__file__, cache=tempfile.mkdtemp())
    >>> arch = tw.core.GPT2(d_model=16, n_head=(2,), d_inner=(32,), vocab_size=text.vocab_size, context=16)
    >>> recipe = tw.training.Recipe(steps=3, batch_size=2, length=16)
    >>> trainer = tw.training.Trainer(tw.models.build(arch), text, recipe)
    >>> trainer.run().step, len(trainer.history)
    (3, 3)
    """

    def __init__(
        self,
        model: nn.Module,
        text: TokenData,
        recipe: Recipe,
        out: Path | str | None = None,
        *,
        evaluate_every: int = 0,
        checkpoint_every: int = 200,
        batches: int = 16,
        compiled: bool = False,
        strategy: str = "ddp",
        start: str | None = None,
    ) -> None:
        check_fit(model, text, recipe.length)
        self.model, self.text, self.recipe = model, text, recipe
        self._start = start
        self.step = 0
        self.diverged = ""
        """Why training stopped early, or nothing."""
        self._out = Path(out) if out is not None else None
        self._place = parallel.here()
        if strategy == "fsdp" and recipe.optimizer == "adafactor" and self._place.size > 1:
            raise UsageError("adafactor does not work on shards of weights; use the strategy ddp or another optimizer")
        self._every = {"evaluate": evaluate_every, "checkpoint": checkpoint_every}
        self._batches = batches
        self._device = next(model.parameters()).device
        self._last: dict[str, Any] = {}
        self._seconds: deque[float] = deque(maxlen=100)
        self._memory: list[Any] = [None] * recipe.accumulation
        self._metrics = Metrics(self._out, writes=self._place.rank == 0)
        self._watch = Watch(recipe.divergence)
        self._rows = self._place.rows(recipe.batch_size // recipe.accumulation)
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = recipe.dropout
        bare = TokenLoss(model)
        self._remembers = bare.remembers
        self._loss = parallel.spread(bare, strategy)
        self._threaded = self._place.size == 1 and not compiled
        self._optimizer = make_optimizer(model.named_parameters(), recipe)
        if compiled:
            self._loss = torch.compile(self._loss)  # type: ignore[assignment]
        self._replicas = Replicas(self._loss, 1)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=recipe.precision == "float16")
        if self._out is not None:
            self._claim(self._out)
            if (self._out / CHECKPOINT).is_file():
                self._restore(self._out / CHECKPOINT)
            else:
                self._metrics.restore(0)

    @property
    def last(self) -> dict[str, Any]:
        """The row of the last step that this process made; empty before the first."""
        return self._last

    @property
    def history(self) -> list[dict[str, Any]]:
        """A row a step: ``step`` (from 1), ``loss`` in nats per token, ``learning_rate``, ``gradient_norm``, times."""
        return [row for row in self._metrics.rows if "loss" in row]

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        """A row an evaluation: ``step`` and the figures of `Validation` under ``validation``."""
        return [row for row in self._metrics.rows if "validation" in row]

    @property
    def tokens_per_second(self) -> float:
        """Median throughput of the last steps (at most 100), over all processes; NaN before the first."""
        if not self._seconds:
            return math.nan
        return self.recipe.batch_size * self.recipe.length / statistics.median(self._seconds)

    def run(self, until: int | None = None, report: Callable[[Trainer], None] | None = None) -> Trainer:
        """Train to the step `until` (the recipe's last one if None), or until training diverges.

        `report` is called after every step. With a folder, the state is kept there at the end, and where one process
        is stopped by Ctrl-C or SIGTERM after the step that is under way; a second signal stops at once.
        """
        last = self.recipe.steps if until is None else min(until, self.recipe.steps)
        begun, interrupts, whole = self.step, Interrupts(), True
        self._loss.train()
        # Several processes cannot stop together: each hears a signal at a step of its own.
        alone = self._place.size == 1
        with interrupts if alone else contextlib.nullcontext():
            try:
                while self.step < last and not self.diverged:
                    with interrupts.shield():
                        whole = False
                        self._advance()
                        whole = True
                    if self._due("checkpoint") and self.step < last:
                        self.save()
                    if report is not None:
                        report(self)
            except KeyboardInterrupt:
                if alone and whole and self.step > begun:
                    self.save()
                self._metrics.close()
                raise
            if self.step > begun:
                self.save()
        self._metrics.close()
        self._loss.eval()
        return self

    def evaluate(self) -> Validation:
        """Score the model as it is on the validation text."""
        recipe = self.recipe
        rows = recipe.batch_size // recipe.accumulation
        return score(
            self._loss, self.text, "validation", self._batches, rows, recipe.length, recipe.precision, self._remembers
        )

    def save(self) -> None:
        """Write the checkpoint, if there is a folder; every process must ask."""
        if self._out is None:
            return
        tensors = checkpoint.training_state(self.model, self._optimizer)
        for layer in range(len(self._memory[0] or ())):
            # Rows of the parts one after the other, as the recipe's batch has them, whatever the number of processes.
            parts = [parallel.gather_rows(memory[layer]) for memory in self._memory]
            tensors[f"memory.{layer:04d}"] = torch.cat(parts)
        if self._place.rank == 0:
            self._metrics.sync()
            facts = {"step": self.step, "diverged": self.diverged, "scaler": self._scaler.state_dict()}
            checkpoint.write(self._out / CHECKPOINT, tensors, facts)
        parallel.barrier()

    def save_model(self, facts: Mapping[str, Any]) -> None:
        """Write weights, architecture and the text's tokenizer to the folder, for `open_saved`; every process must ask.

        `facts` go into the header of the weights. Raises `UsageError` without a folder.
        """
        if self._out is None:
            raise UsageError("this Trainer keeps nothing; make it with out=FOLDER to save the model")
        checkpoint.save_model(self.model, self._out, facts, self.text.tokenizer)
        parallel.barrier()

    def _advance(self) -> None:
        """One step and, where it is due, an evaluation, with their rows in the record."""
        started, used = time.perf_counter(), time.process_time()
        row = self._update()
        row |= {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - used}
        self._last = {key: value for key, value in row.items() if math.isfinite(value)}
        self._seconds.append(row["seconds"])
        self._metrics.add(self._last)
        if not self.diverged and (self._due("evaluate") or self.step == self.recipe.steps):
            found = self.evaluate()
            if math.isfinite(found.loss):
                self._metrics.add({"step": self.step, "validation": found.to_dict()})
            else:
                self.diverged = f"the validation loss is {found.loss}"

    def _update(self) -> dict[str, Any]:
        """One step: the gradient of the whole batch, then the optimizer."""
        recipe = self.recipe
        rate = recipe.rate(self.step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        total = torch.zeros((), device=self._device)
        with self._randomness():
            for part, (inputs, targets) in enumerate(self._parts()):
                last = part == recipe.accumulation - 1
                with self._synchronising(last):
                    total += self._backward(part, inputs, targets) / recipe.accumulation
        self._scaler.unscale_(self._optimizer)
        norm = float(parallel.whole(nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip or math.inf)))
        value = float(parallel.average(total))
        self.step += 1
        self.diverged = self._watch.add(value)
        spoilt = not math.isfinite(norm) and not self._scaler.is_enabled()  # a scaler leaves such a step out
        if spoilt and not self.diverged:
            self.diverged = f"the norm of the gradient is {norm}"
        if math.isfinite(value) and not spoilt:
            self._scaler.step(self._optimizer)
            self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        return {"step": self.step, "loss": value, "learning_rate": rate, "gradient_norm": norm}

    def _backward(self, part: int, inputs: Tensor, targets: Tensor) -> Tensor:
        """Add the gradient of one part to that of the step; its loss, detached."""
        replicas = self._replicated(len(inputs))
        rows, memory = slices(len(inputs), len(replicas)), self._memory[part]

        def work(loss: nn.Module, i: int) -> tuple[Tensor, Any]:
            mine = memory and [layer[rows[i]] for layer in memory]
            with autocast(self._device, self.recipe.precision):
                value, mine = loss(inputs[rows[i]], targets[rows[i]], mine)
                value = value * (len(inputs[rows[i]]) / len(inputs))
                self._scaler.scale(value / self.recipe.accumulation).backward()
            return value.detach(), mine

        values, memories = zip(*replicas.run(work), strict=True)
        if self._remembers:
            self._memory[part] = [torch.cat(layers) for layers in zip(*memories, strict=True)]
        return torch.stack(values).sum()

    def _replicated(self, rows: int) -> Replicas:
        """The loss on as many threads as can share so many rows; made anew where that number has changed."""
        size = parts(self.model, rows) if self._threaded else 1
        if size != len(self._replicas):
            self._replicas = Replicas(self._loss, size)
        return self._replicas

    def _parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows of the step's batch that are for this process, part by part."""
        recipe = self.recipe
        read = self.text.lanes if self._remembers else self.text.batch
        inputs, targets = read("train", self.step, batch_size=recipe.batch_size, length=recipe.length, seed=recipe.seed)
        size = recipe.batch_size // recipe.accumulation
        for first in range(0, recipe.batch_size, size):
            rows = slice(first + self._rows.start, first + self._rows.stop)
            yield as_tensor(inputs[rows], self._device), as_tensor(targets[rows], self._device)

    @contextlib.contextmanager
    def _randomness(self) -> Iterator[None]:
        """Dropout drawn from seed, step and process; the global random state is as before afterwards."""
        if not self.recipe.dropout:
            yield
            return
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(derive(self.recipe.seed, "dropout", self.step, self._place.rank) % 2**63)
            yield

    def _synchronising(self, last: bool) -> contextlib.AbstractContextManager[Any]:
        """Replicas exchange gradients with the last part only."""
        if not last and isinstance(self._loss, nn.parallel.DistributedDataParallel):
            return self._loss.no_sync()
        return contextlib.nullcontext()

    def _due(self, what: str) -> bool:
        return bool(self._every[what]) and self.step % self._every[what] == 0

    def _claim(self, out: Path) -> None:
        """Write what is trained here, or make sure that it is the same; raises `UsageError`."""
        mine = self._identity()
        if (out / RUN).is_file():
            found = read_json(out / RUN)
            for name in mine | found:
                if found.get(name) != (value := mine.get(name)):
                    raise UsageError(
                        f"{out} holds another run: its {name} is not this one's{_difference(found.get(name), value)}; "
                        "give another --out, or the same command as before"
                    )
        elif self._place.rank == 0:
            write_json(out / RUN, mine)
        parallel.barrier()

    def _identity(self) -> dict[str, Any]:
        """What the steps depend on, as plain data."""
        arch = getattr(self.model, "arch", None)
        shapes = {name: list(parameter.shape) for name, parameter in self.model.named_parameters()}
        return {
            "recipe": self.recipe.to_dict(),
            "text": self.text.hash,
            "architecture": arch.to_dict() if arch is not None else content_hash(shapes),
            **({"start": self._start} if self._start else {}),
        }

    def _restore(self, path: Path) -> None:
        tensors, facts = checkpoint.read(path)
        checkpoint.restore(self.model, self._optimizer, tensors)
        self._scaler.load_state_dict(facts["scaler"])
        self.step, self.diverged = facts["step"], facts["diverged"]
        self._metrics.restore(self.step)
        for row in self.history:
            self._watch.add(row["loss"])
        layers = [value.to(self._device) for name, value in sorted(tensors.items()) if name.startswith("memory.")]
        if layers:
            parts = [layer.chunk(self.recipe.accumulation) for layer in layers]
            self._memory = [[p[i][self._rows].clone() for p in parts] for i in range(self.recipe.accumulation)]


def _difference(found: Any, mine: Any) -> str:
    """The first setting in which two records differ, in words."""
    if isinstance(found, dict) and isinstance(mine, dict):
        for key in mine:
            if found.get(key) != mine[key]:
                return f" ({key} {found.get(key)} instead of {mine[key]})"
    return ""

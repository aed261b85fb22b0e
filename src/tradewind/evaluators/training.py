"""Perplexity after training: every candidate is trained on a text, in steps that can be stopped at and gone on from."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind.core import Measurement, Measurements, Objective, Space, UsageError, parse_objectives
from tradewind.core.files import content_hash, read_json, write_json
from tradewind.evaluators.sources import Source, register

if TYPE_CHECKING:
    from tradewind.training import Recipe, TokenData

ETA = 3
"""How many times more steps the next fidelity has (Jamieson and Talwalkar 2016, arXiv 1502.07943)."""
LEVELS = 3


class TrainingEvaluator:
    """Validation perplexity of architectures after training by a recipe; its fidelities are numbers of steps.

    By default the fidelities are a ninth, a third and all of the recipe's steps. A candidate goes on from the highest
    that it has reached: until it is trained whole its state is kept in `folder` (if None a temporary one, which `close`
    removes). The loss at less than all steps is that of the same run, whose learning rate has not come down yet; a
    ``constant`` or ``rsqrt`` schedule makes fidelities comparable.

    Deterministic on the CPU: weights, batches and windows are drawn from the recipe's seed.
    """

    resumes = True

    def __init__(
        self,
        text: TokenData,
        recipe: Recipe,
        *,
        fidelities: Sequence[int] | None = None,
        folder: str | Path | None = None,
        device: str = "cpu",
        batches: int = 16,
    ) -> None:
        levels = fidelities or sorted({max(1, recipe.steps // ETA**k) for k in range(LEVELS)})
        self.fidelities = tuple(int(level) for level in levels)
        if list(self.fidelities) != sorted({*self.fidelities}) or self.fidelities[-1] != recipe.steps:
            raise UsageError(
                f"fidelities {list(self.fidelities)} must be rising numbers of steps that end with the recipe's "
                f"{recipe.steps}"
            )
        self.deterministic = device == "cpu"
        self._text, self._recipe, self._device, self._batches = text, recipe, device, batches
        self._own = None if folder is not None else tempfile.TemporaryDirectory(prefix="tradewind-training-")
        # What is known of an architecture is known for these settings: each has a folder of its own.
        self._folder = Path(folder or self._own.name) / content_hash(self.describe())[:16]  # type: ignore[union-attr]

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Perplexity, per token."""
        return parse_objectives("perplexity")

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        """One mapping a candidate, in order, after all steps."""
        return self.evaluate_at(candidates, self._recipe.steps)

    def evaluate_at(self, candidates: Sequence[Any], fidelity: int) -> list[Measurements]:
        """One mapping a candidate, in order, after `fidelity` steps; raises `UsageError` if it is none of ours."""
        if fidelity not in self.fidelities:
            raise UsageError(f"there is no fidelity {fidelity}; there are {list(self.fidelities)}")
        return [{"perplexity": self._measure(candidate, fidelity)} for candidate in candidates]

    def problem(self, space: Space) -> str:
        """Why no candidate of a space could be trained; nothing where all can."""
        arch, length = space.sample(seed=0), self._recipe.length
        if arch.family != "gpt2" or arch.context >= length:
            return ""
        return (
            f"training reads windows of {length} tokens and these architectures have learned {arch.context} positions; "
            f"shorten the windows (length={arch.context}) or give them more (--set context={length})"
        )

    def describe(self) -> dict[str, Any]:
        """The text, the recipe and the windows: another of them is another evaluator."""
        return {
            "kind": "training",
            "objectives": ["perplexity"],
            "text": self._text.hash,
            "recipe": self._recipe.to_dict(),
            "fidelities": list(self.fidelities),
            "batches": self._batches,
        }

    def close(self) -> None:
        """Remove the temporary folder; one that was given stays."""
        if self._own is not None:
            self._own.cleanup()

    def _measure(self, candidate: Any, fidelity: int) -> Measurement:
        method = f"trained {fidelity} steps"
        try:
            found = self._train(candidate, fidelity)
        except UsageError as error:
            return Measurement.failed(f"unsupported: {error}", "perplexity", method=method)
        except (RuntimeError, MemoryError) as error:
            return Measurement.failed(f"error: {' '.join(str(error).split())[:300]}", "perplexity", method=method)
        if found["diverged"]:
            return Measurement.invalid(f"unstable: {found['diverged']}", "perplexity", method=method)
        details = {"loss": found["loss"], "tokens": found["tokens"], "text": self._text.hash}
        return Measurement.of(math.exp(min(found["loss"], 700.0)), "perplexity", method=method, details=details)

    def _train(self, candidate: Any, fidelity: int) -> dict[str, Any]:
        """What is known at a fidelity, or found by going on from the last one; from the start where that is past it."""
        place = self._folder / candidate.id
        notes = read_json(place / "found.json") if (place / "found.json").is_file() else {}
        if str(fidelity) in notes:
            return dict(notes[str(fidelity)])
        stopped = next((found for found in notes.values() if found["diverged"]), None)
        if stopped and stopped["tokens"] <= fidelity * self._recipe.batch_size * self._recipe.length:
            return dict(stopped)
        past = any(int(level) > fidelity for level in notes)
        found = self._go_on(candidate, fidelity, None if past else place / "run")
        write_json(place / "found.json", {**notes, str(fidelity): found})
        if fidelity == self._recipe.steps or found["diverged"]:
            shutil.rmtree(place / "run", ignore_errors=True)
        return found

    def _go_on(self, candidate: Any, fidelity: int, out: Path | None) -> dict[str, Any]:
        from tradewind import models, training

        recipe = self._recipe
        model = models.build(training.for_text(candidate, self._text), device=self._device, seed=recipe.seed)
        trainer = training.Trainer(model, self._text, recipe, out, checkpoint_every=0, batches=1)
        trainer.run(until=fidelity)
        loss, diverged = None, trainer.diverged
        if not diverged:
            windows = {"batches": self._batches, "batch_size": recipe.batch_size, "length": recipe.length}
            loss = training.validation_loss(model, self._text, precision=recipe.precision, **windows)
            if not math.isfinite(loss):
                loss, diverged = None, f"the loss on the validation text is {loss}"
        tokens = trainer.step * recipe.batch_size * recipe.length
        return {"loss": loss, "diverged": diverged, "tokens": tokens}


def use(text: TokenData, recipe: Recipe, folder: str | Path | None = None, **options: Any) -> None:
    """Let ``perplexity`` mean perplexity after this training in the evaluators that are made from now on."""

    def build(objectives: Sequence[Objective], **_: Any) -> TrainingEvaluator:
        return TrainingEvaluator(text, recipe, folder=folder, **options)

    register(
        Source(
            name="training",
            offers="perplexity after training",
            matches=lambda objective, space: objective.name == "perplexity" and space is not None,
            build=build,
        )
    )

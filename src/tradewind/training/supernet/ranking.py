"""Whether inherited weights rank networks as training them alone does: the check behind any search in a supernet.

Each of a sample of architectures is scored with inherited weights, and trained from scratch by one recipe. The rank
correlation of the two lists of losses says how far the supernet can be trusted; a second seed of the stand-alone
trainings, correlated with the first, says how much of the rest is noise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tradewind import models
from tradewind.core import Architecture, UsageError
from tradewind.core.files import read_json, write_json
from tradewind.core.ranking import bootstrap_interval, kendall, spearman
from tradewind.training.data import TokenData
from tradewind.training.loop import Trainer
from tradewind.training.recipe import Recipe
from tradewind.training.supernet.evaluation import Examination


@dataclasses.dataclass(frozen=True)
class Agreement:
    """A rank correlation with its 95% bootstrap interval over architectures."""

    value: float
    low: float
    high: float

    @classmethod
    def of(
        cls, statistic: Callable[[np.ndarray, np.ndarray], float], a: Sequence[float], b: Sequence[float], seed: int
    ) -> Agreement:
        """The statistic of two lists of scores."""
        x, y = np.asarray(a), np.asarray(b)
        low, high = bootstrap_interval(lambda rows: statistic(x[rows], y[rows]), len(x), seed=seed)
        return cls(statistic(x, y), low, high)


def train_alone(
    arch: Architecture,
    examination: Examination,
    text: TokenData,
    recipe: Recipe,
    out: Path | None = None,
    report: Callable[[Trainer], None] | None = None,
) -> float:
    """The examination's loss of an architecture trained from scratch; NaN where training diverges.

    With a folder the result is kept there, as is a training that is stopped. Weights start from the recipe's seed.
    """
    done = out / "standalone.json" if out is not None else None
    facts = {**examination.facts, "recipe": recipe.to_dict(), "weights": None}
    if done is not None and done.is_file():
        found = read_json(done)
        if found["facts"] != facts:
            raise UsageError(f"{done} is of another recipe or other text; give another --out")
        return float("nan") if found["loss"] is None else float(found["loss"])
    trainer = Trainer(models.build(arch, examination.device, seed=recipe.seed), text, recipe, out)
    trainer.run(report=report)
    loss = float("nan") if trainer.diverged else examination.loss_of(trainer.model)
    if done is not None:
        write_json(done, {"facts": facts, "loss": None if np.isnan(loss) else loss})
    return loss


def compare(inherited: Sequence[float], alone: Sequence[float], seed: int = 0) -> dict[str, Any]:
    """Spearman's and Kendall's correlation of two lists of losses over the same architectures, and how many there are.

    Architectures without a finite loss in both are left out. Raises `UsageError` where fewer than three are left.

    >>> compare([3.0, 2.0, 1.0, 0.5], [3.1, 2.2, 1.5, 1.4])["spearman"].value
    1.0
    """
    both = [(a, b) for a, b in zip(inherited, alone, strict=True) if np.isfinite(a) and np.isfinite(b)]
    if len(both) < 3:
        raise UsageError(f"{len(both)} architectures have a loss on both sides; a ranking needs at least 3")
    first, second = [a for a, _ in both], [b for _, b in both]
    return {
        "n": len(both),
        "spearman": Agreement.of(spearman, first, second, seed),
        "kendall": Agreement.of(kendall, first, second, seed),
    }

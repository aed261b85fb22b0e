"""Recipes: how long, how fast and on how much text a network is trained, as frozen plain data.

Schedules: linear warm-up, then cosine (Loshchilov and Hutter 2017, arXiv 1608.03983), the inverse square root of the
step (Vaswani et al. 2017, arXiv 1706.03762; with which every step's network can be compared, since none is annealed) or
constant.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from tradewind.core import UsageError, unknown

SCHEDULES = ("cosine", "rsqrt", "constant")
OPTIMIZERS = ("adamw", "lamb", "adafactor")
PRECISIONS = ("float32", "bfloat16", "float16")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to train.

    A step sees `batch_size` windows of `length` tokens, in `accumulation` parts one after the other (which changes
    memory, not results). `learning_rate` is reached after `warmup` steps (a tenth of all if None) and falls by
    `schedule`, with ``cosine`` to the share `final`. Gradients are clipped to the norm `clip` (0: not). `weight_decay`
    acts on matrices, not on biases and norms. `dropout` is what the model's dropout layers are set to. `precision` is
    that of autocast; weights stay as they are. Training stops where the loss is not finite, or where the mean of ten
    steps lies `divergence` nats above the least such mean before (0: never). `seed` draws batches and dropout.

    >>> recipe = Recipe(steps=100, batch_size=4, length=32, learning_rate=1e-2)
    >>> recipe.warmup, recipe.tokens, recipe.rate(0), recipe.rate(9), round(recipe.rate(99), 5)
    (10, 12800, 0.001, 0.01, 0.001)
    """

    steps: int = 1000
    batch_size: int = 16
    length: int = 128
    accumulation: int = 1
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warmup: int | None = None
    final: float = 0.1
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    clip: float = 1.0
    dropout: float = 0.0
    precision: str = "float32"
    divergence: float = 3.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (("schedule", SCHEDULES), ("optimizer", OPTIMIZERS), ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise unknown(name, getattr(self, name), allowed)
        if self.warmup is None:
            object.__setattr__(self, "warmup", self.steps // 10)
        object.__setattr__(self, "betas", tuple(self.betas))
        for name in ("steps", "batch_size", "length", "accumulation"):
            _check_whole(name, getattr(self, name), 1)
        _check_whole("warmup", self.warmup, 0)
        _check_whole("seed", self.seed, 0)
        if self.batch_size % self.accumulation:
            raise UsageError(
                f"a batch of {self.batch_size} cannot be cut into {self.accumulation} equal parts; use an accumulation "
                "that divides it"
            )
        for name, above, most in (
            ("learning_rate", True, math.inf),
            ("eps", True, 1.0),
            ("final", False, 1.0),
            ("weight_decay", False, math.inf),
            ("clip", False, math.inf),
            ("divergence", False, math.inf),
        ):
            value = getattr(self, name)
            if not (value > 0 if above else value >= 0) or not value <= most or value == math.inf:
                least = "above" if above else "at least"
                raise UsageError(f"{name} is {value}; it must be {least} 0{'' if most == math.inf else ', at most 1'}")
        if not all(0 <= value < 1 for value in (*self.betas, self.dropout)) or len(self.betas) != 2:
            raise UsageError(
                f"betas are {self.betas} and dropout is {self.dropout}; two betas and a dropout from 0 up to, not "
                "including, 1 are allowed"
            )

    @property
    def tokens(self) -> int:
        """Tokens seen in all steps together."""
        return self.steps * self.batch_size * self.length

    def rate(self, step: int) -> float:
        """The learning rate of a step, which counts from 0."""
        warmup = self.warmup or 0
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup
        if self.schedule == "rsqrt":
            return self.learning_rate * math.sqrt(max(warmup, 1) / (step + 1))
        if self.schedule == "constant":
            return self.learning_rate
        progress = min(1.0, (step + 1 - warmup) / max(1, self.steps - warmup))
        return self.learning_rate * (self.final + (1 - self.final) * (1 + math.cos(math.pi * progress)) / 2)

    def replace(self, **changes: Any) -> Recipe:
        """A copy with other values; raises `UsageError` for a name that is none.

        A `warmup` that followed from the number of steps stays as it is where only `steps` is given.
        """
        return from_dict({**self.to_dict(), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the inverse of `from_dict`."""
        return {**dataclasses.asdict(self), "betas": list(self.betas)}


def from_dict(data: Mapping[str, Any]) -> Recipe:
    """The recipe of plain data; raises `UsageError` for an unknown name or a value that is not allowed."""
    fields = {field.name: field for field in dataclasses.fields(Recipe)}
    for name in data:
        if name not in fields:
            raise unknown("setting of a recipe", name, fields)
    try:
        return Recipe(**data)
    except TypeError as error:
        raise UsageError(f"not a recipe: {error}; settings are numbers, or words such as schedule=rsqrt") from error


PRESETS: dict[str, dict[str, Any]] = {
    # Javaheripi et al. 2022, arXiv 2203.02094, released configurations.
    "lts-wikitext103": {
        "steps": 40_000, "batch_size": 256, "length": 192, "optimizer": "lamb", "learning_rate": 0.01, "warmup": 1000,
        "final": 0.1, "weight_decay": 0.0, "betas": (0.9, 0.999), "clip": 0.25, "dropout": 0.1,
    },
    "lts-lm1b": {
        "steps": 100_000, "batch_size": 224, "length": 32, "learning_rate": 2.5e-4, "warmup": 20_000, "final": 0.0,
        "weight_decay": 0.0, "betas": (0.9, 0.999), "clip": 0.25,
    },
    # The same project's later text-generation task.
    "lts-text": {
        "steps": 30_000, "batch_size": 64, "length": 1024, "learning_rate": 6e-4, "warmup": 150, "final": 0.0,
    },
    # Sukthanker et al. 2024, arXiv 2405.10299, released configuration of the supernet.
    "hwgpt": {
        "steps": 800_000, "batch_size": 8, "length": 1024, "learning_rate": 3.16e-4, "warmup": 4000, "eps": 1e-9,
        "precision": "bfloat16",
    },
    # So et al. 2021, arXiv 2109.08668, the proxy task on LM1B: 4,096 tokens a batch, no regularisation; a reference
    # gives no number of steps, which is for the caller.
    "primer": {
        "batch_size": 64, "length": 64, "optimizer": "adafactor", "learning_rate": 0.01, "schedule": "rsqrt",
        "warmup": 10_000, "weight_decay": 0.0, "clip": 0.0,
    },
}  # fmt: skip
"""What published systems trained with, by name."""


def preset(name: str, **changes: Any) -> Recipe:
    """The recipe of a published system, with changes; ``default`` is `Recipe` as it stands. Raises `UsageError`.

    >>> preset("lts-wikitext103", steps=200, warmup=20).learning_rate
    0.01
    """
    if name != "default" and name not in PRESETS:
        raise unknown("recipe", name, ("default", *PRESETS))
    return from_dict({**PRESETS.get(name, {}), **changes})


def _check_whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"{name} is {value!r}; it must be a whole number of at least {least}")

"""What a speed-up experiment trains, as frozen plain data: blocks, sizes, seeds, learning rates, one recipe for all.

Source: So et al. 2021 (Primer), arXiv 2109.08668, section 4 and appendix A.4. All arms of a seed see the same batches
in the same order and share the starting values of the weights that they have in common. The learning rate is tuned for
the baseline and falls by the inverse square root of the step or not at all: with a cooldown only the last network of
a run is annealed, and a factor read off the middle of a curve leans to 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from tradewind.core import GPT2, UsageError, unknown
from tradewind.core.blocks import BLOCKS

INSERTIONS = ("squared-relu", "mdha", "shared-qk", "post-norm")
"""Vanilla with one part of Primer."""

ABLATIONS = tuple(f"primer-without-{part}" for part in INSERTIONS)
"""Primer without one part."""

MATRICES = {"insertion": ("vanilla", INSERTIONS), "ablation": ("primer", ABLATIONS)}
"""Baseline and variants of the paper's two tables of parts."""

SCHEDULES = ("rsqrt", "constant")


@dataclasses.dataclass(frozen=True)
class Size:
    """Width and depth of the networks compared; heads are 32 wide where they can be, inner sizes four times d_model.

    >>> Size.parse("128x4").arch("transformer++", vocab_size=256, context=128).d_inner
    (344, 344, 344, 344)
    """

    d_model: int
    n_layer: int

    def __str__(self) -> str:
        return f"{self.d_model}x{self.n_layer}"

    @staticmethod
    def parse(text: str) -> Size:
        """The size written ``d_model x n_layer``, e.g. ``128x4``; raises `UsageError`."""
        width, _, depth = text.strip().partition("x")
        if not (width.isdigit() and depth.isdigit() and int(width) >= 8 and int(depth) >= 1 and not int(width) % 8):
            raise UsageError(
                f"{text!r} is no size; write width x layers with a width that is a multiple of 8, e.g. 128x4"
            )
        return Size(int(width), int(depth))

    def arch(self, block: str, vocab_size: int, context: int) -> GPT2:
        """The network; a gated feed-forward has 2/3 of the inner size, to the nearest 8, so as to have the weights."""
        inner = 4 * self.d_model
        if BLOCKS[block].gated:
            inner = max(8, round(inner * 2 / 3 / 8) * 8)
        layers = self.n_layer
        return GPT2(
            d_model=self.d_model,
            n_head=(max(1, self.d_model // 32) if self.d_model % 32 == 0 else 2,) * layers,
            d_inner=(inner,) * layers,
            vocab_size=vocab_size,
            context=context,
            block=(block,) * layers,
        )


@dataclasses.dataclass(frozen=True)
class Task:
    """One training run."""

    size: Size
    block: str
    seed: int
    learning_rate: float

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return f"{self.size}-{self.block}-seed{self.seed}-rate{self.learning_rate:g}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """Blocks `variants` against `baseline`, each with `seeds` seeds at each size.

    Runs take `steps` steps of `batch_size` windows of `length` tokens and are scored every `evaluate_every` steps on
    `batches` fixed validation batches. The learning rate is the one of `rates` with the baseline's lowest final loss
    (first seed), and is used for all.

    >>> experiment = Experiment(variants=("primer-ez",), seeds=2)
    >>> [task.name for task in experiment.tasks(lambda size: 3e-3)][:2]
    ['128x4-vanilla-seed0-rate0.003', '128x4-primer-ez-seed0-rate0.003']
    """

    baseline: str = "vanilla"
    variants: tuple[str, ...] = ("squared-relu", "mdha", "primer-ez", "transformer++")
    sizes: tuple[Size, ...] = (Size(128, 4),)
    seeds: int = 3
    seed: int = 0
    data: str = "stdlib"
    tokenizer: str = "bytes"
    steps: int = 1000
    batch_size: int = 8
    length: int = 128
    rates: tuple[float, ...] = (1e-3, 3e-3, 6e-3)
    schedule: str = "rsqrt"
    warmup: int = 100
    evaluate_every: int = 20
    batches: int = 16

    def __post_init__(self) -> None:
        for block in (self.baseline, *self.variants):
            if block not in BLOCKS:
                raise unknown("block", block, BLOCKS)
        if self.schedule not in SCHEDULES:
            raise UsageError(
                f"schedule is {self.schedule!r}; a speed-up is read off whole curves, which a cooldown bends: use "
                f"{' or '.join(SCHEDULES)}"
            )
        if not self.variants or self.baseline in self.variants or len(set(self.variants)) < len(self.variants):
            raise UsageError(
                f"variants are {', '.join(self.variants) or 'none'}; give each once, at least one, without the "
                f"baseline {self.baseline}"
            )
        if self.seeds < 1 or not self.rates or not self.sizes:
            raise UsageError("a speed-up needs at least one seed, one learning rate and one size")
        if not 0 < 3 * self.evaluate_every <= self.steps:
            raise UsageError(
                f"scoring every {self.evaluate_every} of {self.steps} steps gives too short a curve; score at least "
                "three times"
            )

    @property
    def blocks(self) -> tuple[str, ...]:
        """The baseline, then the variants."""
        return (self.baseline, *self.variants)

    def tuning(self, size: Size) -> list[Task]:
        """The baseline's runs among which the learning rate of a size is chosen; none where there is one rate."""
        return [Task(size, self.baseline, self.seed, rate) for rate in self.rates] if len(self.rates) > 1 else []

    def tasks(self, rate_of: Any) -> Iterator[Task]:
        """The runs compared, seed by seed; ``rate_of(size)`` is the learning rate of a size."""
        for size in self.sizes:
            for seed in range(self.seed, self.seed + self.seeds):
                for block in self.blocks:
                    yield Task(size, block, seed, rate_of(size))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the inverse of `from_dict`."""
        plain = {key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(self).items()}
        return plain | {"sizes": [str(size) for size in self.sizes]}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Experiment:
        """The experiment of plain data."""
        tuples = {key: tuple(value) for key, value in data.items() if isinstance(value, list)}
        return Experiment(**{**data, **tuples, "sizes": tuple(Size.parse(text) for text in data["sizes"])})

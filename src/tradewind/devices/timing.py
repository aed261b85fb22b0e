"""The one timer: a fixed warm-up, then repetitions until the median is known well enough or time is up.

How well the median is known is the half-width of its notch, 1.57 · IQR / √n (McGill, Tukey & Larsen 1978, The American
Statistician 32(1), section 7), relative to the median: about a 90 % interval, which unlike the spread
itself shrinks as samples are added. Calls too short for the clock are timed in blocks. Nothing is subtracted and no
sample is dropped.

`torch.utils.benchmark` is not used: it has no fixed warm-up, no cap on repeats and no clock that a test can replace,
it stops on the spread of the samples rather than on what is known of the median, and it would add only the loop itself.
"""

from __future__ import annotations

import dataclasses
import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence

from tradewind.core import UsageError

Clock = Callable[[], int]
"""Monotonic nanoseconds."""

LEAST_CPU_SHARE = 0.95
"""Processor time over wall time below which others had the processor of our one thread: the number is not stable."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """How long to time one quantity of one candidate.

    After `warm_up` untimed calls, samples are taken until there are at least `min_repeats` and either the relative
    half-width of the median is at most `target_spread` or `max_seconds` are spent, but no more than `max_repeats`.
    A sample is one call, or a block of calls that takes at least `block_seconds`.

    >>> Timing(min_repeats=3).max_repeats
    100
    """

    warm_up: int = 1
    min_repeats: int = 5
    max_repeats: int = 100
    target_spread: float = 0.01
    max_seconds: float = 1.0
    block_seconds: float = 0.005

    def __post_init__(self) -> None:
        for name in ("warm_up", "min_repeats"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.max_repeats < self.min_repeats:
            raise UsageError(f"max_repeats {self.max_repeats} is below min_repeats {self.min_repeats}; raise it")
        for name in ("target_spread", "max_seconds", "block_seconds"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be a number of at least 0")

    def to_dict(self) -> dict[str, float]:
        """Plain data; ``Timing(**data)`` is the inverse."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Samples:
    """Seconds a call, one number a sample in the order taken; `block` calls made one sample.

    `stable` says that the median is known as well as was asked for.

    >>> samples = Samples((1.0, 1.2, 1.1), block=1, stable=True)
    >>> samples.median, round(samples.iqr, 3)
    (1.1, 0.1)
    """

    seconds: tuple[float, ...]
    block: int
    stable: bool

    @property
    def median(self) -> float:
        """The middle sample."""
        return statistics.median(self.seconds)

    @property
    def iqr(self) -> float:
        """Inter-quartile range."""
        return iqr(self.seconds)

    @property
    def half_width(self) -> float:
        """Half-width of the median's notch relative to the median."""
        return relative_half_width(self.seconds)


def time_calls(
    call: Callable[[], object],
    timing: Timing,
    *,
    synchronise: Callable[[], object] = lambda: None,
    clock: Clock = time.perf_counter_ns,
) -> Samples:
    """Time repeated calls of `call`; `synchronise` waits for an accelerator and runs before every reading of the clock.

    Garbage collection is off meanwhile, as in `timeit`.
    """

    def timed(calls: int) -> int:
        synchronise()
        start = clock()
        for _ in range(calls):
            call()
        synchronise()
        return clock() - start

    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(timing.warm_up):
            one = timed(1)
        block = max(1, math.ceil(timing.block_seconds * 1e9 / max(one, 1)))
        samples: list[float] = []
        spent = 0
        while True:
            taken = timed(block)
            samples.append(taken / block / 1e9)
            spent += taken
            if len(samples) < timing.min_repeats:
                continue
            stable = relative_half_width(samples) <= timing.target_spread
            if stable or len(samples) == timing.max_repeats or spent >= timing.max_seconds * 1e9:
                return Samples(tuple(samples), block, stable)
    finally:
        if collecting:
            gc.enable()


def iqr(samples: Sequence[float]) -> float:
    """Inter-quartile range, with linear interpolation between samples; 0 for a single one."""
    if len(samples) < 2:
        return 0.0
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return high - low


def relative_half_width(samples: Sequence[float]) -> float:
    """1.57 · IQR / √n over the median; infinite where the median is 0 or there are fewer than three samples."""
    middle = statistics.median(samples)
    if len(samples) < 3 or middle <= 0:
        return math.inf
    return 1.57 * iqr(samples) / math.sqrt(len(samples)) / middle

"""Tradewind finds language-model architectures that sail best on your hardware.

>>> import tradewind as tw
>>> arch = tw.spaces.get("gpt2").sample(seed=0)
>>> tw.costs.decoder_params(arch) > 0
True

Rooms are imported when first used; none of those that need no model imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind._lazy import lazily

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tradewind.core import Architecture as Architecture
    from tradewind.core import Constraint as Constraint
    from tradewind.core import Measurement as Measurement
    from tradewind.core import Objective as Objective
    from tradewind.pareto import Frontier as Frontier
    from tradewind.studies import Study as Study

_ROOMS = (
    "benchmarks",
    "core",
    "costs",
    "devices",
    "evaluators",
    "models",
    "pareto",
    "predictors",
    "programs",
    "proxies",
    "reports",
    "search",
    "spaces",
    "studies",
    "training",
)
_NAMES = {
    "Architecture": "tradewind.core",
    "Constraint": "tradewind.core",
    "Frontier": "tradewind.pareto",
    "Measurement": "tradewind.core",
    "Objective": "tradewind.core",
    "Study": "tradewind.studies",
    **{room: f"tradewind.{room}" for room in _ROOMS},
}

__all__ = [  # noqa: PLE0604
    *_NAMES,
    "__version__",
]


__getattr__ = lazily(__name__, _NAMES)


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])

"""Tradewind finds language-model architectures that sail best on your hardware.

>>> import tradewind as tw
>>> arch = tw.spaces.get("gpt2").sample(seed=0)
>>> tw.costs.decoder_params(arch) > 0
True

Rooms are imported when first used; none of those that need no model imports torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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
}

__all__ = [  # noqa: PLE0604
    *_NAMES,
    *_ROOMS,
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"tradewind.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'tradewind' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS, *_NAMES])

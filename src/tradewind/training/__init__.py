"""Training and scoring language models: text as tokens, recipes, one loop for every backbone, checkpoints, evaluation.

torch is imported when the first name that needs it is used.

>>> from tradewind import training
>>> training.prepare.__name__
'prepare'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradewind.training.data import TokenData as TokenData
    from tradewind.training.data import prepare as prepare

_NAMES = {
    "TokenData": "tradewind.training.data",
    "prepare": "tradewind.training.data",
}

__all__ = [*_NAMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'tradewind.training' has no attribute {name!r}")

"""Rooms and names that are imported when first used, so that what needs no torch never loads it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazily(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__` (PEP 562): each name with the module that holds it; a module's own name is the module.

    >>> find = lazily("tradewind", {"Frontier": "tradewind.pareto"})
    >>> find("Frontier").__name__
    'Frontier'
    """

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(names[name])
        return module if names[name] == f"{package}.{name}" else getattr(module, name)

    return __getattr__

"""Algorithms of other libraries under names such as ``optuna:NSGAIISampler`` and ``pymoo:NSGA2``.

Each library has one adapter, a function from a class's name to a subclass of `AskTell`; settings are those numbers and
switches that the class's own signature offers. A library is imported when one of its names is used.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Collection
from typing import Any

from tradewind.core import UsageError, unknown
from tradewind.search.base import AskTell
from tradewind.search.settings import Settings, setting

LIBRARIES = {
    "optuna": ("tradewind.search.optuna_samplers", "optuna:NSGAIISampler"),
    "pymoo": ("tradewind.search.pymoo_algorithms", "pymoo:NSGA2"),
}
"""The room's module for each library, and an example of a name; the extra to install has the library's name."""


COUNTS = ("pop_size", "n_offsprings")
"""Whole numbers that a signature need not mark as such."""


def adapted(name: str) -> type[AskTell]:
    """The algorithm of a name with a colon; raises `UsageError`, also where the library is not installed."""
    library, _, kind = name.partition(":")
    algorithm: type[AskTell] = _module(library, name).adapted(kind)
    return algorithm


def installed() -> tuple[str, ...]:
    """Every name of the libraries that are installed."""
    found: list[str] = []
    for library in LIBRARIES:
        try:
            found += [f"{library}:{kind}" for kind in _module(library, library).kinds()]
        except UsageError:
            continue
    return tuple(found)


def _module(library: str, name: str) -> Any:
    if library not in LIBRARIES:
        raise unknown("library", library, (example for _, example in LIBRARIES.values()))
    try:
        importlib.import_module(library)
    except ImportError as error:
        raise UsageError(
            f"{name} needs {library}, which is not installed; install it with: pip install 'tradewind[{library}]'"
        ) from error
    return importlib.import_module(LIBRARIES[library][0])


def settings_of(name: str, constructors: list[Callable[..., Any]], without: Collection[str]) -> type[Settings]:
    """A settings class of the numbers and switches in the signatures; a later one's default gives way to an earlier's.

    Parameters of other types, and those named in `without`, are left at the library's own defaults.
    """
    fields: dict[str, tuple[str, type, Any]] = {}
    for constructor in constructors:
        for parameter in inspect.signature(constructor).parameters.values():
            kind = _kind(parameter)
            if kind and parameter.name not in (*without, *fields):
                field = setting(parameter.default, f"as in {constructor.__qualname__.partition('.')[0]}")
                fields[parameter.name] = (parameter.name, kind, field)  # type: ignore[assignment]
    return dataclasses.make_dataclass(f"{name}Settings", fields.values(), bases=(Settings,), frozen=True)


def given(settings: Settings) -> dict[str, Any]:
    """The settings that are not at their defaults: the rest is left to the library."""
    defaults = {field.name: field.default for field in dataclasses.fields(settings)}
    return {name: value for name, value in dataclasses.asdict(settings).items() if value != defaults[name]}


def _kind(parameter: inspect.Parameter) -> str:
    """``bool``, ``int`` or ``float``, by the default or, where that is None, by name or annotation; else nothing."""
    if parameter.default is None and parameter.name in COUNTS:
        return "int"
    if parameter.default is None:
        annotated = str(parameter.annotation).removesuffix(" | None")
        return annotated if annotated in ("bool", "int", "float") else ""
    return {bool: "bool", int: "int", float: "float"}.get(type(parameter.default), "")

"""The algorithms by name. To add one: a file with a subclass of `AskTell`, and a line here."""

from __future__ import annotations

import importlib
from typing import Any

from tradewind.core import Problem, unknown
from tradewind.search.base import AskTell

_ALGORITHMS = {
    "random": "tradewind.search.random_search:RandomSearch",
    "lts": "tradewind.search.lts:LTS",
    "nsga2": "tradewind.search.nsga2:NSGA2",
    "morea": "tradewind.search.morea:MOREA",
    "local-search": "tradewind.search.local_search:LocalSearch",
    "mo-asha": "tradewind.search.mo_asha:MOASHA",
    "aging": "tradewind.search.aging:AgingEvolution",
    "neighbourhood": "tradewind.search.neighbourhood:Neighbourhood",
    "exact": "tradewind.search.exact:Exact",
    "calibrated": "tradewind.search.calibrated:Calibrated",
    "designed": "tradewind.search.designed:Designed",
    "additive": "tradewind.search.additive:Additive",
}


def names() -> tuple[str, ...]:
    """The names that `get` knows."""
    return tuple(_ALGORITHMS)


def get(name: str) -> type[AskTell]:
    """The class of an algorithm; raises `UsageError`.

    >>> get("lts").presets["paper"]["initial"]
    100
    """
    if name not in _ALGORITHMS:
        raise unknown("algorithm", name, _ALGORITHMS)
    module, _, attribute = _ALGORITHMS[name].partition(":")
    algorithm: type[AskTell] = getattr(importlib.import_module(module), attribute)
    return algorithm


def create(name: str, problem: Problem, preset: str | None = None, **settings: Any) -> AskTell:
    """An algorithm for a problem. Settings may be text; they are laid over those of `preset`. Raises `UsageError`.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import parse_objectives
    >>> problem = Problem(spaces.get("gpt2"), parse_objectives("params"), 0, lambda c: np.ones(len(c), bool))
    >>> create("lts", problem, preset="paper", population="50").settings.parents
    10
    """
    algorithm = get(name)
    if preset is not None and preset not in algorithm.presets:
        raise unknown(f"preset of {name}", preset, algorithm.presets)
    chosen = {**(algorithm.presets[preset] if preset else {}), **settings}
    return algorithm(problem, algorithm.settings_type.read(chosen))


def describe(name: str) -> dict[str, Any]:
    """Facts about an algorithm, plain data: name, summary, settings (name, type, default, allowed, meaning), presets.

    >>> describe("random")
    {'name': 'random', 'summary': 'Feasible samples of the space, none twice.', 'settings': [], 'presets': {}}
    """
    algorithm = get(name)
    return {
        "name": name,
        "summary": (algorithm.__doc__ or "").strip().splitlines()[0],
        "settings": algorithm.settings_type.describe(),
        "presets": {preset: dict(values) for preset, values in algorithm.presets.items()},
    }

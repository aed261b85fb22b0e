"""The algorithms by name. To add one: a file with a subclass of `AskTell`, and a line here."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

from tradewind.core import Problem, UsageError, unknown
from tradewind.search import libraries
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
    "ehvi": "tradewind.search.ehvi:EHVI",
    "lsbo": "tradewind.search.scalarised:LSBO",
    "rsbo": "tradewind.search.scalarised:RSBO",
}


def names() -> tuple[str, ...]:
    """The names of our own algorithms; `libraries.installed` adds those of others."""
    return tuple(_ALGORITHMS)


def split(text: str) -> tuple[str, dict[str, str]]:
    """A name and the settings that may stand behind it in brackets; raises `UsageError`.

    >>> split("optuna:TPESampler(multivariate=true, n_startup_trials=20)")
    ('optuna:TPESampler', {'multivariate': 'true', 'n_startup_trials': '20'})
    """
    name, bracket, inside = text.strip().partition("(")
    if bracket and not inside.endswith(")"):
        raise UsageError(f"{text!r} lacks its closing bracket; write for example nsga2(population=50)")
    settings = {}
    for part in filter(None, (part.strip() for part in inside.removesuffix(")").split(","))):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not (key and equals and value):
            raise UsageError(f"{part!r} in {text!r} is not name=value; write for example nsga2(population=50)")
        settings[key] = value
    return name.strip(), settings


def get(name: str) -> type[AskTell]:
    """The class of an algorithm, whatever settings stand behind its name; raises `UsageError`.

    >>> get("lts").presets["paper"]["initial"]
    100
    """
    name, _ = split(name)
    if ":" in name:
        return libraries.adapted(name)
    if name not in _ALGORITHMS:
        raise unknown("algorithm", name, (*_ALGORITHMS, *(example for _, example in libraries.LIBRARIES.values())))
    module, _, attribute = _ALGORITHMS[name].partition(":")
    algorithm: type[AskTell] = getattr(importlib.import_module(module), attribute)
    return algorithm


def default(problem: Problem) -> str:
    """The algorithm that is used where none is named.

    `calibrated` where it can search the problem: it needs the fewest measurements. `mo-asha` where the evaluator can
    report before it is done; else `local-search`, the best of those that need to know nothing (results/, comparison).

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import parse_objectives
    >>> default(Problem(spaces.get("gpt2"), parse_objectives("latency_ms@cpu"), 0, lambda c: np.ones(len(c), bool)))
    'calibrated'
    """
    if len(problem.fidelities):
        return "mo-asha"
    if hasattr(problem.space, "layer_options"):
        with contextlib.suppress(UsageError):
            get("calibrated")(problem)
            return "calibrated"
    return "local-search"


def create(name: str, problem: Problem, preset: str | None = None, **settings: Any) -> AskTell:
    """An algorithm for a problem. Raises `UsageError`.

    Settings may be text; they are laid over those in brackets behind the name, and these over those of `preset`.

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
    chosen = {**(algorithm.presets[preset] if preset else {}), **split(name)[1], **settings}
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

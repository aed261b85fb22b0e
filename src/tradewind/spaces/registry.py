"""The spaces by name, and from plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from tradewind.core import FileFormatError, UsageError, unknown
from tradewind.spaces import hwgpt
from tradewind.spaces.baselines import Baseline
from tradewind.spaces.dimension import Dimension, Rule
from tradewind.spaces.gpt2 import gpt2
from tradewind.spaces.space import ArchitectureSpace
from tradewind.spaces.transformer_xl import transformer_xl

_SPACES: dict[str, Callable[[], ArchitectureSpace]] = {
    "gpt2": gpt2,
    "transformer-xl": transformer_xl,
    **hwgpt.SPACES,
}


def names() -> tuple[str, ...]:
    """The names that `get` knows."""
    return tuple(_SPACES)


def get(name: str, **choices: Any) -> ArchitectureSpace:
    """A space by name, narrowed to `choices` (see `ArchitectureSpace.narrow`); raises `UsageError`.

    >>> get("hwgpt-s").size()
    1903784282946
    >>> get("gpt2", n_layer=2, d_model=[128], d_inner="256..384", n_head=2).size()
    9
    """
    if name not in _SPACES:
        raise unknown("space", name, _SPACES)
    space = _registered(name)
    return space.narrow(**choices) if choices else space


@cache
def _registered(name: str) -> ArchitectureSpace:
    """One instance of a registered space, which keeps its tables."""
    return _SPACES[name]()


def describe(space: str | ArchitectureSpace) -> dict[str, Any]:
    """Facts for a table of spaces, plain data.

    Keys: name, family, summary (one line), dimensions (name, choices, per_layer), rules (text), constants, exact size,
    and what `narrow` may open (name: choices of each layer, the one that all members have first).

    >>> describe("hwgpt-s")["dimensions"][3]
    {'name': 'n_head', 'choices': [4, 8, 12], 'per_layer': True}
    """
    space = get(space) if isinstance(space, str) else space
    data = space.to_dict()
    return {
        "name": space.name,
        "family": space.family,
        "summary": space.description,
        "dimensions": data["dimensions"],
        "rules": [str(rule) for rule in space.rules],
        "constants": data["constants"],
        "size": space.size(),
        "unopened": {name: list(choices) for name, choices in space.unopened.items()},
    }


def from_dict(data: Mapping[str, Any]) -> ArchitectureSpace:
    """The space of a dictionary written by `to_dict`, or of one's own.

    Needed are `name`, `family` and `dimensions`; `constants`, `rules`, `baseline` and `description` may be missing.
    Raises `FileFormatError` for an unknown or missing key, `UsageError` for what makes no space.

    >>> space = from_dict({
    ...     "name": "small", "family": "gpt2", "dimensions": [
    ...         {"name": "n_layer", "choices": [1, 2]},
    ...         {"name": "d_model", "choices": [64, 96]},
    ...         {"name": "n_head", "choices": [2, 3], "per_layer": True},
    ...         {"name": "d_inner", "choices": [128, 256], "per_layer": False},
    ...     ]})
    >>> space.size(), space == from_dict(space.to_dict())
    (16, True)
    """
    fields = {f.name for f in dataclasses.fields(ArchitectureSpace)} - {"fixed"} | {"constants"}
    for key in data:
        if key not in fields:
            raise FileFormatError(str(unknown("key of a space", key, sorted(fields))))
    for key in ("name", "family", "dimensions"):
        if key not in data:
            raise FileFormatError(f"a space needs the key {key!r}")
    baseline = data.get("baseline")
    try:
        return ArchitectureSpace(
            name=str(data["name"]),
            family=data["family"],
            dimensions=tuple(Dimension(**d) for d in data["dimensions"]),
            fixed=tuple(data.get("constants", {}).items()),
            rules=tuple(Rule(**r) for r in data.get("rules", ())),
            baseline=Baseline(tuple(baseline["values"].items()), baseline["least_width"]) if baseline else None,
            description=str(data.get("description", "")),
        )
    except UsageError:
        raise
    except (TypeError, KeyError, AttributeError) as error:
        raise FileFormatError(f"not a space: {error}; see the dictionaries that to_dict writes") from error

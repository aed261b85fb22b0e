"""The parts a space is made of: named dimensions with their choices, and rules between them. Plain, frozen data."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

import numpy as np

from tradewind.core import UsageError, unknown

Choice: TypeAlias = int | bool | str
"""One value of a dimension."""

DEPTH = "n_layer"
"""The dimension that every space has: the number of layers."""


@dataclasses.dataclass(frozen=True)
class Dimension:
    """A named dimension: one choice a layer, or one for the whole architecture.

    Numbers are kept in rising order, text in the order given. A dimension that is not `per_layer` over a field that
    has one entry a layer is *shared*: every layer takes the same choice.

    >>> str(Dimension("d_model", (192, 128, 320, 256)))
    'd_model 128..320 step 64'
    """

    name: str
    choices: tuple[Choice, ...]
    per_layer: bool = False

    def __post_init__(self) -> None:
        choices = tuple(self.choices)
        if not choices:
            raise UsageError(f"the dimension {self.name} has no choice; give at least one")
        if len({type(c) for c in choices}) > 1:
            raise UsageError(f"the choices of {self.name} are of unlike types: {list(choices)}")
        if len(set(choices)) < len(choices):
            raise UsageError(f"a choice of {self.name} stands twice in {list(choices)}; give each once")
        object.__setattr__(self, "choices", choices if isinstance(choices[0], str) else tuple(sorted(choices)))

    def __str__(self) -> str:
        return f"{self.name} {summary(self.choices)}{' per layer' if self.per_layer else ''}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the inverse of `Dimension(**data)`."""
        return {"name": self.name, "choices": list(self.choices), "per_layer": self.per_layer}


def _exceeds(gene: np.ndarray, of: np.ndarray, factor: tuple[int, int]) -> np.ndarray:
    return np.asarray(factor[1] * gene > factor[0] * of)


def _divides(gene: np.ndarray, of: np.ndarray, factor: tuple[int, int]) -> np.ndarray:
    return np.asarray(of % gene == 0)


_RELATIONS = {"exceeds": _exceeds, "divides": _divides}


@dataclasses.dataclass(frozen=True)
class Rule:
    """A condition between two dimensions, in exact integers.

    `exceeds`: factor[1] · gene > factor[0] · of; `divides`: gene divides `of`.

    >>> print(Rule("d_inner", "exceeds", "d_model", (17, 10)))
    d_inner > 1.7 x d_model
    """

    gene: str
    relation: str
    of: str
    factor: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", tuple(self.factor))
        if self.relation not in _RELATIONS:
            raise unknown("relation", self.relation, _RELATIONS)

    def holds(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Where the condition holds, for arrays of the two dimensions' values that broadcast together."""
        return _RELATIONS[self.relation](values[self.gene], values[self.of], self.factor)

    def __str__(self) -> str:
        if self.relation == "divides":
            return f"{self.gene} divides {self.of}"
        return f"{self.gene} > {self.factor[0] / self.factor[1]:g} x {self.of}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the inverse of `Rule(**data)`."""
        return {**dataclasses.asdict(self), "factor": list(self.factor)}


def summary(choices: Sequence[Choice]) -> str:
    """Choices in few words: an evenly spaced run as a range where that is shorter.

    >>> summary((2, 3, 4)), summary((4, 8, 12)), summary((64, 128, 192, 256)), summary((False, True))
    ('2..4', '4,8,12', '64..256 step 64', 'false,true')
    """
    if len(choices) >= 3 and all(type(c) is int for c in choices):
        steps = {int(b) - int(a) for a, b in itertools.pairwise(choices)}
        step = steps.pop()
        if not steps and (step == 1 or len(choices) > 3):
            return f"{choices[0]}..{choices[-1]}" + (f" step {step}" if step != 1 else "")
    return ",".join(str(c).lower() if isinstance(c, bool) else str(c) for c in choices)


def nearest(value: Any, choices: Iterable[Choice]) -> str:
    """The choice nearest to a value, as text; the smaller of two as near.

    >>> nearest(1000, (128, 960)), nearest("profild", ("profiled", "intended"))
    ('960', 'profiled')
    """
    options = list(choices)
    if isinstance(value, (int, float)) and not isinstance(options[0], str):
        return summary([min(options, key=lambda c: (abs(int(c) - value), int(c)))])
    close = get_close_matches(str(value), [str(c) for c in options], n=1, cutoff=0.0)
    return close[0] if close else summary(options[:1])

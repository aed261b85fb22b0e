"""Narrowing of a dimension: what a user writes after ``--set`` or hands to `narrow`, turned into choices.

Written forms: one value ``256``; several ``128,256``; a range ``2..6`` (the space's own choices within it); a range
with a step ``128..1024:64`` (exactly these values).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any

from tradewind.core import UsageError
from tradewind.spaces.dimension import Choice, Dimension, nearest, summary

MOST_CHOICES = 10_000
"""A dimension with more choices than this is a slip of the pen."""

_WORDS: dict[str, Choice] = {"true": True, "false": False, "on": True, "off": False}


@dataclasses.dataclass(frozen=True)
class Range:
    """All whole numbers from `low` to `high`, both included; without `step`, those that a space has between them."""

    low: int
    high: int
    step: int | None = None

    def values(self) -> tuple[int, ...]:
        """The numbers of a range with a step."""
        numbers = range(self.low, self.high + 1, self.step or 1)
        if len(numbers) > MOST_CHOICES:
            raise UsageError(f"the range {self} has {len(numbers):,} values; at most {MOST_CHOICES:,} are taken")
        return tuple(numbers)

    def __str__(self) -> str:
        return f"{self.low}..{self.high}" + (f":{self.step}" if self.step else "")


def parse_choices(texts: Iterable[str]) -> dict[str, Range | tuple[Choice, ...]]:
    """The settings ``name=choices`` of a command line, ready for ``narrow(**choices)``; raises `UsageError`.

    >>> parse_choices(["n_layer=2..6", "d_model=128,256", "bias=on"])
    {'n_layer': Range(low=2, high=6, step=None), 'd_model': (128, 256), 'bias': (True,)}
    """
    result: dict[str, Range | tuple[Choice, ...]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not (name and equals and value.strip()):
            raise UsageError(f"{text!r} is no choice; write name=values, e.g. n_layer=2..6 or d_model=128,256")
        if name in result:
            raise UsageError(f"{name} is set twice; give all its values at once, e.g. {name}=128,256")
        result[name] = parse_values(value)
    return result


def parse_values(text: str) -> Range | tuple[Choice, ...]:
    """The values written in one of the forms above; raises `UsageError`.

    >>> parse_values("128..256:64").values()
    (128, 192, 256)
    """
    match = re.fullmatch(r"\s*(-?\d+)\s*\.\.\s*(-?\d+)\s*(?::\s*(-?\d+)\s*)?", text)
    if match:
        low, high, step = int(match[1]), int(match[2]), int(match[3]) if match[3] else None
        if low > high:
            raise UsageError(f"the range {text.strip()!r} runs backwards; write {high}..{low}")
        if step is not None and step < 1:
            raise UsageError(f"the step of {text.strip()!r} must be at least 1")
        return Range(low, high, step)
    if ".." in text:
        raise UsageError(f"{text.strip()!r} is no range; write 2..6, or 128..1024:64 with a step")
    return tuple(_value(part.strip()) for part in text.split(","))


def _value(text: str) -> Choice:
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if not text:
        raise UsageError("an empty value; write values as 128,256")
    return _WORDS.get(text.lower(), text)


def given_values(given: Any) -> Range | tuple[Any, ...]:
    """What a caller hands to `narrow`: a Range, a text in the forms above, a value, or several values."""
    if isinstance(given, Range):
        return given
    if isinstance(given, str):
        return parse_values(given)
    if isinstance(given, Iterable):
        return tuple(given)
    return (given,)


def cast(name: str, value: Any, kind: str) -> Choice:
    """A value as the type of its field: 0 and 1 are accepted for false and true, numpy scalars for Python's."""
    if hasattr(value, "item"):
        value = value.item()
    if kind == "bool" and value in (0, 1):
        return bool(value)
    expected = {"int": int, "bool": bool, "str": str}[kind]
    if (
        not isinstance(value, (int, bool, str))
        or not isinstance(value, expected)
        or (kind == "int" and isinstance(value, bool))
    ):
        words = {"int": "whole numbers", "bool": "true or false", "str": "text"}[kind]
        raise UsageError(f"{name} takes {words}; got {value!r}")
    return value


def select(space_name: str, dimension: Dimension, given: Any, kind: str) -> Dimension:
    """The dimension with only the given choices; raises `UsageError` with the nearest allowed value."""
    name, allowed = dimension.name, dimension.choices
    asked = given_values(given)
    if isinstance(asked, Range) and asked.step is None:
        kept = tuple(c for c in allowed if not isinstance(c, str) and asked.low <= c <= asked.high)
        if not kept:
            ends = sorted({nearest(asked.low, allowed), nearest(asked.high, allowed)}, key=len)
            raise UsageError(
                f"{space_name}: no choice of {name} lies in {asked}; allowed {summary(allowed)}; "
                f"nearest {' or '.join(ends)}"
            )
        return dataclasses.replace(dimension, choices=kept)
    values = asked.values() if isinstance(asked, Range) else asked
    return dataclasses.replace(dimension, choices=_inside(space_name, name, values, allowed, kind))


def _inside(space: str, name: str, values: Sequence[Any], allowed: Sequence[Choice], kind: str) -> tuple[Choice, ...]:
    if not values:
        raise UsageError(f"{space}: no value given for {name}; allowed {summary(allowed)}")
    chosen = tuple(dict.fromkeys(cast(name, value, kind) for value in values))
    for value in chosen:
        if value not in allowed:
            raise UsageError(
                f"{space}: {name} cannot be {value!r}; allowed {summary(allowed)}; nearest {nearest(value, allowed)}"
            )
    return chosen

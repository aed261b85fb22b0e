"""Settings of an algorithm: a frozen dataclass beside its class, checked, and readable from a command line's text."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from tradewind.core import UsageError, unknown

_WORDS = {"true": True, "false": False, "on": True, "off": False, "1": True, "0": False}


def setting(default: float | bool | None, meaning: str, low: float | None = None, high: float | None = None) -> Any:
    """A field of a settings class: its default, what it means, and the smallest and largest value allowed.

    A default of None stands for what the algorithm then chooses itself.
    """
    return dataclasses.field(default=default, metadata={"meaning": meaning, "low": low, "high": high})


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base of all settings; without fields it is the settings of an algorithm that has none.

    >>> Settings.read({})
    Settings()
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _typed(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
            low, high = field.metadata["low"], field.metadata["high"]
            if value is None:
                continue
            if (low is not None and value < low) or (high is not None and value > high):
                raise UsageError(f"the setting {field.name} is {value}; it must be {_bounds(low, high)}")

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Settings from names and values, which may be text; raises `UsageError` for an unknown name or bad value."""
        names = [field.name for field in dataclasses.fields(cls)]
        for name in given:
            if name not in names:
                raise (
                    unknown("setting", name, names)
                    if names
                    else UsageError(f"there is no setting {name!r}: this algorithm has none")
                )
        return cls(**given)

    @classmethod
    def describe(cls) -> list[dict[str, Any]]:
        """One row a setting: name, type, default, allowed range, meaning."""
        return [
            {
                "name": field.name,
                "type": str(field.type),
                "default": field.default,
                "allowed": _bounds(field.metadata["low"], field.metadata["high"]),
                "meaning": field.metadata["meaning"],
            }
            for field in dataclasses.fields(cls)
        ]


def _typed(field: dataclasses.Field[Any], value: Any) -> Any:
    if value is None and field.default is None:
        return None
    kind, text = str(field.type), isinstance(value, str)
    try:
        if kind == "bool" and (isinstance(value, bool) or text):
            return value if isinstance(value, bool) else _WORDS[value.lower()]
        if kind == "int" and not isinstance(value, bool) and (text or value == int(value)):
            return int(value)
        if kind == "float" and not isinstance(value, bool):
            number = float(value)
            if number == number:
                return number
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    wanted = {"bool": "true or false", "int": "a whole number", "float": "a number"}[kind]
    raise UsageError(f"the setting {field.name} takes {wanted}; got {value!r}")


def _bounds(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"between {low:g} and {high:g}"
    if low is not None:
        return f"at least {low:g}"
    return "any" if high is None else f"at most {high:g}"

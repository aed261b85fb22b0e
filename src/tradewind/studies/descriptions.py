"""Reads an evaluator's stored description, which may hold those of the evaluators that it joins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def parts(description: Any) -> Iterator[Mapping[str, Any]]:
    """Every dictionary inside a description, outermost first."""
    if isinstance(description, Mapping):
        yield description
        for value in description.values():
            yield from parts(value)
    elif isinstance(description, (list, tuple)):
        for value in description:
            yield from parts(value)


def doubts(description: Any) -> list[str]:
    """What its predictions are not to be relied on for, a sentence each.

    >>> doubts({"kind": "combined", "parts": [{"kind": "formula"}, {"device": "laptop", "doubts": ["measure more"]}]})
    ['laptop: measure more']
    """
    found = [(part.get("device", "prediction"), part.get("doubts", ())) for part in parts(description)]
    return [f"{device}: {doubt}" for device, told in found for doubt in told]

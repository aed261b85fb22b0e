"""Numbers of things in words."""

from __future__ import annotations


def count(number: int, what: str) -> str:
    """A number of things, e.g. ``1 architecture`` or ``1,000 architectures``.

    >>> count(1, "seed"), count(1000, "seed")
    ('1 seed', '1,000 seeds')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"

"""The terminal: consoles that print text as it is written, whatever paths, reasons and names hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console(err: bool = False) -> Console:
    """A rich console on standard output, or on standard error for progress and notes.

    Brackets and colons stay what they are: nothing is taken for markup or an emoji.
    """
    from rich.console import Console

    return Console(stderr=err, highlight=False, markup=False, emoji=False)

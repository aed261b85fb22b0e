"""Candidates of either kind from plain data: rooms above read what a study or a message holds without asking which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradewind.core import Architecture
from tradewind.programs.program import Program


def read_candidate(data: Mapping[str, Any]) -> Architecture | Program:
    """The Program of plain data whose `family` is ``program``, else the Architecture.

    Raises `InvalidProgramError` or `InvalidArchitectureError` that names the part at fault.

    >>> from tradewind.programs import transformer
    >>> read_candidate(transformer().to_dict()) == transformer()
    True
    """
    if isinstance(data, Mapping) and data.get("family") == "program":
        return Program.from_dict(data)
    return Architecture.from_dict(data)

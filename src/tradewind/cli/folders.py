"""Folders that models are written to: no other model is overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tradewind.core import UsageError


def refuse_another(out: Path, facts: dict[str, Any] | None, trains: bool = False) -> None:
    """Raise `UsageError` where a folder holds another model than the one with these facts in its header.

    One that `trains` compares the record of a training there itself.
    """
    from tradewind.training import saved
    from tradewind.training.checkpoint import ARCHITECTURE
    from tradewind.training.loop import RUN

    recorded = (out / RUN).is_file()
    if recorded and trains:
        return
    if recorded or ((out / ARCHITECTURE).is_file() and _other(saved.facts(out), facts)):
        raise UsageError(f"{out} holds another model, which would be overwritten; give another --out")


def _other(found: dict[str, Any], facts: dict[str, Any] | None) -> bool:
    return facts is None or any(found.get(name) != value for name, value in facts.items())

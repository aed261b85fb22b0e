"""Where the published measurements lie: a path that the caller gives, or one folder for all of them."""

from __future__ import annotations

import os
from pathlib import Path

from tradewind.core import UsageError

SETTING = "TRADEWIND_DATA"


def data_folder() -> Path:
    """The folder of published tables: TRADEWIND_DATA, or ``tradewind`` in the user's data folder (XDG)."""
    if os.environ.get(SETTING):
        return Path(os.environ[SETTING])
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "tradewind"


def published_file(name: str, data: str | os.PathLike[str] | None = None) -> Path:
    """The path of a published table in the folder `data`, by default in `data_folder()`; `data` may be the file itself.

    The measurements belong to their publishers and are not part of the package. Raises `UsageError` where the file is
    not there.
    """
    place = Path(data) if data is not None else data_folder()
    path = place if place.is_file() else place / name
    if not path.is_file():
        how = "" if data is not None else f" (--data DIR, or the environment variable {SETTING})"
        raise UsageError(
            f"there is no {name} in {place}; it is not part of the package: give the folder that holds your copy{how}"
        )
    return path

"""Calibrated devices by name: their files are those named with `use`, then those in the folders of TRADEWIND_DEVICES.

The environment variable holds folders as PATH does; where it is not set, ``devices/`` is looked in.
"""

from __future__ import annotations

import os
from pathlib import Path

from tradewind.core import TradewindError
from tradewind.predictors.calibration import Calibration, can_name

FOLDERS_VARIABLE = "TRADEWIND_DEVICES"

_files: dict[str, Path] = {}


def use(path: str | os.PathLike[str]) -> str:
    """Make the device of a calibration file known in this process; returns its name. Raises `FileFormatError`."""
    name = Calibration.load(path).name
    _files[name] = Path(path).absolute()
    return name


def find(name: str) -> Path | None:
    """The calibration file of a device, None where there is none, and for names that no calibrated device may have."""
    if not can_name(name):
        return None
    if name in _files:
        return _files[name]
    folders = os.environ.get(FOLDERS_VARIABLE, "devices").split(os.pathsep)
    return next((file for folder in folders if (file := Path(folder) / f"{name}.json").is_file()), None)


def known() -> list[str]:
    """Names of the calibrated devices that `find` would find, sorted."""
    folders = os.environ.get(FOLDERS_VARIABLE, "devices").split(os.pathsep)
    files = [file for folder in folders if Path(folder).is_dir() for file in Path(folder).glob("*.json")]
    return sorted({*_files, *(file.stem for file in files if can_name(file.stem))})


def family(name: str) -> str | None:
    """The family that a device was calibrated on; None where its file cannot be read."""
    file = find(name)
    try:
        return Calibration.load(file).family if file else None
    except TradewindError:
        return None

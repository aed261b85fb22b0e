"""Reports of stored studies: terminal table, JSON, PNG figures and one self-contained page. Reads, never changes."""

from __future__ import annotations

import os
from pathlib import Path

from tradewind.reports.data import ReportData
from tradewind.reports.machine import document
from tradewind.reports.stored import read
from tradewind.reports.terminal import renderables
from tradewind.reports.write import write_report

__all__ = ["ReportData", "document", "read", "renderables", "write", "write_report"]


def write(path: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> list[Path]:
    """Write the report of the study in folder `path` into `out`, by default its folder ``report/``; the paths.

    ``report.html`` (one self-contained page), ``report.json``, PNG figures, and the frontier's architectures in
    ``frontier/``. The study's own files do not change. Raises `UsageError` where there is no study, where the folder
    cannot be written, and where the ``plot`` extra is missing.
    """
    return write_report(read(path), Path(out) if out is not None else Path(path) / "report")

"""Write a report's files: the page, the JSON, the figures and the frontier's architectures, each atomically."""

from __future__ import annotations

from pathlib import Path

from tradewind.core import UsageError
from tradewind.core.files import write_json, write_text
from tradewind.reports import style
from tradewind.reports.data import ReportData
from tradewind.reports.evolution_sections import evolution_sections, is_evolution
from tradewind.reports.figures import figures
from tradewind.reports.machine import document
from tradewind.reports.page import render
from tradewind.reports.price_charts import price_figures
from tradewind.reports.sections import study_sections


def write_report(data: ReportData, folder: Path) -> list[Path]:
    """Write ``report.html``, ``report.json``, PNG figures and ``frontier/``; the paths, the page first.

    Raises `UsageError` when the folder cannot be written or the ``plot`` extra is missing.
    """
    style.require_plot_extra()
    content = document(data)
    sections = evolution_sections(data) if is_evolution(data) else study_sections(data)
    page = render(data.name, data.lead, sections, content)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [write_text(folder / "report.html", page), write_json(folder / "report.json", content)]
        drawn = figures(data) | price_figures(data)
        paths += [style.save(picture, folder / f"{name}.png") for name, picture in drawn.items()]
        return paths + data.frontier.export(folder / "frontier")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"cannot write the report into {folder} ({reason}); name another folder with --out") from error

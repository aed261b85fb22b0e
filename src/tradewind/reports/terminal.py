"""The report in a terminal: the finding, best picks, the frontier, and how much of it can be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tradewind.pareto.wording import cell, label
from tradewind.reports import evolution_sections as evolution
from tradewind.reports.comparison import comparisons, sentences
from tradewind.reports.data import ReportData
from tradewind.reports.summary import caveats, no_comparison, picks

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

ROWS = 24
"""Rows of the frontier that a terminal shows; all are in the JSON, the page and ``frontier/``."""


def renderables(data: ReportData) -> Iterator[RenderableType]:
    """What a rich console prints, in order."""
    from rich.text import Text

    yield Text.assemble((plain(data.name), "bold"), ": ", plain(data.lead))
    yield ""
    found = evolution.sentences(data) if evolution.is_evolution(data) else sentences(comparisons(data))
    for sentence in found or [no_comparison(data)]:
        yield Text(plain(sentence))
    if len(data.frontier):
        yield ""
        yield data.frontier.table(ROWS if len(data.frontier) > 1.25 * ROWS else None)
        yield _picks(data)
    for caveat in caveats(data):
        yield Text(plain(caveat))


def plain(text: str) -> str:
    """Text that the terminal does not take for a command: a run may come from someone else.

    >>> plain(f"{chr(27)}]0;title")
    '?]0;title'
    """
    return "".join(c if c.isprintable() else "?" for c in text)


def _picks(data: ReportData) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title="Best picks", title_justify="left", padding=(0, 1, 0, 0))
    table.add_column("pick")
    table.add_column("#", justify="right")
    table.add_column("id")
    for objective in data.objectives:
        table.add_column(label(objective, place=False), justify="right")
    for pick in picks(data):
        values = [cell(pick.evaluation.measurements[o.name]) for o in data.objectives]
        table.add_row(pick.reason, str(pick.rank), pick.evaluation.candidate.id[:8], *values)
    return table

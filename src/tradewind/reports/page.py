"""A self-contained HTML page of sections: plotly inlined once, data as JSON, nothing loaded from anywhere.

The content security policy forbids every load and allows two scripts by their SHA-256. Styles must be allowed inline:
plotly makes style sheets as it draws. All text is escaped where elements are made (`markup`), hover texts where they
are written (`charts`).
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tradewind.reports.charts import Chart
from tradewind.reports.markup import Markup, el, join, json_script
from tradewind.reports.style import require_plot_extra

NOTHING = Markup()
ASSETS = Path(__file__).parent / "assets"


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page: text, then charts side by side where there is room, then what belongs below them."""

    id: str
    title: str
    body: Markup = NOTHING
    charts: tuple[Chart, ...] = ()
    below: Markup = NOTHING


def render(title: str, lead: str, sections: Sequence[Section], payload: Any) -> str:
    """The whole page. `payload` is the JSON that the page offers for download."""
    require_plot_extra()
    from plotly.offline import get_plotlyjs

    library, script = get_plotlyjs(), (ASSETS / "page.js").read_text("utf-8")
    charts = [chart.to_dict() for section in sections for chart in section.charts]
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy(library, script)),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{title} - Tradewind"),
        el("style", Markup((ASSETS / "page.css").read_text("utf-8"))),
    )
    body = el(
        "body",
        el("header", el("h1", title), el("p", lead, class_="lead"), _contents(sections)),
        el("main", *(_section(section) for section in sections)),
        el("noscript", el("p", "Charts and downloads need JavaScript; everything else is on the page.")),
        json_script("report", payload),
        json_script("charts", charts),
        el("script", Markup(library)),
        el("script", Markup(script)),
    )
    return "<!DOCTYPE html>\n" + el("html", head, body, lang="en") + "\n"


def policy(*scripts: str) -> str:
    """The content security policy that lets exactly these inline scripts run."""
    allowed = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str | Markup]], numeric: Sequence[int] = ()) -> Markup:
    """A table that scrolls sideways on small screens; `numeric` columns are right-aligned."""

    def line(tag: str, cells: Sequence[str | Markup]) -> Markup:
        return el("tr", *(el(tag, c, class_="number" if i in numeric else None) for i, c in enumerate(cells)))

    body = el("tbody", *(line("td", row) for row in rows))
    return el("div", el("table", el("thead", line("th", head)), body), class_="scroll")


def _contents(sections: Sequence[Section]) -> Markup:
    return el("nav", *(el("a", section.title, href=f"#{section.id}") for section in sections))


def _section(section: Section) -> Markup:
    figures = el("div", *(_chart(chart, len(section.charts)) for chart in section.charts), class_="charts")
    return el(
        "section",
        el("h2", section.title),
        section.body,
        figures if section.charts else None,
        section.below,
        id=section.id,
    )


def _chart(chart: Chart, beside: int) -> Markup:
    controls = [
        el(
            "label",
            f"{axis} axis ",
            el(
                "select",
                *(el("option", c["title"], value=c["name"], selected=c["name"] == name) for c in chart.choices),
                data_axis=axis,
            ),
        )
        for axis, name in zip("xy", chart.axes, strict=False)
    ]
    return el(
        "figure",
        el("figcaption", chart.title) if beside > 1 else None,
        el("div", *controls, class_="controls") if controls else None,
        el("div", class_="plot", style=f"height:{chart.height}px"),
        data_chart=chart.id,
    )


def paragraphs(*texts: str, class_: str | None = None) -> Markup:
    """One paragraph a text."""
    return join(*(el("p", text, class_=class_) for text in texts))

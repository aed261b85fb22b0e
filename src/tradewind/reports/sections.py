"""The sections of a study's page, one function each: data in, a `Section` out, or None if there is nothing to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradewind.pareto.wording import cell, label, noun, shape, short
from tradewind.reports import charts
from tradewind.reports import price_charts as charts_of
from tradewind.reports.comparison import RULE, comparisons, median, sentences
from tradewind.reports.data import ReportData
from tradewind.reports.figures import COLUMNS
from tradewind.reports.markup import Markup, el, join
from tradewind.reports.page import Section, paragraphs, table
from tradewind.reports.prices import prices, remainder
from tradewind.reports.summary import caveats, methods, no_comparison, picks

SPREAD = (
    "± is the inter-quartile range of the repetitions, of which bars reach half to either side; of predicted values, "
    "the standard deviation."
)


def study_sections(data: ReportData) -> list[Section]:
    """All sections of a search, in reading order."""
    makers: tuple[Callable[[ReportData], Section | None], ...] = (
        headline,
        frontier,
        frontier_3d,
        savings,
        progress,
        device_prices,
        profile,
        architectures,
        provenance,
    )
    return [section for make in makers if (section := make(data)) is not None]


def headline(data: ReportData) -> Section:
    """What was found, in a few large figures and sentences, and what speaks against trusting it."""
    found = comparisons(data)
    cards = [_card(f"{len(data.frontier)}", f"on the frontier, of {len(data.evaluations)} evaluated")]
    for comparison in found:
        value, low, high = median(comparison.leaders)
        interval = f" [{low:.2f}, {high:.2f}]" if high > low else ""
        text = f"median {comparison.title}{interval}, up to {comparison.best.value:.2f}x"
        cards.append(_card(f"{value:.2f}x", text))
    lines = sentences(found) or [no_comparison(data)]
    chosen = [
        [pick.reason, f"#{pick.rank}", pick.evaluation.candidate.id[:8]]
        + [cell(pick.evaluation.measurements[o.name]) for o in data.objectives]
        for pick in picks(data)
    ]
    head = ["best picks", "rank", "id", *(label(o) for o in data.objectives)]
    picked = table(head, chosen, numeric=range(3, len(head))) if chosen else None
    return Section(
        "headline",
        "In short",
        join(
            el("div", *cards, class_="cards"), paragraphs(*lines), paragraphs(*caveats(data), class_="caveat"), picked
        ),
    )


def frontier(data: ReportData) -> Section | None:
    """Two quantities against each other."""
    if not len(data.frontier) or len(data.objectives) < 2:
        return None
    text = "Each point is an architecture; hover to see its shape and measurements. " + SPREAD
    return Section("frontier", "Frontier", paragraphs(text, class_="note"), (charts.frontier(data),))


def frontier_3d(data: ReportData) -> Section | None:
    """Three objectives at once."""
    chart = charts.frontier_3d(data) if len(data.frontier) else None
    return Section("frontier-3d", "In three dimensions", charts=(chart,)) if chart else None


def savings(data: ReportData) -> Section | None:
    """The comparison with the scaled baseline, point by point."""
    found = comparisons(data)
    if not found:
        return None
    span = " to ".join(short(end) for end in found[0].span)
    text = (
        f"The scaled baseline is {len(data.baseline)} homogeneous models of growing depth ({span} decoder parameters), "
        f"measured in the same run. {RULE} The largest of many ratios is partly luck; the median is the safer figure."
    )
    drawn = tuple(charts.savings(comparison) for comparison in found)
    return Section("savings", "Against the scaled baseline", paragraphs(text, class_="note"), drawn)


def progress(data: ReportData) -> Section | None:
    """Hypervolume over evaluations."""
    chart = charts.hypervolume(data)
    text = "Volume dominated so far, under the final frontier's reference point (its nadir plus a tenth of its range)."
    return Section("progress", "Progress", paragraphs(text, class_="note"), (chart,)) if chart else None


def device_prices(data: ReportData) -> Section | None:
    """What the device charges for each kind of work, how far that can be trusted, and what it leaves to find."""
    models = prices(data)
    if not models:
        return None
    text = (
        "A sum of physical features with non-negative prices, fitted to this study's own measurements. Left: each "
        "measurement against what the others foretell of it; bars are half its spread and the 90% interval. Right: "
        "what each kind of work costs in every network of the frontier, by the model."
    )
    left = remainder(data)
    pairs = [(charts_of.foretold(found), charts_of.breakdown(found, data.frontier)) for found in models]
    return Section(
        "prices",
        "What the device charges",
        paragraphs(text, *([left.sentence()] if left else []), class_="note"),
        tuple(chart for pair in pairs for chart in pair),
    )


def profile(data: ReportData) -> Section | None:
    """Depth and width of the frontier's architectures."""
    chart = charts.profile(data)
    part = f", {COLUMNS} of {len(data.frontier)} shown" if len(data.frontier) > COLUMNS else ""
    text = f"One column an architecture (best {noun(data.objectives[0])} first{part}), one cell a layer, first on top."
    return Section("profile", "Depth and width", paragraphs(text, class_="note"), (chart,)) if chart else None


def architectures(data: ReportData) -> Section | None:
    """The frontier as a table, with the JSON of every architecture to copy or save."""
    if not len(data.frontier):
        return None
    shapes = [shape(evaluation.candidate) for evaluation in data.frontier]
    parts = list(dict.fromkeys(name for facts in shapes for name in facts))
    rows = []
    for rank, (evaluation, facts) in enumerate(zip(data.frontier, shapes, strict=True), start=1):
        buttons = join(_button("copy", rank), _button("save", rank))
        values = [cell(evaluation.measurements[o.name]) for o in data.objectives]
        rows.append([f"{rank}", evaluation.candidate.id[:8], *(facts.get(p, "") for p in parts), *values, buttons])
    head = ["#", "id", *parts, *(label(o) for o in data.objectives), "JSON"]
    reader = "evolve --start" if hasattr(data.frontier[0].candidate, "subprograms") else "measure --arch"
    text = paragraphs(f"{SPREAD} Each JSON is what `tradewind {reader}` reads.", class_="note")
    everything = el("p", el("button", "save the whole report as JSON", type="button", data_save="all"))
    return Section(
        "architectures", "Architectures", text, below=join(table(head, rows, range(2, len(head) - 1)), everything)
    )


def provenance(data: ReportData) -> Section:
    """How the numbers came about: device, workload, repetitions, spread, settings, versions."""
    facts = [[key.replace("_", " "), _text(value)] for key, value in data.setup.items()]
    facts.append(["constraints", ", ".join(map(str, data.constraints)) or "none"])
    how = [
        [
            row["objective"],
            row["method"] + (" (predicted)" if row["predicted"] else ""),
            _range(row["n_min"], row["n_max"]),
            "" if row["median_relative_spread"] is None else f"{100 * row['median_relative_spread']:.1f} %",
            ", ".join(f"{key} {value}" for key, value in row["conditions"].items()),
        ]
        for row in methods(data)
    ]
    head = ["objective", "method", "repetitions", "median spread", "conditions"]
    body = join(table(head, how), table(["setting", "value"], facts))
    return Section("provenance", "How it was measured", body)


def _card(figure: str, text: str) -> Markup:
    return el("div", el("strong", figure), el("span", text), class_="card")


def _button(action: str, rank: int) -> Markup:
    return el("button", action, type="button", **{f"data_{action}": str(rank)}, title=f"{action} the JSON of #{rank}")


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return str(value)

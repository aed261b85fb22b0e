"""The report of a comparison of algorithms: one self-contained page and PNG figures, from a summary."""

from __future__ import annotations

import os
from pathlib import Path

from tradewind.core import UsageError
from tradewind.core.counting import count
from tradewind.core.files import write_text
from tradewind.pareto.wording import short
from tradewind.reports import compare_charts as charts
from tradewind.reports import style
from tradewind.reports.compare_figures import comparison_figures
from tradewind.reports.compare_look import MEASURES, colours
from tradewind.reports.markup import Markup, el, join
from tradewind.reports.page import NOTHING, Section, paragraphs, render, table
from tradewind.studies.compare import Outcome, Ranking, Summary
from tradewind.studies.compare.optimum import REFERENCE, THINNED
from tradewind.studies.compare.statistics import LEVEL, band
from tradewind.studies.compare.summary import MARKS

COLOURS = 48
"""Colours of a figure: enough for ten series with their bands."""

TOLD = {"draws": "single noisy observations", "means": "noise-free means"}


def write_comparison(summary: Summary, out: str | os.PathLike[str]) -> list[Path]:
    """Write ``report.html`` and the PNG figures into the folder `out`; the paths, the page first.

    Raises `UsageError` where the folder cannot be written or the ``plot`` extra is missing.
    """
    style.require_plot_extra()
    folder, contest = Path(out), summary.contest
    lead = (
        f"{count(len(contest.contestants), 'search algorithm')}, {count(len(contest.cases), 'case')}, "
        f"{contest.seeds} seeds, {contest.evaluations} evaluations a run; judged by noise-free means against the exact "
        "optimum."
    )
    page = render("Algorithms compared", lead, sections(summary), summary.to_dict())
    try:
        paths = [write_text(folder / "report.html", page)]
        return paths + [
            style.save(picture, folder / f"{name}.png", COLOURS)
            for name, picture in comparison_figures(summary).items()
        ]
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"cannot write the report into {folder} ({reason}); name another folder with --out") from error


def sections(summary: Summary) -> list[Section]:
    """The page, in reading order; with both kinds of what algorithms are told, one part for each."""
    found: list[Section] = []
    for sees in summary.contest.sees:
        found += [_shares(summary, sees), *_ranking(summary, sees)]
        found += [_progress(summary, sees, measure) for measure in MEASURES]
        found += _attainment(summary, sees)
        found.append(_time(summary, sees))
    return [*found, _judgement(summary)]


def headline(ranking: Ranking) -> str:
    """Who wins, by how much and with what certainty, in one or two sentences."""
    first, second = ranking.names[:2]
    pair = ranking.pairs[0]
    sure = pair.p_holm < LEVEL
    words = "beats" if sure else "cannot be told from"
    text = (
        f"{first} {words} {second} (better in {pair.wins:.0%} of {ranking.blocks} blocks of a case and a seed, median "
        f"difference {100 * pair.difference:.2f} points of hypervolume, Wilcoxon p = {pair.p_holm:.2g} after Holm)."
    )
    if ranking.p is not None:
        text += f" Friedman's test over all {len(ranking.names)} algorithms has p = {ranking.p:.2g}."
    return text


def _shares(summary: Summary, sees: str) -> Section:
    ranking = summary.ranking(sees)
    early = next(o for o in summary.outcomes if o.sees == sees).early()
    head = ["algorithm", "share of the optimum", "95% interval", "worst run", "as returned"]
    head += [f"after {stop}" for stop in early] + [f"evaluations to {mark:.0%}" for mark in MARKS]
    tables = []
    for case in summary.contest.cases:
        outcomes = summary.of(case, sees)
        top = max(outcome.share[:, -1].mean() for outcome in outcomes)
        rows = [_share_row(outcome, top) for outcome in outcomes]
        tables.append(join(el("h3", case.name), table(head, rows, numeric=range(1, len(head)))))
    return Section(
        f"shares-{sees}",
        f"Who wins, told {sees}",
        paragraphs(
            *([headline(ranking)] if ranking else []),
            f"Share of the exact optimum's hypervolume after {summary.contest.evaluations} evaluations, the mean of "
            f"{summary.contest.seeds} runs with its bootstrap interval. Algorithms were told {TOLD[sees]}. 'As "
            "returned' judges only what the algorithm's user would keep by what was told. Then the mean share after "
            "fewer evaluations, and the evaluations needed for a share, the median over runs.",
        ),
        below=join(*tables),
    )


def _share_row(outcome: Outcome, top: float) -> list[str | Markup]:
    final = outcome.share[:, -1:]
    mean, low, high = (float(ends[0]) for ends in band(final))
    text = f"{mean:.2%}"
    needed = [outcome.evaluations_to(mark) for mark in MARKS]
    return [
        outcome.contestant.name,
        el("strong", text) if mean == top else text,
        f"{low:.2%} to {high:.2%}",
        f"{float(final.min()):.2%}",
        f"{float(outcome.returned.mean()):.2%}",
        *(f"{share:.2%}" for share in outcome.early().values()),
        *("never" if number is None else str(number) for number in needed),
    ]


def _ranking(summary: Summary, sees: str) -> list[Section]:
    found = summary.ranking(sees)
    if found is None:
        return []
    rows = [
        [p.first, p.second, f"{100 * p.difference:+.2f}", f"{p.wins:.0%}", f"{p.a12:.2f}", f"{p.p_holm:.2g}"]
        for p in found.pairs
    ]
    head = ["first", "second", "median difference (points)", "first wins", "A12", "p (Holm)"]
    return [
        Section(
            f"ranks-{sees}",
            f"Ranks, told {sees}",
            paragraphs(
                f"Mean rank by final hypervolume over {found.blocks} blocks, each a case and a seed. Bars are half the "
                f"Nemenyi critical difference ({found.critical_difference:.2f}) to either side: algorithms whose bars "
                f"do not overlap differ at level {LEVEL}. The claim is about these cases; seeds make it repeatable, "
                "not general."
            ),
            (charts.ranks(found, sees, colours(summary.contest.contestants)),),
            table(head, rows, numeric=range(2, len(head))),
        )
    ]


def _progress(summary: Summary, sees: str, measure: str) -> Section:
    text = f"Mean of {summary.contest.seeds} runs and the 95% bootstrap band of the mean; lower is better."
    found = tuple(charts.progress(summary, case, sees, measure) for case in summary.contest.cases)
    return Section(f"{measure}-{sees}", f"{MEASURES[measure][0]}, told {sees}", paragraphs(text), found)


def _attainment(summary: Summary, sees: str) -> list[Section]:
    found = tuple(
        charts.attainment(summary, best, summary.of(best.case, sees), sees)
        for best in summary.optima
        if len(best.case.objectives) == 2
    )
    text = "What at least 25, 50 and 75% of the runs attain: the best ranked algorithm of the case, and random search."
    return (
        [Section(f"attainment-{sees}", f"Attainment surfaces, told {sees}", paragraphs(text), found)] if found else []
    )


def _time(summary: Summary, sees: str) -> Section:
    rows = []
    for contestant in summary.contest.contestants:
        mine = [o for o in summary.outcomes if o.contestant == contestant and o.sees == sees]
        asks, tells = [float(t) for o in mine for t in o.ask_ms], [float(t) for o in mine for t in o.tell_ms]
        rows.append([contestant.name, short(sorted(asks)[len(asks) // 2]), short(sorted(tells)[len(tells) // 2])])
    head = ["algorithm", "ask (ms)", "tell (ms)"]
    text = "Median over runs of the algorithm's own time for one evaluation, one thread."
    return Section(f"time-{sees}", f"Time, told {sees}", paragraphs(text), below=table(head, rows, numeric=(1, 2)))


def _judgement(summary: Summary) -> Section:
    contest = summary.contest
    facts = paragraphs(
        "The hypervolume counts everything a run evaluated, by the noise-free means of the benchmark. Each objective "
        "is scaled so that the least mean in the whole space is 0 and the greatest 1 (exact, published bounds); the "
        f"reference point is {REFERENCE} in every one. The optimum is the exact frontier of the whole space, computed "
        f"by dynamic programming over layers; IGD+ and epsilon are taken to at most {THINNED} points spread over it.",
        f"Root seed {contest.seed}: case, algorithm and number of the run determine its seed; runs of a case and a "
        "number see the same noise.",
    )
    head = ["case", "points of the exact frontier", "of which hold 99%", "its hypervolume", "seconds", "bounds"]
    rows = []
    for best in summary.optima:
        bounds = best.case.bench.bounds(best.case.objective_names)
        ends = ", ".join(f"{name} {short(low)} to {short(high)}" for name, (low, high) in bounds.items())
        sizes = [f"{len(best.values):,}", str(best.points_for(0.99))]
        rows.append([best.case.name, *sizes, f"{best.hypervolume:.6f}", f"{best.seconds:.2f}", ends])
    absent = [f"{name} on {case}: {reason}" for name, case, reason in contest.absent]
    left_out = join(el("h3", "Left out"), el("ul", *(el("li", line) for line in absent))) if absent else NOTHING
    return Section(
        "judgement", "How it was judged", facts, below=join(table(head, rows, numeric=range(1, 5)), left_out)
    )

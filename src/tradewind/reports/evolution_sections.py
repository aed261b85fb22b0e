"""The sections of the page of a search of programs: data in, a `Section` out, or None if there is nothing to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tradewind.core import Evaluation
from tradewind.pareto.wording import cell, label
from tradewind.programs import Program
from tradewind.reports import evolution_charts as charts
from tradewind.reports.data import ReportData
from tradewind.reports.evolution import ancestry, changes, details, lineage, parent, retrained, value
from tradewind.reports.markup import Markup, el, join
from tradewind.reports.page import Section, paragraphs, table
from tradewind.reports.sections import architectures, frontier, provenance
from tradewind.reports.summary import caveats

ROWS = 40
"""Programs that the ranking shows."""


def is_evolution(data: ReportData) -> bool:
    """Whether what was searched are programs."""
    return bool(data.evaluations) and isinstance(data.evaluations[0].candidate, Program)


def evolution_sections(data: ReportData) -> list[Section]:
    """All sections, in reading order."""
    makers: tuple[Callable[[ReportData], Section | None], ...] = (
        headline,
        fitness,
        again,
        frontier,
        ranking,
        tree,
        mutations,
        architectures,
        provenance,
    )
    return [section for make in makers if (section := make(data)) is not None]


def sentences(data: ReportData) -> list[str]:
    """What was found, a sentence each: for the terminal and the top of the page."""
    objective = data.objectives[0]
    whole, stopped, failed = charts.split(data)
    lines = [
        f"{len(whole)} programs were trained to the end, {len(stopped)} stopped at a hurdle, {len(failed)} failed."
    ]
    first = next((e for e in data.evaluations if e.candidate == data.space.start), None)
    if len(data.frontier) and first is not None:
        best, before = data.frontier[0], value(first, objective)
        lines.append(
            f"Best in the search: #{best.index}, {label(objective)} {cell(best.measurements[objective.name])}"
            + (f"; the start had {cell(first.measurements[objective.name])}." if before is not None else ".")
        )
    lines += [row.sentence() + "." for row in retrained(data.retrained, data.space.start)]
    return lines


def headline(data: ReportData) -> Section:
    """The finding, how the best program came about, and what speaks against trusting it."""
    best = data.frontier[0] if len(data.frontier) else None
    rows = lineage(best, data.evaluations) if best is not None else []
    changed = join(
        el("p", "From the start to the best program:"), el("ol", *(el("li", line) for line in rows))
    ) if rows else None  # fmt: skip
    return Section(
        "headline",
        "In short",
        join(paragraphs(*sentences(data)), changed, paragraphs(*caveats(data), class_="caveat")),
    )


def fitness(data: ReportData) -> Section | None:
    """Fitness over births."""
    chart = charts.fitness(data)
    text = (
        "One point a program, in the order of birth; hover to see what changed from its parent. Those stopped at a "
        "hurdle show what they had reached there. The best of many noisy values is partly luck: see fresh trainings."
    )
    return Section("fitness", "Fitness over births", paragraphs(text, class_="note"), (chart,)) if chart else None


def again(data: ReportData) -> Section | None:
    """Fresh trainings of the best and of the start."""
    rows = retrained(data.retrained, data.space.start)
    chart = charts.trained_again(rows)
    if chart is None:
        return None
    text = (
        "The start and the best programs, trained over the whole budget with weights and batches of seeds that the "
        "search did not use; equal seeds read equal batches. Gains are the start's loss minus the program's, paired, "
        "with a 95 % interval by Student's t."
    )
    cells = [
        [r.program.id[:8], f"{len(r.losses)}", f"{r.mean:.4f}", f"{r.deviation:.4f}",
         "" if r.gain != r.gain else f"{r.gain:+.4f} [{r.low:+.4f}, {r.high:+.4f}]"]
        for r in rows if r.losses
    ]  # fmt: skip
    head = ["program", "seeds", "mean loss", "deviation", "gain over the start"]
    return Section("again", "Trained again", paragraphs(text, class_="note"), (chart,), table(head, cells, range(1, 5)))


def ranking(data: ReportData) -> Section | None:
    """The best programs and what each changed."""
    objective = data.objectives[0]
    found = [e for e in data.evaluations if value(e, objective) is not None]
    if not found:
        return None
    known = {e.candidate.id: e for e in data.evaluations}
    found.sort(key=lambda e: (details(e, "stopped") or 1000) * -1e9 + (value(e, objective) or 0.0))
    rows = [_ranked(rank, e, known, data) for rank, e in enumerate(found[:ROWS], start=1)]
    head = ["#", "birth", "id", label(objective), "trained", "from", "change"]
    text = f"The best {len(rows)} of {len(found)}; those that trained longer stand first."
    return Section("ranking", "Ranking", paragraphs(text, class_="note"), below=table(head, rows, (0, 1, 3)))


def tree(data: ReportData) -> Section | None:
    """Who descends from whom."""
    chart = charts.family_tree(data)
    text = "Each program under its parent; large points are the line that leads to the best."
    return Section("tree", "Family tree", paragraphs(text, class_="note"), (chart,)) if chart else None


def mutations(data: ReportData) -> Section | None:
    """What each kind of mutation led to."""
    known = {e.candidate.id: e for e in data.evaluations}
    objective = data.objectives[0]
    born, failed, better, rejected = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for evaluation in data.evaluations:
        origin = details(evaluation, "origin", {})
        rejected.update(origin.get("rejected", {}))
        above = known.get(parent(evaluation) or "")
        if above is None or "mutations" not in origin:
            continue
        kind = str(origin["mutations"][-1]).replace("_", " ")
        born[kind] += 1
        now, before = value(evaluation, objective), value(above, objective)
        failed[kind] += now is None
        # A child that stopped at a hurdle is no better than its parent, whatever it had reached.
        better[kind] += (
            now is not None and before is not None and now < before and details(evaluation, "stopped") is None
        )
    if not born:
        return None
    rows = [[k, f"{n}", f"{failed[k]}", f"{better[k]}"] for k, n in born.most_common()]
    body = table(["last mutation", "born", "failed", "better than the parent"], rows, range(1, 4))
    kinds = ", ".join(f"{n} {kind}" for kind, n in rejected.most_common())
    text = f"Children rejected before training, and drawn again: {kinds or 'none'}."
    return Section("mutations", "Mutations", body, below=paragraphs(text))


def _ranked(rank: int, evaluation: Evaluation, known: dict[str, Evaluation], data: ReportData) -> list[str | Markup]:
    above = known.get(parent(evaluation) or "")
    shown = changes(above.candidate, evaluation.candidate) if above is not None else "the start"
    stopped, same = details(evaluation, "stopped"), details(evaluation, "same_as")
    trained = f"to hurdle {stopped}" if stopped is not None else "to the end"
    trained = f"{trained}, as {str(same)[:8]}" if same else trained
    depth = len(ancestry(evaluation, known.values())) - 1
    origin = f"#{above.index} (generation {depth})" if above is not None else ""
    objective = data.objectives[0]
    number, name = f"{evaluation.index}", evaluation.candidate.id[:8]
    return [f"{rank}", number, name, cell(evaluation.measurements[objective.name]), trained, origin, shown]

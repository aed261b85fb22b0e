"""The report of a search of programs: lines of parents, paired gains, the tree's places, and the page."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tradewind.core import Evaluation, Measurement, parse_objectives
from tradewind.core.seeds import generator
from tradewind.programs import Program, ProgramSpace
from tradewind.reports import renderables
from tradewind.reports.data import ReportData
from tradewind.reports.evolution import ancestry, interval, lineage, parent, retrained
from tradewind.reports.evolution_charts import family_tree, fitness, layout_of, split, trained_again
from tradewind.reports.evolution_sections import evolution_sections, is_evolution

SPACE = ProgramSpace()
OBJECTIVES = parse_objectives("perplexity")


def evaluation(index: int, program: Program, value: float | None, **details: Any) -> Evaluation:
    found = (
        Measurement.failed("crash: <script>alert(1)</script>", "perplexity", details=details)
        if value is None
        else Measurement.of(value, "perplexity", details=details)
    )
    return Evaluation(index, program, {"perplexity": found})


def family() -> list[Evaluation]:
    """Twelve programs: a line of four, the others children of the start; some stopped, one failed."""
    log = [evaluation(0, SPACE.start, 20.0)]
    for index in range(1, 12):
        above = log[index - 1] if index < 4 else log[0]
        step = SPACE.mutant(above.candidate, generator(0, index))
        origin = {"parent": above.candidate.id, "mutations": list(step.mutations), "rejected": dict(step.rejected)}
        stopped = {"stopped": 1 + index % 2} if index > 8 else {}
        value = None if index == 7 else 20.0 - index if index < 4 else 20.0 + index
        log.append(evaluation(index, step.program, value, origin=origin, **stopped))
    return log


LOG = family()
AGAIN = [
    evaluation(n, program, math.exp(loss + 0.01 * seed), loss=loss + 0.01 * seed * (1 + n % 2), seed=seed)
    for n, (program, loss, seed) in enumerate(
        (program, loss, seed) for program, loss in ((SPACE.start, 3.0), (LOG[3].candidate, 2.8)) for seed in range(4)
    )
]
DATA = ReportData("run", OBJECTIVES, tuple(LOG), retrained=tuple(AGAIN), space=SPACE)


def test_the_line_of_parents_and_its_changes() -> None:
    assert [e.index for e in ancestry(LOG[3], LOG)] == [0, 1, 2, 3]
    assert [e.index for e in ancestry(LOG[9], LOG)] == [0, 9]
    assert parent(LOG[0]) is None
    lines = lineage(LOG[3], LOG)
    assert {line.partition(":")[0] for line in lines} == {"#1 from #0", "#2 from #1", "#3 from #2"}
    assert lineage(LOG[0], LOG) == []


def test_gains_are_paired_by_seed() -> None:
    start, best = retrained(AGAIN, SPACE.start)
    assert start.program == SPACE.start
    assert math.isnan(start.gain)
    pairs = [start.losses[seed] - best.losses[seed] for seed in range(4)]
    assert best.gain == pytest.approx(np.mean(pairs))
    expected = stats.ttest_1samp(pairs, 0).confidence_interval(0.95)
    assert (best.low, best.high) == pytest.approx((expected.low, expected.high))
    assert "better than the start" in best.sentence()
    assert best.to_dict()["gain"] == best.gain
    assert start.to_dict()["gain"] is None
    lost = retrained([*AGAIN, evaluation(99, LOG[2].candidate, None, seed=0)], SPACE.start)[-1]
    assert lost.failed == 1
    assert "all 1 trainings failed" in lost.sentence()
    assert all(math.isnan(value) for value in interval([1.0]))


def test_the_tree_puts_parents_over_their_children() -> None:
    children: dict[str, list[Evaluation]] = {}
    for e in LOG[1:]:
        children.setdefault(str(parent(e)), []).append(e)
    places = layout_of([LOG[0]], children)
    assert len(places) == len(LOG)
    for name, below in children.items():
        xs = [places[e.candidate.id][0] for e in below]
        assert min(xs) <= places[name][0] <= max(xs)
        assert {places[e.candidate.id][1] for e in below} == {places[name][1] + 1}
    assert len(set(places.values())) == len(places), "no two programs on one place"
    chart = family_tree(DATA)
    assert chart is not None
    assert sum(x is None for x in chart.traces[1]["x"]) == 3, "the line of the best has three steps"


def test_fitness_shows_every_program_once_and_the_best_so_far() -> None:
    chart = fitness(DATA)
    assert chart is not None
    *points, best = chart.traces
    assert sorted(x for trace in points for x in trace["x"]) == list(range(12))
    assert best["y"] == sorted(best["y"], reverse=True)
    assert best["y"][-1] == 17.0
    whole, stopped, failed = split(DATA)
    assert [len(whole), len(stopped), len(failed)] == [8, 3, 1]


def test_the_page_has_its_sections_and_escapes_what_it_shows() -> None:
    assert is_evolution(DATA)
    sections = {section.id: section for section in evolution_sections(DATA)}
    assert {"headline", "fitness", "again", "ranking", "tree", "mutations", "architectures"} <= sections.keys()
    assert "From the start to the best program" in sections["headline"].body
    assert sections["ranking"].below.count("<tr>") == 12
    hovers = [text for s in sections.values() for c in s.charts for t in c.traces for text in t.get("hovertext", ())]
    assert not any("<script" in text for text in hovers)
    assert trained_again([]) is None


def test_the_terminal_says_the_same() -> None:
    text = " ".join(str(part) for part in renderables(DATA))
    assert "8 programs were trained to the end, 3 stopped at a hurdle, 1 failed." in text
    assert "better than the start" in text


def test_an_empty_or_failed_search_has_a_page() -> None:
    failed = ReportData("run", OBJECTIVES, (evaluation(0, SPACE.start, None),), space=SPACE)
    assert [section.id for section in evolution_sections(failed)] == ["headline", "provenance"]
    assert not is_evolution(ReportData("run", OBJECTIVES, (), space=SPACE))

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tradewind.reports.compare import headline, sections, write_comparison
from tradewind.reports.compare_look import colours, lower_is_better, surfaces
from tradewind.studies.compare import Contest, Contestant, Summary, summarise
from tradewind.studies.compare.record import write_run
from tradewind.studies.compare.run import perform
from tradewind.studies.compare.statistics import rank

OBJECTIVES = ["perplexity,latency_ms@h100", "perplexity,energy_wh@a100,params"]


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    folder = tmp_path_factory.mktemp("runs")
    contest = Contest.of(["hwgpt-s"], OBJECTIVES, "random,lts,lts/paper", evaluations=15, seeds=3, sees="both")
    for task in contest.tasks():
        write_run(perform(task), folder)
    return summarise(contest, folder)


def test_page_is_one_file_with_every_case_algorithm_and_kind(summary: Summary, tmp_path: Path) -> None:
    one = dataclasses.replace(summary, contest=dataclasses.replace(summary.contest, sees=("means",)))
    paths = write_comparison(one, tmp_path)
    pictures = {f"{name}-means.png" for name in ("share", "igd", "epsilon", "ranks", "attainment")}
    assert {path.name for path in paths} == {"report.html"} | pictures
    page = (tmp_path / "report.html").read_text()
    for words in (*(case.name for case in summary.contest.cases), "lts/paper", "Friedman", "told means"):
        assert words in page
    found = re.search(r'<script type="application/json" id="report">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    assert json.loads(found[1])["seeds"] == 3
    assert all(path.stat().st_size > 5000 for path in paths)


def test_charts_have_ids_of_their_own_and_finite_numbers(summary: Summary) -> None:
    charts = [chart for section in sections(summary) for chart in section.charts]
    assert len({chart.id for chart in charts}) == len(charts) == 2 * (1 + 2 * 3 + 1)
    for chart in charts:
        for trace in chart.traces:
            assert np.isfinite(np.array(trace["x"], dtype=float)).all()
            if chart.id.startswith("share"):
                assert min(trace["y"]) > 0


def test_the_best_share_of_each_case_is_marked(summary: Summary) -> None:
    section = sections(summary)[0]
    best = [
        max(summary.of(case, "draws"), key=lambda o: o.share[:, -1].mean()).share[:, -1].mean()
        for case in summary.contest.cases
    ]
    assert [f"<strong>{share:.2%}</strong>" in section.below for share in best] == [True, True]


def test_shares_after_fewer_evaluations_are_columns(summary: Summary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradewind.studies.compare.summary.STOPS", (7, 32))
    below = sections(summary)[0].below
    assert "after 7<" in below
    assert "after 32" not in below
    assert f"{summary.of(summary.contest.cases[0], 'draws')[1].share[:, 6].mean():.2%}" in below


def test_headline_claims_no_more_than_the_test_shows() -> None:
    rng = np.random.default_rng(0)
    same = rank(["a", "b", "c"], rng.normal(size=(10, 3)), ["x"] * 10)
    assert "cannot be told from" in headline(same)
    apart = rank(["a", "b", "c"], rng.normal(size=(20, 3)) + np.array([0.0, 5.0, 10.0]), ["x"] * 20)
    assert headline(apart).startswith("c beats b (better in 100% of 20 blocks")


def test_surfaces_are_nested_and_reach_no_further_than_the_optimum(summary: Summary) -> None:
    outcome = summary.of(summary.contest.cases[0], "draws")[0]
    best = summary.optima[0]
    levels = surfaces(outcome)
    for easy, hard in ((25.0, 50.0), (50.0, 75.0)):
        for point in levels[hard]:
            assert (levels[easy] <= point + 1e-12).all(axis=1).any()
    for point in levels[25.0]:
        assert (best.values <= point + 1e-9).all(axis=1).any()


def test_presets_share_their_algorithms_colour_and_a_whole_share_can_be_drawn() -> None:
    found = colours([Contestant.parse(name) for name in ("random", "lts", "lts/paper", "nsga2")])
    assert found["lts"] == found["lts/paper"] != found["nsga2"]
    assert (lower_is_better("share", np.array([0.5, 1.0])) > 0).all()

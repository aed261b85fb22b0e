from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Tradewind

COMMAND = ("bench", "compare", "hwgpt-s", "--objectives", "perplexity,latency_ms@a100", "--evaluations", 10)


def test_it_runs_reports_and_resumes(tradewind: Tradewind) -> None:
    words = (*COMMAND, "--algorithms", "random,lts", "--seeds", 2, "--workers", 1, "--out", "c")
    said = tradewind(*words, "--json")
    assert said.status == 0
    assert said.json["cases"][0]["optimum"]["points"] > 100
    assert len(said.json["outcomes"]) == 2
    assert {"report.html", "comparison.json", "curves.parquet", "share-draws.png"} <= {
        p.name for p in Path("c").iterdir()
    }
    times = {path: path.stat().st_mtime_ns for path in Path("c/runs").rglob("*.parquet")}
    assert len(times) == 2 * 2 + 1
    again = tradewind(*words)
    assert again.status == 0
    assert "Mean rank over 2 blocks" in again.out
    lines = [line.split() for line in again.out.splitlines()]
    assert ["worst", "evaluations", "ask", "and"] in lines
    assert ["algorithm", "share", "95%", "interval", "run", "to", "95%", "tell,", "ms"] in lines
    assert "2 search algorithms, 1 case, 2 seeds" in Path("c/report.html").read_text()
    assert {path: path.stat().st_mtime_ns for path in Path("c/runs").rglob("*.parquet")} == times


def test_another_comparison_in_the_folder_is_refused(tradewind: Tradewind) -> None:
    words = (*COMMAND, "--algorithms", "random,lts", "--seeds", 2, "--workers", 1, "--out", "c")
    tradewind(*words)
    said = tradewind(*words, "--seed", 1)
    assert said.status == 1
    assert "seed was 0, now 1" in said.err


def test_mistakes_end_with_status_2(tradewind: Tradewind) -> None:
    said = tradewind(*COMMAND, "--algorithms", "nsga3", "--out", "c")
    assert said.status == 2
    assert "did you mean 'nsga2'?" in said.err
    assert not Path("c").exists()


def test_help_has_an_example(tradewind: Tradewind) -> None:
    said = tradewind("bench", "compare", "--help")
    assert said.status == 0
    assert "Example: tradewind bench compare hwgpt-s" in said.out

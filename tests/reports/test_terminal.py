from __future__ import annotations

import dataclasses
import io

from rich.console import Console
from tests.reports.payloads import hostile_study
from tests.reports.synthetic import study

from tradewind.reports import ReportData, renderables


def shown(data: ReportData, width: int = 80) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    for part in renderables(data):
        console.print(part)
    return out.getvalue()


def test_it_shows_the_finding_the_frontier_and_the_caveats() -> None:
    data = study()
    text = " ".join(shown(data).split())
    assert "laptop: gpt2 searched with lts on Example CPU 3 GHz" in text
    assert "Speed-up at equal decoder parameters: up to " in text
    assert f"{len(data.frontier)} non-dominated architectures on cpu" in text
    assert f"24 of {len(data.frontier)} shown" in text
    assert "most balanced" in text
    assert "14 of 200 evaluations have no value" in text


def test_it_fits_eighty_columns_without_cutting_values() -> None:
    text = shown(study())
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_an_empty_study_says_so() -> None:
    assert "there is no frontier" in shown(dataclasses.replace(study(5), evaluations=(), baseline=()))


def test_hostile_text_cannot_command_the_terminal() -> None:
    text = shown(hostile_study(), width=400)
    assert "\x1b" not in text.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\x07" not in text
    assert "[red]" in text


def test_names_with_brackets_are_told_as_they_are() -> None:
    assert "m[/x] [bold]: " in shown(dataclasses.replace(study(), name="m[/x] [bold]"), width=400)

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from tests.studies.fakes import OBJECTIVES, evaluation

from tradewind.core import Evaluation, Measurement, parse_objectives
from tradewind.evaluators import Limits
from tradewind.pareto import hypervolume
from tradewind.studies import progress as room
from tradewind.studies.progress import Figures, Progress, Tracker

COSTS = parse_objectives("params,flops")


def trial(index: int, params: float, flops: float, seconds: float = 2.0) -> Evaluation:
    measured = {"params": Measurement.of(params, "parameters"), "flops": Measurement.of(flops, "FLOP")}
    return Evaluation(index, evaluation(index).candidate, measured, seconds=seconds)


def test_hypervolume_is_that_of_the_front_in_the_box_of_the_first_ten() -> None:
    points = np.random.default_rng(0).uniform(1, 9, size=(40, 2))
    tracker = Tracker(COSTS, Limits(), 50)
    seen: list[float] = []
    for index, (params, flops) in enumerate(points):
        tracker.add(trial(index, params, flops))
        volume = tracker.figures().hypervolume
        if index < 9:
            assert volume is None
        else:
            best, worst = points[:10].min(axis=0), points[:10].max(axis=0)
            inside = (points[: index + 1] - best) / (worst - best)
            assert volume == pytest.approx(hypervolume(inside, [1.0, 1.0]))
            seen.append(volume or 0)
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]


def test_objectives_without_range_do_no_harm() -> None:
    tracker = Tracker(COSTS, Limits(), 12)
    for index in range(12):
        tracker.add(trial(index, 5.0, 5.0))
    assert tracker.figures().hypervolume == 0.0


def test_figures_count_failures_and_the_time_that_is_left() -> None:
    tracker = Tracker(COSTS, Limits.of(["params<=3"]), 10)
    assert str(tracker.figures()) == "0/10 evaluated, frontier 0, 0 failed"
    for index in range(3):
        tracker.add(trial(index, 3.0 - index, 1.0 + index, seconds=[60.0, 2.0, 4.0][index]))
    failed = trial(3, 1.0, 1.0)
    broken = {**failed.measurements, "flops": Measurement.failed("timeout: 60 s", "FLOP")}
    tracker.add(dataclasses.replace(failed, measurements=broken))
    assert tracker.figures() == Figures(4, 10, 1, 3, None, 6 * 3.0)
    assert str(tracker.figures()) == "4/10 evaluated, frontier 3, 1 failed, 18 s left"


def test_what_breaks_a_measured_constraint_is_on_no_front() -> None:
    latency = parse_objectives("latency_ms@cpu")[0]
    tracker = Tracker(COSTS, Limits.of(["latency_ms@cpu<=5"]), 2)
    for index, ms in enumerate((9.0, 4.0)):
        made = trial(index, 1.0, 1.0)
        measured = {**made.measurements, latency.name: Measurement.of(ms, "ms")}
        tracker.add(dataclasses.replace(made, measurements=measured))
    figures = tracker.figures()
    assert (figures.done, figures.failed, figures.frontier) == (2, 0, 1)


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")])
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert (
        str(Figures(1, 2, 0, 1, 0.5, seconds)) == f"1/2 evaluated, frontier 1, hypervolume 0.500, 0 failed, {text} left"
    )


def show(shown: Any, monkeypatch: pytest.MonkeyPatch, terminal: bool = False) -> None:
    clock = iter(range(0, 10**6, 20))
    monkeypatch.setattr(room, "seconds", lambda: next(clock))
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "120")
    with Progress(Tracker(OBJECTIVES, Limits(), 3), shown) as progress:
        progress.note("baseline 1/2")
        for index in range(3):
            progress.add([evaluation(index)])


def test_elsewhere_than_on_a_terminal_lines_go_to_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    show(True, monkeypatch)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[0] == "baseline 1/2"
    assert [line.split(" ")[0] for line in captured.err.splitlines()[1:]] == ["1/3", "2/3", "3/3", "3/3"]


@pytest.mark.parametrize("terminal", [False, True])
def test_brackets_in_a_note_are_no_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool
) -> None:
    monkeypatch.setattr(room, "_LINE_SECONDS", 0)
    monkeypatch.setattr(room, "_REDRAW_SECONDS", 0)
    monkeypatch.setenv("FORCE_COLOR", "1" if terminal else "")
    with Progress(Tracker(OBJECTIVES, Limits(), 3), True) as progress:
        progress.note("runs/m[/x] is measured")
    assert "runs/m[/x] is measured" in capsys.readouterr().err


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    show(True, monkeypatch, terminal=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "━" in captured.err
    assert "3/3 evaluated" in captured.err


def test_a_terminal_shows_each_baseline_until_the_first_evaluation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(room, "seconds", lambda: 7.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with Progress(Tracker(OBJECTIVES, Limits(), 3), True) as progress:
        for number in (1, 2):
            progress.note(f"baseline {number}/2")
            capsys.readouterr()
            progress.add([])
            assert capsys.readouterr().err == ""
            progress.note(f"baseline {number}/2")
            assert f"baseline {number}/2" in capsys.readouterr().err
        progress.add([evaluation(0)])
    assert "1/3 evaluated" in (last := capsys.readouterr().err)
    assert "baseline" not in last


def test_the_first_line_elsewhere_comes_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setattr(room, "seconds", lambda: 7.0)
    with Progress(Tracker(OBJECTIVES, Limits(), 3), True) as progress:
        progress.note("baseline 1/2")
        progress.add([])
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == ["baseline 1/2", "0/3 evaluated"]


def test_nothing_is_shown_when_nobody_asks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    show(False, monkeypatch)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""

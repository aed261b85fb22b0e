from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.pareto import oracles

from tradewind.core import GPT2, Architecture, Constraint, Constraints, Evaluation, Measurement, Objective, UsageError
from tradewind.pareto import Frontier
from tradewind.pareto.wording import cell, evenly, label, shape, short
from tradewind.programs import transformer

NAMES = ("decoder_params", "latency_ms@cpu", "peak_memory_mb@cpu")
UNITS = ("parameters", "ms", "MB")


def evaluation(index: int, *values: float | Measurement, **extra: Measurement) -> Evaluation:
    arch = GPT2(d_model=64, n_head=(2,) * (index % 20 + 1), d_inner=tuple(128 + 64 * i for i in range(index % 20 + 1)))
    measured = {
        name: value if isinstance(value, Measurement) else Measurement.of(value, unit, spread=0.5)
        for name, unit, value in zip(NAMES, UNITS, values, strict=False)
    }
    return Evaluation(index, arch, {**measured, **extra})


def front_of(rows: list[tuple[float, ...]], **kwargs: Any) -> Frontier:
    return Frontier.of([evaluation(i, *row) for i, row in enumerate(rows)], NAMES[: len(rows[0])], **kwargs)


SMALL = [(10.0, 30.0), (8.0, 12.0), (5.0, 5.0), (4.0, 9.0), (8.0, 12.0)]


@given(st.lists(st.tuples(*[st.integers(0, 5).map(float)] * 3), min_size=1, max_size=12))
def test_it_holds_the_non_dominated_evaluations_best_first(rows: list[tuple[float, float, float]]) -> None:
    front = front_of(rows)
    minimised = np.array(rows) * [-1, 1, 1]
    expected = [i for i, best in enumerate(oracles.nondominated(minimised)) if best]
    assert sorted(e.index for e in front) == expected
    assert front.values[:, 0].tolist() == sorted((rows[i][0] for i in expected), reverse=True)
    assert front.values.tolist() == [list(rows[e.index]) for e in front]


def test_evaluations_of_equal_values_are_both_kept() -> None:
    assert [e.index for e in front_of(SMALL)] == [0, 1, 4, 2]


def test_failed_invalid_and_forbidden_evaluations_are_left_out() -> None:
    trials = [
        evaluation(0, 9.0, Measurement.failed("timeout: 10 s", "ms")),
        evaluation(1, 9.0, Measurement.of(float("nan"), "ms")),
        evaluation(2, 9.0, Measurement(value=float("inf"), unit="ms")),
        evaluation(3, 9.0),
        evaluation(4, 8.0, 20.0),
        evaluation(5, 7.0, 10.0),
        evaluation(6, 6.0, 9.0, energy=Measurement.of(1.0, "Wh")),
    ]
    assert [e.index for e in Frontier.of(trials, NAMES[:2])] == [4, 5, 6]
    assert [e.index for e in Frontier.of(trials, NAMES[:2], ["latency_ms<=10", "decoder_params>6"])] == [5]
    assert [e.index for e in Frontier.of(trials, NAMES[:2], "latency_ms<10")] == [6]
    assert len(Frontier.of(trials, NAMES[:2], ["params<=1e9"])) == 0


def test_it_is_a_sequence() -> None:
    front = front_of(SMALL)
    assert len(front) == 4
    assert front[0].index == 0
    assert [e.index for e in front[1:3]] == [1, 4]
    assert front[0].architecture.n_layer == 1


def test_hypervolume_takes_the_reference_in_the_objectives_own_units() -> None:
    front = front_of([(10.0, 30.0), (8.0, 12.0)])
    assert front.hypervolume([4.0, 40.0]) == pytest.approx(6 * 10 + 4 * 18)
    assert front.hypervolume() == pytest.approx(2.2 * 1.8 + 0.2 * 18)
    assert Frontier.of([], NAMES).hypervolume() == 0


@pytest.mark.parametrize(
    ("bounds", "where", "expected"),
    [
        ({}, [], 0),
        ({"latency_ms": ("<=", 12)}, [], 1),
        ({"latency_ms@cpu": ("<", 12)}, [], 2),
        ({}, ["latency_ms<=12", "decoder_params<=6"], 2),
        ({}, [Constraint(Objective("latency_ms", "cpu"), "<=", 29.0)], 1),
        ({}, "latency_ms<=12", 1),
        ({}, Constraint(Objective("latency_ms", "cpu"), "<=", 29.0), 1),
    ],
)
def test_best_under_bounds(bounds: dict[str, tuple[str, float]], where: Constraints, expected: int) -> None:
    assert front_of(SMALL).best("decoder_params", where=where, **bounds).index == expected


def test_best_knows_the_direction_and_any_measured_quantity() -> None:
    front = Frontier.of(
        [evaluation(0, 9.0, 9.0, params=Measurement.of(3, "parameters")), evaluation(1, 8.0, 1.0)], NAMES[:2]
    )
    assert front.best("latency_ms").index == 1
    assert front.best("latency_ms@cpu", where=["decoder_params>=9"]).index == 0
    assert front.best("params").index == 0


def test_best_says_how_near_the_frontier_comes() -> None:
    front = front_of(SMALL)
    with pytest.raises(UsageError, match=r"latency_ms@cpu<=4; at best latency_ms@cpu comes to 5 ms: relax"):
        front.best("decoder_params", latency_ms=("<=", 4))
    with pytest.raises(UsageError, match=r"comes to 12 ms \(with decoder_params>=8\), .* comes to 5 parameters"):
        front.best("decoder_params", where=["latency_ms<=6", "decoder_params>=8"])
    with pytest.raises(
        UsageError, match=r"at best decoder_params comes to 10 parameters, latency_ms@cpu comes to 5 ms"
    ):
        front.best("decoder_params", where=["decoder_params>=11", "latency_ms<=4"])


def test_an_empty_frontier_says_how_near_the_evaluations_come() -> None:
    front = front_of(SMALL, constraints=["latency_ms<=4", "decoder_params>=8"])
    assert front.why_empty == (
        "nothing evaluated (5 with values) has latency_ms@cpu<=4 and decoder_params>=8; at best latency_ms@cpu comes "
        "to 12 ms (with decoder_params>=8), decoder_params comes to 10 parameters"
    )
    with pytest.raises(UsageError, match=r"the frontier is empty: nothing evaluated \(5 with values\)"):
        front.best("decoder_params")
    assert front_of(SMALL).why_empty == ""
    assert repr(front) == f"Frontier(empty: {front.why_empty})"


def test_it_is_printed_in_one_line() -> None:
    assert str(front_of(SMALL)) == "Frontier(4 architectures: decoder_params max, latency_ms@cpu min; see .table())"
    assert str(front_of(SMALL[:1])).startswith("Frontier(1 architecture: ")


def test_wrong_questions_are_refused_with_words() -> None:
    front = front_of(SMALL)
    with pytest.raises(UsageError, match="did you mean 'latency_ms'"):
        front.best("decoder_params", latencyms=("<", 3))
    with pytest.raises(UsageError, match=r"unknown measured quantity 'energy_wh'.*known: decoder_params"):
        front.best("energy_wh")
    with pytest.raises(UsageError, match="no constraint"):
        front.best("decoder_params", latency_ms=("==", 3))
    for pair in ("<= 3", 3, ("<=",), "<5"):
        with pytest.raises(UsageError, match=r'is no bound; write latency_ms=\("<=", 50\), or where="latency_ms<=50"'):
            front.best("decoder_params", latency_ms=pair)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="the frontier is empty: no evaluation has a value for every objective yet"):
        Frontier.of([], NAMES).best("decoder_params")
    two = {"latency_ms@a100": Measurement.of(1.0, "ms")}
    with pytest.raises(UsageError, match="several devices"):
        Frontier.of([evaluation(0, 1.0, 2.0, **two)], NAMES[:2]).best("latency_ms")


def test_the_title_counts_what_is_there() -> None:
    assert front_of(SMALL[:1]).table().title == "1 non-dominated architecture on cpu"
    assert Frontier.of([], NAMES[:1]).table().title == "0 non-dominated architectures"
    programs = [Evaluation(0, transformer(), evaluation(0, 1.0).measurements)]
    assert Frontier.of(programs, NAMES[:1]).table().title == "1 non-dominated program"


def test_table_shows_shape_and_spread() -> None:
    out = io.StringIO()
    Console(file=out, width=120).print(front_of(SMALL).table(limit=2))
    text = out.getvalue()
    assert "4 non-dominated" in text
    assert "2 of 4 shown" in text
    assert "30.00 ± 0.50" in text
    assert "latency (ms)" in text
    assert "architectures on cpu" in text
    assert [line.split()[0] for line in text.splitlines() if "± 0.50" in line] == ["1", "4"]


def test_rows_and_arrow_hold_the_study_s_numbers() -> None:
    front = front_of(SMALL)
    rows = json.loads(json.dumps(front.to_rows(), allow_nan=False))
    for row, kept in zip(rows, front, strict=True):
        assert Architecture.from_dict(row["architecture"]) == kept.architecture
        assert {n: Measurement.from_dict(m) for n, m in row["measurements"].items()} == dict(kept.measurements)
    table = front.to_arrow()
    assert table.column("latency_ms@cpu").to_pylist() == [30, 12, 12, 5]
    assert table.column("latency_ms@cpu_spread").to_pylist() == [0.5] * 4
    assert table.schema.field("latency_ms@cpu").metadata == {b"unit": b"ms"}
    assert table.column("d_inner").to_pylist()[1] == [128, 192]


def test_export_writes_architectures_that_can_be_read_again(tmp_path: Path) -> None:
    front = front_of(SMALL)
    paths = front.export(tmp_path / "out")
    assert [p.name for p in paths] == [
        *(f"{rank}-{e.candidate.id}.json" for rank, e in enumerate(front, start=1)),
        "frontier.json",
        "frontier.parquet",
    ]
    assert Architecture.from_json(paths[1].read_text()) == front[1].architecture
    assert json.loads(paths[-2].read_text())["frontier"] == json.loads(json.dumps(front.to_rows()))
    assert pq.read_table(paths[-1]).equals(front.to_arrow())


def test_export_replaces_an_earlier_one_and_leaves_other_files(tmp_path: Path) -> None:
    front_of(SMALL).export(tmp_path)
    (tmp_path / "notes-mine.json").write_text("{}")
    smaller = front_of(SMALL[2:3])
    paths = smaller.export(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*(p.name for p in paths), "notes-mine.json"])
    Frontier.of([], NAMES).export(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["frontier.json", "frontier.parquet", "notes-mine.json"]


class Program:
    id = "0" * 16

    def to_dict(self) -> dict[str, Any]:
        return {"ops": ["add"]}


def test_candidates_of_another_kind_have_a_frontier_too(tmp_path: Path) -> None:
    front = Frontier.of([Evaluation(0, Program(), evaluation(0, 1.0, 2.0).measurements)], NAMES[:2])
    assert shape(front[0].candidate) == {}
    assert front.table().row_count == 1
    assert len(front.export(tmp_path)) == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.00123456, "0.001235"),
        (-12.345, "-12.35"),
        (9999, "9999"),
        (10000, "10 k"),
        (999_499, "999 k"),
        (999_500, "1 M"),
        (6_043_392, "6.04 M"),
        (999_600_000, "1 G"),
        (5e12, "5 T"),
        (1.2345e16, "12345 T"),
    ],
)
def test_short_numbers(value: float, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (12.7345, 0.0, "12.73"),
        (909.6, 0.4, "909.60 ± 0.40"),
        (5.2, 31.0, "5 ± 31"),
        (12_345_678, 98_765.0, "12.346 ± 0.099 M"),
        (1.0, 1e-12, "1.000000 ± 0.000000"),
    ],
)
def test_values_are_written_to_the_digits_of_their_spread(value: float, spread: float, text: str) -> None:
    assert cell(Measurement.of(value, "ms", spread=spread)) == text


def test_evenly_keeps_the_ends_and_the_order() -> None:
    for count in range(2, 12):
        chosen = evenly(list(range(9)), count)
        assert chosen == sorted(set(chosen))
        assert len(chosen) == min(count, 9)
        assert (chosen[0], chosen[-1]) == (0, 8)


def test_words() -> None:
    assert cell(Measurement.failed("oom: 2 GB", "MB")) == "failed"
    assert label(Objective("peak_memory_mb", "cpu")) == "peak memory on cpu (MB)"
    assert label(Objective("perplexity")) == "perplexity"
    assert label(Objective("quality")) == "quality (nats)"

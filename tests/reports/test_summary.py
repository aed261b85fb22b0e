from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.pareto import oracles
from tests.reports.synthetic import study

from tradewind.core import Measurement
from tradewind.pareto import oriented
from tradewind.reports.data import ReportData
from tradewind.reports.summary import caveats, failures, first_reasons, methods, no_comparison, picks

EMPTY = dataclasses.replace(study(20), evaluations=(), baseline=(), drift=())


def test_failures_are_counted_once_an_evaluation_and_kind() -> None:
    data = study()
    found = failures(data)
    assert sum(found["failed"].values()) == sum(e.index % 17 == 16 and e.index % 61 != 60 for e in data.evaluations)
    assert set(found["failed"]) == {"timeout", "oom", "crash"}
    assert found["invalid"] == {"unstable": 3}
    assert failures(EMPTY) == {"failed": {}, "invalid": {}}


def test_reasons_are_told_whole_but_for_folders() -> None:
    data = study(20)
    reason = "error: OSError: cannot read '/home/canary/runs/a.bin' at 3 GB/s, see ~/canary/b"
    lost = {"latency_ms@cpu": Measurement.failed(reason, "ms")}
    data = dataclasses.replace(data, evaluations=(dataclasses.replace(data.evaluations[0], measurements=lost),))
    assert first_reasons(data) == ["error: OSError: cannot read '…/a.bin' at 3 GB/s, see …/b"]


def test_progress_is_the_hypervolume_after_each_evaluation() -> None:
    data = study(60, names="decoder_params,latency_ms@cpu", constraints=["decoder_params>=2e7"])
    assert data.reference is not None
    final = oracles.hypervolume(data.points(data.frontier), data.reference)
    steps = dict(data.progress)
    share = 0.0
    for done in range(1, len(data.evaluations) + 1):
        share = steps.get(done, share)
        part = dataclasses.replace(data, evaluations=data.evaluations[:done])
        front = data.points(part.frontier)
        assert share == pytest.approx(oracles.hypervolume(front, data.reference) / final)
    assert steps[0] == 0
    assert steps[len(data.evaluations)] == pytest.approx(1)


def test_the_baseline_s_share_is_under_the_same_reference_point() -> None:
    data = study(40, names="decoder_params,latency_ms@cpu")
    assert data.reference is not None
    points = oriented([e.values(data.objectives) for e in data.baseline], data.objectives)
    front = data.points(data.frontier)
    expected = oracles.hypervolume(points, data.reference) / oracles.hypervolume(front, data.reference)
    assert data.baseline_share == pytest.approx(expected)
    assert dataclasses.replace(data, baseline=()).baseline_share is None


def test_picks_are_the_extremes_and_the_most_balanced() -> None:
    data = study()
    found = {p.reason: p for p in picks(data)}
    values = data.frontier.values
    assert found["most decoder parameters"].rank == int(np.argmax(values[:, 0])) + 1 == 1
    assert found["least latency"].rank == int(np.argmin(values[:, 1])) + 1
    assert found["least peak memory"].rank == int(np.argmin(values[:, 2])) + 1
    low, high = values.min(axis=0), values.max(axis=0)
    worst = np.where([True, False, False], high - values, values - low) / (high - low)
    assert found["most balanced"].rank == int(np.argmin(worst.max(axis=1))) + 1
    assert all(data.frontier[p.rank - 1] is p.evaluation for p in found.values())


def test_one_architecture_can_be_several_picks() -> None:
    data = dataclasses.replace(study(20), evaluations=study(20).evaluations[:1])
    (pick,) = picks(data)
    assert pick.reason == "most decoder parameters and least latency and least peak memory"


def test_methods_tell_repetitions_spread_and_allowed_conditions_only() -> None:
    rows = {row["objective"]: row for row in methods(study())}
    latency = rows["latency_ms@cpu"]
    assert latency["method"] == "median wall time"
    assert 10 <= latency["n_min"] < latency["n_max"] < 30
    assert latency["median_relative_spread"] == pytest.approx(0.03, rel=0.1)
    assert latency["conditions"] == {
        "batch": "1",
        "seq_len": "192",
        "dtype": "float32",
        "threads": "1",
        "torch": "2.13.0",
    }
    assert rows["decoder_params"]["median_relative_spread"] is None


def test_caveats_name_what_was_lost_drift_and_damage() -> None:
    lines = caveats(dataclasses.replace(study(), damaged=("row 3: checksum",)))
    assert lines[0].startswith("14 of 200 evaluations have no value: 3 failed (crash)")
    assert lines[0].endswith("The first of each: oom: 2 GB; timeout: 120 s; crash: signal 9; unstable: spread 40 %.")
    assert lines[1] == "The machine drifted by +3.6 % at most over 10 readings of the anchor."
    assert lines[2] == "1 stored entries are damaged and left out: row 3: checksum."
    assert caveats(dataclasses.replace(EMPTY, drift=((0, 1.0),))) == [
        "Whether the machine drifted is unknown: its anchor was read once."
    ]
    assert caveats(EMPTY) == []


@pytest.mark.parametrize(
    ("details", "setup", "words"),
    [
        ({"stable": False}, {}, "20 of 20 have a time that had not settled"),
        ({"drifted": True}, {}, "20 of 20 were measured beyond the limit of drift; their time is shown as measured"),
        ({"drifted": True}, {"correct_drift": True}, "their time was divided by the drift"),
    ],
)
def test_caveats_count_doubtful_times(details: dict[str, bool], setup: dict[str, bool], words: str) -> None:
    data = study(21)
    marked = tuple(
        dataclasses.replace(
            e, measurements={n: dataclasses.replace(m, details=details) for n, m in e.measurements.items()}
        )
        for e in data.evaluations
    )
    assert words in " ".join(caveats(dataclasses.replace(data, evaluations=marked, setup=setup)))
    assert "settled" not in " ".join(caveats(data))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (EMPTY, "No evaluation has a value for every objective yet: there is no frontier."),
        (study(20, constraints=["latency_ms<=0.1"]), "has latency_ms@cpu<=0.1; at best latency_ms@cpu comes to "),
        (dataclasses.replace(study(20), baseline=()), "No scaled baseline"),
        (dataclasses.replace(study(20), evaluations=study(20).evaluations[:1]), "size within"),
    ],
)
def test_why_nothing_is_compared(data: ReportData, words: str) -> None:
    assert words in no_comparison(data)


def test_an_empty_study_has_no_progress_and_no_picks() -> None:
    assert EMPTY.progress == ()
    assert picks(EMPTY) == []
    assert EMPTY.reference is None

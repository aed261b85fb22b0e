from __future__ import annotations

import dataclasses
import json

import pytest
from tests.reports.synthetic import study

from tradewind.core import Architecture, Measurement
from tradewind.reports.comparison import comparisons
from tradewind.reports.machine import SCHEMA, document

DATA = study(120)
DOCUMENT = json.loads(json.dumps(document(DATA), allow_nan=False))


def test_numbers_are_those_of_the_study() -> None:
    assert DOCUMENT["schema"] == SCHEMA
    assert DOCUMENT["why_empty"] == ""
    assert DOCUMENT["counts"] == {
        "evaluations": 120,
        "with_values": len(DATA.valued),
        "frontier": len(DATA.frontier),
        "baseline": 15,
    }
    for key, evaluations in (("frontier", DATA.frontier), ("baseline", DATA.baseline)):
        for row, evaluation in zip(DOCUMENT[key], evaluations, strict=True):
            assert Architecture.from_dict(row["architecture"]) == evaluation.candidate
            for name, measurement in evaluation.measurements.items():
                expected = dataclasses.replace(measurement, details={})
                assert Measurement.from_dict(row["measurements"][name]) == expected
    assert [row["rank"] for row in DOCUMENT["frontier"]] == list(range(1, len(DATA.frontier) + 1))
    for row, evaluation in zip(DOCUMENT["evaluated"], DATA.evaluations, strict=True):
        measured = [evaluation.measurements[o.name].value for o in DATA.objectives]
        assert row == {"evaluation": evaluation.index, "id": evaluation.candidate.id, "values": measured}


def test_hypervolume_is_reproducible_from_what_is_printed() -> None:
    found = DOCUMENT["hypervolume"]
    assert DATA.frontier.hypervolume(found["reference"]) == pytest.approx(found["value"])
    assert found["progress"] == [list(step) for step in DATA.progress]
    assert 0 < found["baseline_share"] < 1


def test_headline_holds_best_medians_and_every_point() -> None:
    for entry, comparison in zip(DOCUMENT["headline"], comparisons(DATA), strict=True):
        assert entry["cost"] == comparison.cost.name
        assert entry["compared"] == len(entry["points"]) == len(comparison.ratios)
        assert entry["best"]["ratio"] == max(point["ratio"] for point in entry["points"])
        assert entry["baseline_range"] == list(comparison.span)
        for point in entry["points"]:
            assert point["low"] <= point["ratio"] <= point["high"]
        middle = entry["median_of_best_at_size"]
        assert middle["low"] <= middle["ratio"] <= middle["high"]


def test_picks_point_into_the_frontier() -> None:
    for pick in DOCUMENT["picks"]:
        assert DOCUMENT["frontier"][pick["rank"] - 1]["id"] == pick["id"]


def test_details_that_are_not_allowed_stay_out() -> None:
    assert "secret" not in json.dumps(DOCUMENT)


def test_an_empty_study_is_a_document_too() -> None:
    empty = json.loads(json.dumps(document(dataclasses.replace(DATA, evaluations=(), baseline=())), allow_nan=False))
    assert empty["hypervolume"] is None
    assert empty["headline"] == empty["frontier"] == empty["picks"] == []

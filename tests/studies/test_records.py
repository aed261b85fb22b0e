from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.studies.fakes import OBJECTIVES, evaluation, formula

from tradewind.core import Measurement, Objective
from tradewind.studies.records import Damage, decode, encode, storable

FLOPS = Objective("flops")
LATENCY = Objective("latency_ms", "cpu")


def stored(record: Any, **changes: Any) -> Any:
    return SimpleNamespace(number=1, **(vars(encode(record)) | changes))


def test_whole_seconds_are_stored_as_read_back() -> None:
    row = stored(evaluation(4, seconds=2))
    assert type(row.seconds) is float
    assert decode(row) == evaluation(4, seconds=2.0)


def test_text_can_not_move_from_one_cell_to_the_next() -> None:
    row = encode(evaluation(4))
    moved = {"candidate": row.candidate + row.measurements[:1], "measurements": row.measurements[1:]}
    assert isinstance(decode(stored(evaluation(4), **moved)), Damage)


def test_a_row_gives_the_evaluation_back() -> None:
    record = evaluation(4, role="baseline")
    assert decode(stored(record)) == record


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(type(encode(evaluation(0))))])
def test_every_field_is_under_the_checksum(field: str) -> None:
    record = dataclasses.replace(evaluation(4), fidelity=10)
    value = getattr(stored(record), field)
    changed = value + 1 if isinstance(value, (int, float)) else value[:-1] + ("0" if value[-1] != "0" else "1")
    assert isinstance(decode(stored(record, **{field: changed})), Damage)


def test_a_part_is_not_the_whole() -> None:
    part = dataclasses.replace(evaluation(4), fidelity=10)
    assert decode(stored(part)) == part != evaluation(4)
    assert isinstance(decode(stored(part, fidelity=None)), Damage)


@pytest.mark.parametrize("value", [None, b"\x00", 3, "", "[", '{"family":"gpt2"}'])
def test_what_is_no_evaluation_is_damage(value: Any) -> None:
    assert isinstance(decode(stored(evaluation(4), candidate=value)), Damage)


@given(value=st.floats(allow_nan=True, allow_infinity=True), spread=st.floats(allow_nan=True, allow_infinity=True))
def test_any_number_is_stored_as_what_it_is(value: float, spread: float) -> None:
    m = Measurement(value=value, unit="ms", spread=spread, details={"raw": [value, np.float32(1.5)], "n": (1, 2)})
    clean = storable({"latency_ms@cpu": m}, [LATENCY])
    record = dataclasses.replace(evaluation(0), measurements=clean)
    back = decode(stored(record))
    assert back == record
    found = clean["latency_ms@cpu"]
    if math.isfinite(value) and value >= 0:
        assert found.ok
        assert found.value == value
    else:
        why = "nan" if math.isnan(value) else "infinite" if math.isinf(value) else "negative"
        assert (found.status, found.value, found.reason.partition(":")[0]) == ("invalid", None, why)
    assert found.spread is None or math.isfinite(found.spread)


def test_a_logarithm_may_be_negative() -> None:
    found = storable({"quality": Measurement.of(-3.5, "nats")}, [Objective("quality")])
    assert found["quality"].value == -3.5


def test_a_missing_objective_is_a_failed_one() -> None:
    found = storable({}, [LATENCY])["latency_ms@cpu"]
    assert (found.status, found.reason, found.device) == ("failed", "protocol: the evaluator gave no value", "cpu")


def test_unlike_units_are_refused() -> None:
    found = storable({"latency_ms@cpu": Measurement.of(0.3, "s")}, [LATENCY])["latency_ms@cpu"]
    assert found.reason == "protocol: the evaluator gave s"


def test_what_is_measured_beside_is_kept() -> None:
    candidate = evaluation(0).candidate
    found = storable({**formula(candidate), "params": Measurement.of(np.int64(7), "parameters")}, OBJECTIVES)
    assert found["params"].value == 7
    assert type(found["params"].value) is int


def test_a_failure_stays_as_it_is() -> None:
    m = Measurement.failed("oom: 512 MB", "FLOP", details={"peak_mb": float("inf")})
    found = storable({"flops": m}, [FLOPS])["flops"]
    assert (found.status, found.reason, found.details) == ("failed", "oom: 512 MB", {"peak_mb": "inf"})

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import FileFormatError, Measurement


@given(st.floats() | st.integers(-(2**60), 2**60), st.none() | st.floats(0, 1e6), st.integers(1, 100))
def test_any_number_survives_json_or_is_invalid_with_a_reason(value: float, spread: float | None, n: int) -> None:
    m = Measurement.of(value, "ms", spread=spread, n=n, method="median", device="cpu", details={"batch": 1})
    again = Measurement.from_dict(json.loads(json.dumps(m.to_dict(), allow_nan=False)))
    assert again == m
    if isinstance(value, int) or np.isfinite(value):
        assert m.ok
        assert m.value == value
        assert type(m.value) is type(value)
    else:
        assert m.status == "invalid"
        assert m.value is None
        assert m.reason.split(":")[0] in {"nan", "infinite"}


def test_numpy_numbers_become_plain_ones() -> None:
    assert type(Measurement.of(np.int64(3), "parameters").value) is int
    assert type(Measurement.of(np.float32(0.5), "ms").value) is float


def test_failures_have_no_value() -> None:
    failed = Measurement.failed("oom: 2 GB of 1 GB", "MB", device="cpu")
    assert (failed.value, failed.ok, failed.status) == (None, False, "failed")
    assert Measurement.from_dict(failed.to_dict()) == failed
    assert "oom" in repr(failed)


@pytest.mark.parametrize("data", [{"value": 1}, {"value": None, "unit": "ms"}, {"value": 1, "unit": "ms", "colour": 2}])
def test_broken_records_are_refused(data: dict[str, object]) -> None:
    with pytest.raises(FileFormatError, match="not a measurement"):
        Measurement.from_dict(data)

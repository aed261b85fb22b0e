from __future__ import annotations

import pytest

from tradewind.core import UsageError, Workload


def test_context_follows_the_length_and_data_round_trips() -> None:
    workload = Workload(batch=2, seq_len=64, dtype="bfloat16")
    assert (workload.context, workload.bytes_per_element) == (64, 2)
    assert Workload(**workload.to_dict()) == workload


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch is 0"),
        ({"seq_len": -3}, "seq_len is -3"),
        ({"batch": 2**31}, "batch is 2147483648; it must be a whole number from 1 to 2,147,483,647"),
        ({"context": 10**20}, "context is 10"),
        ({"context": -1}, r"context is -1; it must be a whole number from 0 \(as long as seq_len\) to 2,147,483,647"),
        ({"dtype": "float31"}, "unknown dtype 'float31': did you mean 'float32'"),
        ({"logits": "some"}, "unknown choice of logits"),
    ],
)
def test_wrong_workloads_teach(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Workload(**options)  # type: ignore[arg-type]

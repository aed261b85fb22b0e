from __future__ import annotations

import pytest

from tradewind.benchmarks.hwgpt.targets import METRICS, PREDICTED, column_of, device_of, unit_of, workload
from tradewind.core import Objective, UsageError


def test_there_are_ninety_predicted_numbers_over_three_scales() -> None:
    assert len(PREDICTED) == 30
    assert len(set(METRICS)) == 32


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_an_objective_with_its_unit(metric: str) -> None:
    objective = Objective.parse(metric)
    column = column_of(objective)
    assert column == metric.replace("@", ".")
    assert unit_of(column) == objective.unit
    assert device_of(column) == objective.device


def test_the_workloads_of_the_release() -> None:
    assert workload("m", "latency_ms.a100") == {"network": "profiled", "batch": 4, "seq_len": 1024}
    assert workload("m", "energy_wh.a100")["batch"] == 8
    assert workload("m", "energy_wh.cpu_xeon_gold")["batch"] == 4
    assert workload("l", "perplexity")["network"] == "intended"
    assert workload("l", "float16_memory_mb") == {"network": "profiled"}


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("latency_ms@a10", "unknown device of HW-GPT-Bench 'a10': did you mean 'a100'"),
        ("latency_ms", "unknown metric of HW-GPT-Bench 'latency_ms': did you mean 'latency_ms@"),
        ("perplexty", "did you mean 'perplexity'"),
        ("kv_cache_mb", "unknown metric"),
    ],
)
def test_unknown_metrics_are_met_with_the_nearest(metric: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        column_of(metric)

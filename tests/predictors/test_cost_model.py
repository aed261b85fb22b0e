from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tradewind import spaces
from tradewind.core import ArchitectureBatch, FileFormatError, UsageError, Workload
from tradewind.core.ranking import kendall
from tradewind.predictors.cost_model import CostModel, fit_cost_model
from tradewind.predictors.design import design, pool_of

PRICES = {
    "fixed": 4.0,
    "layers": 0.3,
    "attention matrices": 2e-8,
    "feed-forward matrices": 1.5e-8,
    "output layer": 1e-8,
}


def noisy(n: int, noise: float, seed: int = 0) -> tuple[ArchitectureBatch, np.ndarray]:
    batch = spaces.get("gpt2").sample_many(n, seed)
    truth = CostModel("latency_ms", Workload(), PRICES, ()).predict(batch)
    return batch, truth * np.exp(noise * np.random.default_rng(seed).normal(size=n))


def test_intervals_cover_new_networks_about_as_often_as_they_say() -> None:
    hits = []
    for seed in range(20):
        batch, values = noisy(130, 0.05, seed)
        model = fit_cost_model("latency_ms", batch[:30], values[:30], Workload())
        new = np.abs(values[30:] / model.predict(batch[30:]) - 1)
        hits.append(np.mean(new <= model.half_width(0.9)))
    assert 0.84 < np.mean(hits) < 0.97


def test_too_few_measurements_give_no_interval_and_three_are_needed() -> None:
    batch, values = noisy(8, 0.01)
    assert fit_cost_model("latency_ms", batch, values, Workload()).half_width(0.9) == math.inf
    with pytest.raises(UsageError, match="measure at least 3"):
        fit_cost_model("latency_ms", batch[:2], values[:2], Workload())
    with pytest.raises(UsageError, match="must be positive"):
        fit_cost_model("latency_ms", batch, values * 0, Workload())


def test_the_breakdown_sums_to_the_prediction_and_the_model_survives_json() -> None:
    batch, values = noisy(20, 0.02)
    model = fit_cost_model("latency_ms", batch, values, Workload())
    assert np.allclose(sum(model.breakdown(batch).values()), model.predict(batch))
    again = CostModel.from_dict(json.loads(json.dumps(model.to_dict())))
    assert again == model
    with pytest.raises(FileFormatError, match="not a cost model"):
        CostModel.from_dict({"quantity": "latency_ms"})


def test_predictions_say_that_they_are() -> None:
    batch, values = noisy(20, 0.02)
    (found,) = fit_cost_model("latency_ms", batch, values, Workload()).measure(batch[:1], "laptop")
    assert found.predicted
    assert (found.unit, found.device) == ("ms", "laptop")
    assert found.value == pytest.approx(values[0], rel=0.1)


def test_a_prior_takes_the_place_of_measurements() -> None:
    other = CostModel("latency_ms", Workload(), {k: 2.5 * v for k, v in PRICES.items()}, ())
    new, _ = noisy(200, 0.0, seed=99)
    truth = CostModel("latency_ms", Workload(), PRICES, ()).predict(new)
    errors = {True: [], False: []}
    for seed in range(8):
        batch, values = noisy(6, 0.08, seed)
        for used in errors:
            model = fit_cost_model("latency_ms", batch, values, Workload(), prior=other if used else None)
            errors[used].append(float(np.median(np.abs(model.predict(new) / truth - 1))))
    assert np.mean(errors[True]) < np.mean(errors[False])


@pytest.mark.data
def test_few_published_measurements_rank_the_rest(data_dir: Path) -> None:
    columns = ["embed_dim", "n_layer", "n_head", "mlp_ratio", "bias", "latency_ms.a100"]
    table = pq.read_table(data_dir / "hwgpt_s.parquet", columns=columns)
    batch = ArchitectureBatch.from_arrow(table, "hwgpt")
    values = np.array([np.median(v) for v in table.column("latency_ms.a100").to_pylist()])
    load = Workload(batch=8, seq_len=1024, dtype="bfloat16")
    rng = np.random.default_rng(0)
    picks = rng.permutation(len(batch))
    model = fit_cost_model("latency_ms", batch[picks[:48]], values[picks[:48]], load)
    assert kendall(model.predict(batch[picks[48:2048]]), values[picks[48:2048]]) > 0.98


def test_designed_measurements_fix_the_prices_better_than_random_ones() -> None:
    space, load = spaces.get("gpt2"), Workload()
    truth = CostModel("latency_ms", load, PRICES, ())
    new = space.sample_many(300, seed=1000)
    errors = {"design": [], "random": []}
    for seed in range(6):
        noise = np.exp(0.05 * np.random.default_rng(seed).normal(size=12))
        for kind, archs in (
            ("design", ArchitectureBatch.of(design(pool_of(space, seed), 12, seed, "latency_ms", load))),
            ("random", space.sample_many(12, seed + 50)),
        ):
            model = fit_cost_model("latency_ms", archs, truth.predict(archs) * noise, load)
            errors[kind].append(float(np.quantile(np.abs(model.predict(new) / truth.predict(new) - 1), 0.9)))
    assert np.mean(errors["design"]) < np.mean(errors["random"])

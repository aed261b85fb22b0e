from __future__ import annotations

import pytest

from tradewind import costs, spaces
from tradewind.core import Evaluator, Measurement, UsageError, Workload
from tradewind.core.layerwise import Layerwise
from tradewind.evaluators import FormulaEvaluator

LOAD = Workload(batch=2, seq_len=64, context=500, dtype="float16")


@pytest.mark.parametrize("name", ["gpt2", "transformer-xl", "hwgpt-s"])
def test_it_gives_the_closed_forms_one_by_one_and_together(name: str) -> None:
    archs = list(spaces.get(name).sample_many(20, seed=1))
    quantities = ["decoder_params", "params", "flops", "macs", "decode_flops", "kv_cache_mb", "activation_mb"]
    evaluator = FormulaEvaluator(quantities, LOAD)
    together = evaluator.evaluate(archs)
    assert together == [evaluator.evaluate([arch])[0] for arch in archs]
    for arch, found in zip(archs, together, strict=True):
        assert list(found) == quantities
        for quantity in quantities:
            assert found[quantity].value == costs.evaluate(quantity, arch, LOAD)


def test_a_batch_may_be_arrays() -> None:
    batch = spaces.get("gpt2").sample_many(5, seed=1)
    evaluator = FormulaEvaluator("flops")
    assert evaluator.evaluate(batch) == evaluator.evaluate(list(batch))
    assert evaluator.evaluate(batch[:1]) == evaluator.evaluate(batch)[:1]
    assert evaluator.evaluate([]) == []


def test_measurements_carry_unit_method_and_the_workload_that_matters() -> None:
    (found,) = FormulaEvaluator("params,flops", LOAD).evaluate([spaces.get("gpt2").sample(seed=0)])
    assert found["params"] == Measurement.of(found["params"].value or 0, "parameters", method="closed form")
    assert type(found["flops"].value) is int
    assert (found["flops"].unit, found["flops"].details) == ("FLOP", LOAD.to_dict())


def test_it_keeps_the_contract() -> None:
    evaluator = FormulaEvaluator("params,flops", LOAD)
    assert isinstance(evaluator, Evaluator)
    assert evaluator.deterministic
    assert evaluator.describe()["workload"] == LOAD.to_dict()
    assert all(isinstance(part, Layerwise) for part in evaluator.layerwise.values())
    assert list(evaluator.layerwise) == ["params", "flops"]
    evaluator.close()
    evaluator.close()


def test_what_has_no_closed_form_is_refused() -> None:
    with pytest.raises(UsageError, match="perplexity has no closed form \\(those with one: decoder_params, params"):
        FormulaEvaluator("perplexity")

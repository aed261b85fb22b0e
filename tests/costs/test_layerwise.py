from __future__ import annotations

import numpy as np
import pytest

from tradewind import costs
from tradewind.core import GPT2, HWGPT, Architecture, ArchitectureBatch, TransformerXL, UsageError, Workload
from tradewind.core.layerwise import Layerwise
from tradewind.costs.layerwise import closed_form


def _networks(name: str) -> tuple[ArchitectureBatch, list[list[int]], list[Architecture]]:
    """Options of a layer, some choices of options, and the networks built from them."""
    rng = np.random.default_rng(0)
    depths = [int(depth) for depth in rng.integers(1, 6, 20)]
    pairs = [(heads, size) for heads in (2, 4) for size in (2, 3, 5)]
    make = {
        "gpt2": lambda ps: GPT2(d_model=64, n_head=[h for h, _ in ps], d_inner=[64 * m for _, m in ps]),
        "transformer-xl": lambda ps: TransformerXL(
            d_model=128, n_head=[h for h, _ in ps], d_inner=[64 * m for _, m in ps], div_val=2
        ),
        "hwgpt": lambda ps: HWGPT(d_model=192, n_head=[h for h, _ in ps], mlp_ratio=[m for _, m in ps], bias=True),
    }[name]
    choices = [[int(c) for c in rng.integers(0, len(pairs), depth)] for depth in depths]
    options = ArchitectureBatch.of([make([pair]) for pair in pairs])
    return options, choices, [make([pairs[c] for c in chosen]) for chosen in choices]


@pytest.mark.parametrize("family", ["gpt2", "transformer-xl", "hwgpt"])
@pytest.mark.parametrize("quantity", costs.quantities())
def test_the_parts_give_back_the_whole(family: str, quantity: str) -> None:
    options, choices, networks = _networks(family)
    workload = Workload(batch=2, seq_len=16, context=24)
    form = closed_form(quantity, workload)
    assert isinstance(form, Layerwise)
    terms = form.terms(options)
    for chosen, network in zip(choices, networks, strict=True):
        totals = {}
        for term in terms:
            values = [term.at(position)[choice] for position, choice in enumerate(chosen)]
            totals[term.key] = np.array([sum(values) if term.combine == "sum" else max(values)])
        found = form.value(options, len(chosen), totals)
        assert found.shape == (1,)
        assert found[0] == pytest.approx(costs.evaluate(quantity, network, workload), rel=1e-12)


@pytest.mark.parametrize("family", ["gpt2", "transformer-xl", "hwgpt"])
@pytest.mark.parametrize("quantity", costs.quantities())
def test_a_quantity_never_falls_when_a_total_grows(family: str, quantity: str) -> None:
    options, _, _ = _networks(family)
    form = closed_form(quantity)
    keys = [term.key for term in form.terms(options)]
    start = {key: np.array([1000.0]) for key in keys}
    for key in keys:
        grown = start | {key: np.array([2000.0])}
        assert form.value(options, 3, grown)[0] >= form.value(options, 3, start)[0]


def test_unknown_quantity_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'flops'"):
        closed_form("flop")

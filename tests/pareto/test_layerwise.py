from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.layerwise import LayerTerm
from tradewind.pareto import nondominated_mask
from tradewind.pareto.layerwise import choices_of, stages


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[LayerTerm], int]:
    options, depth = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    terms = []
    for index in range(draw(st.integers(1, 3))):
        positions = (depth,) if draw(st.booleans()) else ()
        count = options * (depth if positions else 1)
        cells = draw(st.lists(st.integers(0, 6), min_size=count, max_size=count))
        values = np.array(cells, dtype=float).reshape(*positions, options)
        combine = draw(st.sampled_from(["sum", "max"]))
        directions = draw(st.sampled_from([[True], [False], [True, False]]))
        terms += [LayerTerm(f"t{index}", combine, values, rising) for rising in directions]
    return terms, depth


def totals_of(terms: list[LayerTerm], choices: tuple[int, ...]) -> tuple[float, ...]:
    """Oriented totals of one network, one entry a term and direction, straight from the definition."""
    result = []
    for term in terms:
        values = [float(term.at(position)[choice]) for position, choice in enumerate(choices)]
        total = sum(values) if term.combine == "sum" else max(values)
        result.append(total if term.rising else -total)
    return tuple(result)


def brute_force(terms: list[LayerTerm], depth: int) -> set[tuple[float, ...]]:
    options = len(terms[0].at(0))
    points = {totals_of(terms, c) for c in itertools.product(range(options), repeat=depth)}
    return {p for p in points if not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in points)}


@given(problems())
def test_every_stage_is_the_brute_force_frontier(problem: tuple[list[LayerTerm], int]) -> None:
    terms, depth = problem
    history = []
    for stage in stages(terms, depth):
        history.append(stage)
        found = [
            tuple(float(stage.totals[t.key][i]) * (1 if t.rising else -1) for t in terms) for i in range(len(stage))
        ]
        assert len(set(found)) == len(found)
        assert set(found) == brute_force(terms, stage.n_layer)
        for index, totals in enumerate(found):
            assert totals_of(terms, tuple(choices_of(history, np.array([index]))[0].tolist())) == totals


@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_epsilon_keeps_a_network_within_the_factor_of_every_dropped_one(epsilon: float) -> None:
    rng = np.random.default_rng(0)
    depth, options = 5, 6
    terms = [LayerTerm("a", "sum", rng.uniform(1, 9, options)), LayerTerm("b", "sum", rng.uniform(1, 9, options))]
    *_, exact = stages(terms, depth)
    *_, coarse = stages(terms, depth, epsilon)
    assert len(coarse) < len(exact)
    kept = np.column_stack([coarse.totals["a"], coarse.totals["b"]])
    for point in zip(exact.totals["a"], exact.totals["b"], strict=True):
        assert (kept <= (1 + epsilon) * np.array(point)).all(axis=1).any()


def test_exchangeable_layers_stay_few() -> None:
    inner = np.arange(128, 4033, 64)
    terms = [
        LayerTerm("params", "sum", inner.astype(float), rising=False),
        LayerTerm("params", "sum", inner.astype(float)),
        LayerTerm("largest", "max", inner.astype(float)),
    ]
    *_, last = stages(terms, 15)
    assert len(last) == 15 * (len(inner) - 1) + 1


@pytest.mark.parametrize("positions", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("count", [2, 3])
def test_what_is_left_out_of_large_stages_changes_no_frontier(
    tied: bool, positions: bool, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = np.random.default_rng(1).uniform(1, 9, (count, 6, 9))
    cells = np.floor(cells / 2) if tied else cells
    terms = [LayerTerm(f"t{i}", "sum", c if positions else c[0], bool(i)) for i, c in enumerate(cells)]

    def fronts() -> list[set[tuple[float, ...]]]:
        found = []
        for stage in stages(terms, 6):
            points = np.column_stack([(1 if term.rising else -1) * stage.totals[term.key] for term in terms])
            found.append({tuple(row) for row in points[nondominated_mask(points)].tolist()})
        return found

    exact = fronts()
    monkeypatch.setattr("tradewind.pareto.layerwise.FEW", 1)
    assert fronts() == exact


@given(problems())
def test_with_and_without_short_cuts_the_frontier_is_brute_force(problem: tuple[list[LayerTerm], int]) -> None:
    terms, depth = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tradewind.pareto.layerwise.FEW", 0)
        patch.setattr("tradewind.pareto.layerwise.CARRIED", 1.2)
        *_, last = stages(terms, depth)
    found = np.array([last.totals[t.key] * (1 if t.rising else -1) for t in terms]).T
    assert {tuple(row) for row in found[nondominated_mask(found)].tolist()} == brute_force(terms, depth)


def test_networks_that_differ_in_order_only_are_kept_once() -> None:
    rng = np.random.default_rng(3)
    terms = [LayerTerm("a", "sum", rng.uniform(1, 2, 4)), LayerTerm("b", "sum", rng.uniform(1, 2, 4), rising=False)]
    *_, last = stages(terms, 12)
    # With floating-point sums the same choices in another order would often differ in the last digit.
    counts = {tuple(np.bincount(row, minlength=4)) for row in choices_of(list(stages(terms, 12)), np.arange(len(last)))}
    assert len(counts) == len(last)

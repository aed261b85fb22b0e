from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.layerwise import LayerTerm
from tradewind.pareto import nondominated_mask
from tradewind.pareto.layerwise import _kept, _sifted, choices_of, stages


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


@pytest.mark.parametrize("tied", [False, True])
def test_dominated_rows_that_are_carried_along_change_no_frontier(tied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    cells = rng.uniform(1, 9, (3, 6, 9))
    terms = [LayerTerm(f"t{i}", "sum", np.floor(4 * c) if tied else c, bool(i)) for i, c in enumerate(cells)]

    def fronts() -> list[set[tuple[float, ...]]]:
        found = []
        for stage in stages(terms, 6):
            points = np.column_stack([stage.totals["t0"] * -1, stage.totals["t1"], stage.totals["t2"]])
            found.append({tuple(row) for row in points[nondominated_mask(points)].tolist()})
        return found

    exact = fronts()
    monkeypatch.setattr("tradewind.pareto.layerwise.FEW", 20)
    assert fronts() == exact


@pytest.mark.parametrize("kind", ["spread", "tied", "skewed", "flat", "huge"])
def test_the_grid_finds_only_dominated_rows_and_most_of_them(kind: str) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(size=(6000, 3))
    if kind == "tied":
        points = np.floor(points * 12)
    elif kind == "skewed":
        points = np.exp(12 * points)
    elif kind == "flat":
        points[:, 1] = 3.0
    elif kind == "huge":
        points = points * 1e-9 + np.array([1e15, -1e15, 1.0])
    dominated = ~nondominated_mask(points)
    left = np.zeros(len(points), dtype=bool)
    left[_sifted(list(points.T))] = True
    assert np.all(left | dominated)
    if kind == "spread":
        assert (~left).sum() > 0.9 * dominated.sum()
    distinct = {tuple(row) for row in points[~dominated].tolist()}
    kept = points[_kept(points, np.empty((6000, 0)), 0.0)].tolist()
    assert len(kept) == len(distinct)
    assert {tuple(row) for row in kept} == distinct

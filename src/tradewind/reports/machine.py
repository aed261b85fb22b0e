"""The report for machines: one JSON document, also embedded in the HTML page.

Keys: `schema` ("tradewind.report/1"), `run`, `objectives` and `constraints`; `counts` (evaluations of the search, those
with values, on the frontier, of the baseline); `failed` and `invalid` (evaluations by kind of reason); `frontier` and
`baseline` (rank, id, evaluation, architecture, measurements with unit, spread, n, method, device); `why_empty` (why
there is no frontier, else ""); `evaluated` (index, id and values in the order of `objectives`, null where there is
none); `hypervolume` (value, reference point in the objectives' own units, the baseline's share, progress as
[evaluations, share of the final]); `headline` (one entry a cost, see `comparison`); `prices` (the device's cost models,
see `prices`) and `remainder` (what they expect beyond the measured frontier); `picks`; `methods` (how each objective
was measured); `setup`; `drift` ([evaluations done, anchor's cost relative to its first reading]); `damaged` (what could
not be read).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tradewind.core import Evaluation, Objective
from tradewind.pareto import hypervolume, oriented
from tradewind.pareto.wording import label
from tradewind.reports.comparison import AXIS, RULE, Comparison, Ratio, better_in_all, comparisons, median
from tradewind.reports.data import ReportData
from tradewind.reports.prices import Prices, prices, remainder
from tradewind.reports.summary import failures, methods, picks

SCHEMA = "tradewind.report/1"


def document(data: ReportData) -> dict[str, Any]:
    """The whole report as plain JSON values."""
    front = data.frontier
    found = comparisons(data)
    winners, compared = better_in_all(found)
    return {
        "schema": SCHEMA,
        "run": data.name,
        "objectives": [_objective(o) for o in data.objectives],
        "constraints": [str(constraint) for constraint in data.constraints],
        "counts": {
            "evaluations": len(data.evaluations),
            "with_values": len(data.valued),
            "frontier": len(front),
            "baseline": len(data.baseline),
        },
        "why_empty": front.why_empty,
        **failures(data),
        "frontier": [{"rank": rank, **_row(e)} for rank, e in enumerate(front, start=1)],
        "baseline": [_row(e) for e in data.baseline],
        "evaluated": [
            {"evaluation": e.index, "id": e.candidate.id, "values": _values(e, data.objectives)}
            for e in data.evaluations
        ],
        "hypervolume": _hypervolume(data),
        "headline": [_comparison(comparison) for comparison in found],
        "prices": [_prices(found) for found in prices(data)],
        "remainder": dataclasses.asdict(left) if (left := remainder(data)) else None,
        "better_in_all_costs": {"architectures": winners, "of": compared},
        "picks": [{"pick": p.reason, "rank": p.rank, "id": p.evaluation.candidate.id} for p in picks(data)],
        "methods": methods(data),
        "setup": dict(data.setup),
        "drift": [list(reading) for reading in data.drift],
        "damaged": list(data.damaged),
    }


def _objective(objective: Objective) -> dict[str, Any]:
    return {
        "name": objective.name,
        "label": label(objective),
        "unit": objective.unit,
        "minimise": objective.minimise,
        "device": objective.device,
    }


def _row(evaluation: Evaluation) -> dict[str, Any]:
    """The details of measurements stay in the study; `methods` has those that a report shows."""
    found = {name: dataclasses.replace(m, details={}).to_dict() for name, m in evaluation.measurements.items()}
    return {
        "id": evaluation.candidate.id,
        "evaluation": evaluation.index,
        "architecture": evaluation.candidate.to_dict(),
        "measurements": found,
    }


def _values(evaluation: Evaluation, objectives: tuple[Objective, ...]) -> list[float | None]:
    measured = [evaluation.measurements.get(o.name) for o in objectives]
    return [m.value if m is not None else None for m in measured]


def _hypervolume(data: ReportData) -> dict[str, Any] | None:
    if data.reference is None:
        return None
    return {
        "value": hypervolume(data.points(data.frontier), data.reference),
        "reference": oriented([data.reference], data.objectives)[0].tolist(),
        "rule": "nadir of the frontier plus a tenth of its range",
        "baseline_share": data.baseline_share,
        "progress": [list(step) for step in data.progress],
    }


def _prices(found: Prices) -> dict[str, Any]:
    return {
        "objective": found.objective.name,
        "n": len(found.measured),
        "median_error_left_out": found.median_error,
        "half_width_90": width if (width := found.model.half_width(0.9)) < float("inf") else None,
        "prices": dict(found.model.prices),
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "cost": comparison.cost.name,
        "axis": AXIS.name,
        "title": comparison.title,
        "rule": RULE,
        "baseline_range": list(comparison.span),
        "compared": len(comparison.ratios),
        "outside_range": comparison.outside,
        "better": comparison.better,
        "best": _ratio(comparison.best),
        "median_of_best_at_size": dict(zip(("ratio", "low", "high"), median(comparison.leaders), strict=True)),
        "median_of_frontier": dict(zip(("ratio", "low", "high"), median(comparison.ratios), strict=True)),
        "points": [_ratio(ratio) for ratio in comparison.ratios],
    }


def _ratio(ratio: Ratio) -> dict[str, Any]:
    return {
        "id": ratio.evaluation.candidate.id,
        "evaluation": ratio.evaluation.index,
        "decoder_params": ratio.decoder_params,
        "ratio": ratio.value,
        "low": ratio.low,
        "high": ratio.high,
        "best_at_size": ratio.leader,
    }

"""What the charts and the figures of a comparison share: colours, line styles, and the surfaces they draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tradewind.pareto import attainment, oriented
from tradewind.reports import style
from tradewind.studies.compare import Contestant, Outcome, Summary

MEASURES = {
    "share": ("Hypervolume short of the exact optimum's (%)", "hypervolume short of the optimum (%)"),
    "igd_plus": ("IGD+ from the exact frontier (normalised)", "IGD+"),
    "epsilon": ("Additive epsilon from the exact frontier (normalised)", "additive epsilon"),
}
"""Measures over evaluations: title and axis; the share is drawn as what is missing, so that less is better in all."""

LEVELS = (25.0, 50.0, 75.0)

_LEAST = 1e-4
"""Percent of hypervolume below which a logarithmic axis ends."""


def colours(contestants: Sequence[Contestant]) -> dict[str, str]:
    """A colour for each algorithm by contestant's name; presets of one algorithm share it, random search is grey."""
    names = [name for name in dict.fromkeys(c.algorithm for c in contestants) if name != "random"]
    palette = (*style.PALETTE[:5], style.SKY, style.INK, style.YELLOW)
    chosen = {name: palette[i % len(palette)] for i, name in enumerate(names)} | {"random": style.GREY}
    return {c.name: chosen[c.algorithm] for c in contestants}


def dashed(contestant: Contestant) -> bool:
    """Presets are dashed, defaults solid."""
    return contestant.preset is not None


def lower_is_better(measure: str, values: np.ndarray) -> np.ndarray:
    """Values of a measure as they are drawn: a share becomes what is missing, in percent."""
    return np.maximum(100 * (1 - values), _LEAST) if measure == "share" else values


def surfaces(outcome: Outcome) -> dict[float, np.ndarray]:
    """The attainment surface of each level (K, 2) of a case with two objectives, in units, by the first objective."""
    objectives = outcome.case.objectives
    found = attainment([oriented(front, objectives) for front in outcome.fronts], LEVELS)
    return {level: oriented(points, objectives) for level, points in found.items()}


def shown_surfaces(summary: Summary, outcomes: Sequence[Outcome], sees: str) -> list[Outcome]:
    """The outcomes whose surfaces are drawn: the best ranked on the case, and random search or else the last."""
    ranking = summary.ranking(sees, outcomes[0].case)
    if ranking is None:
        return list(outcomes)
    other = "random" if "random" in ranking.names and ranking.names[0] != "random" else ranking.names[-1]
    return [o for name in (ranking.names[0], other) for o in outcomes if o.contestant.name == name]

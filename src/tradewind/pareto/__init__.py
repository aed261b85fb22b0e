"""Dominance, quality indicators and the frontier of a study; thin over moocore, which is loaded when first needed."""

from tradewind.pareto.archive import Archive
from tradewind.pareto.attainment import attainment
from tradewind.pareto.dominance import crowding_distance, nondominated_mask, nondominated_rank, oriented
from tradewind.pareto.exact import ExactFrontier, exact_frontier
from tradewind.pareto.frontier import Frontier, feasible
from tradewind.pareto.indicators import (
    epsilon_additive,
    epsilon_multiplicative,
    hypervolume,
    igd_plus,
    normalise,
    reference_point,
)
from tradewind.pareto.supported import supported_frontier

__all__ = [
    "Archive",
    "ExactFrontier",
    "Frontier",
    "attainment",
    "crowding_distance",
    "epsilon_additive",
    "epsilon_multiplicative",
    "exact_frontier",
    "feasible",
    "hypervolume",
    "igd_plus",
    "nondominated_mask",
    "nondominated_rank",
    "normalise",
    "oriented",
    "reference_point",
    "supported_frontier",
]

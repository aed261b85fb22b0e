"""The exact frontier of a whole space for layerwise objectives: no sampling, a proof by dynamic programming.

For every combination of outer genes the non-dominated partial networks are grown layer by layer
(`tradewind.pareto.layerwise`); at each depth of the space they are complete networks, whose objectives are compared
with all others. A constraint is carried along as one more thing to be good at, so that no feasible optimum is lost to
an infeasible network, and applied to complete networks only.

Symbols: F frontier points, M objectives.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from tradewind.core import ArchitectureBatch, Constraint, Objective, UsageError
from tradewind.core.layerwise import LayerTerm, Layerwise, on_grid
from tradewind.pareto.dominance import nondominated_mask, oriented
from tradewind.pareto.filters import FEW, sifted
from tradewind.pareto.layerwise import Stage, choices_of, stages
from tradewind.pareto.networks import Networks

MOST_NETWORKS = 2_000_000
"""Partial networks of one stage beyond which the search gives up rather than fill the memory."""


DIGITS = 42
"""Binary digits of the largest value of an objective beyond which a difference comes from rounding."""


class LayeredSpace(Protocol):
    """A space whose members are a depth, outer genes and a free choice for each layer."""

    @property
    def depths(self) -> tuple[int, ...]:
        """Allowed numbers of layers."""
        ...

    def layer_options(self) -> Any:
        """For every combination of outer genes, the one-layer architectures that carry them."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class ExactFrontier:
    """The non-dominated values of a space, each with one architecture that has them.

    `values` has shape (F, M), in the objectives' own units, best in the first objective first; no two rows are equal.
    Networks that differ but have equal totals in every term are represented by one of them, as are values that agree to
    `DIGITS` binary digits, which differ by rounding only. Architectures are built when they are looked at.
    """

    objectives: tuple[Objective, ...]
    architectures: Networks
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.architectures)


def parts_needed(
    objectives: Sequence[Objective], parts: Mapping[str, Layerwise], constraints: Sequence[Constraint] = ()
) -> dict[str, Layerwise]:
    """The layerwise forms of the objectives and constrained quantities, by name; `UsageError` for a missing one.

    >>> from tradewind.core import parse_objectives
    >>> from tradewind.costs.layerwise import closed_form
    >>> list(parts_needed(parse_objectives("flops"), {name: closed_form(name) for name in ("params", "flops")}))
    ['flops']
    """
    wanted = dict.fromkeys((*(o.name for o in objectives), *(c.objective.name for c in constraints)))
    for name in wanted:
        if name not in parts:
            raise UsageError(
                f"{name} cannot be taken apart into layers, so its frontier cannot be computed exactly; search with "
                "another algorithm, or predict it with a calibrated device"
            )
    return {name: parts[name] for name in wanted}


def exact_frontier(
    space: LayeredSpace,
    objectives: Sequence[Objective],
    parts: Mapping[str, Layerwise],
    constraints: Sequence[Constraint] = (),
    epsilon: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> ExactFrontier:
    """The exact frontier of `space`, or one within the factor 1 + `epsilon` of it in every term.

    It is empty where no architecture satisfies the constraints.

    `parts` maps the name of every objective and of every constrained quantity to its layerwise form. One whose terms
    differ from depth to depth has ``at_depth(n_layer)``; then every depth is searched by itself. `progress` is called
    with the combinations of outer genes done and their number. Raises `UsageError` for a missing form, and where
    the partial networks outgrow the memory (a larger `epsilon` keeps fewer).

    >>> from tradewind import spaces
    >>> from tradewind.core import parse_objectives
    >>> from tradewind.costs.layerwise import closed_form
    >>> space = spaces.get("gpt2", n_layer="2..3", d_model="128,256", d_inner="512..1024:256")
    >>> objectives = parse_objectives("decoder_params,flops")
    >>> front = exact_frontier(space, objectives, {o.name: closed_form(o.quantity) for o in objectives})
    >>> len(front), front.values[0].tolist()
    (24, [2369792.0, 5959680000.0])
    """
    parts = parts_needed(objectives, parts, constraints)
    found: list[_Front] = []
    rows = list(itertools.product(space.layer_options(), by_depth(parts, space.depths)))
    for index, (options, (depths, known)) in enumerate(rows):
        found.append(_front_of(options, depths, objectives, known, constraints, epsilon))
        # Merging now and then bounds the memory without comparing everything at every step.
        if len(found) > 16 or index == len(rows) - 1:
            found = _merge(found)
        if progress is not None:
            progress(index + 1, len(rows))
    values = np.concatenate([np.empty((0, len(objectives))), *(front.values for front in found)])
    order = np.lexsort(values.T[::-1])
    architectures = Networks([block for front in found for block in front.blocks()], order)
    return ExactFrontier(tuple(objectives), architectures, oriented(values[order], objectives))


def by_depth(
    parts: Mapping[str, Layerwise], depths: Sequence[int]
) -> list[tuple[Sequence[int], Mapping[str, Layerwise]]]:
    """What to search together: all depths, or each alone with the parts as they are at it."""
    if not any(hasattr(part, "at_depth") for part in parts.values()):
        return [(depths, parts)]
    return [
        ((depth,), {n: part.at_depth(depth) if hasattr(part, "at_depth") else part for n, part in parts.items()})
        for depth in depths
    ]


@dataclasses.dataclass(frozen=True, eq=False)
class _Front:
    """Complete networks of one combination of outer genes: oriented values (F, M), and where each stands."""

    options: ArchitectureBatch
    history: Sequence[Stage]
    values: np.ndarray
    depth: np.ndarray
    index: np.ndarray

    def take(self, mask: np.ndarray) -> _Front:
        return dataclasses.replace(self, values=self.values[mask], depth=self.depth[mask], index=self.index[mask])

    def blocks(self) -> list[tuple[ArchitectureBatch, np.ndarray]]:
        """For each depth the options and which of them each network has; in the order of the values."""
        return [
            (self.options, choices_of(self.history[:depth], self.index[self.depth == depth]))
            for depth in np.unique(self.depth).tolist()
        ]


def _front_of(
    options: ArchitectureBatch,
    depths: Sequence[int],
    objectives: Sequence[Objective],
    parts: Mapping[str, Layerwise],
    constraints: Sequence[Constraint],
    epsilon: float,
) -> _Front:
    parts = fewest_terms(options, parts)
    terms = oriented_terms(options, objectives, parts, constraints)
    history: list[Stage] = []
    values, depth, index = [np.empty((0, len(objectives)))], [np.empty(0, int)], [np.empty(0, int)]
    for stage in stages(terms, max(depths), epsilon):
        history.append(stage)
        if len(stage) > MOST_NETWORKS:
            raise UsageError(
                f"{len(stage):,} partial networks of {stage.n_layer} layers are non-dominated, more than "
                f"{MOST_NETWORKS:,}; allow an epsilon (e.g. 0.01) or narrow the space"
            )
        if stage.n_layer not in depths:
            continue
        column = {name: parts[name].value(options, stage.n_layer, stage.totals) for name in parts}
        points = oriented(np.column_stack([column[o.name] for o in objectives]), objectives)
        holds = np.ones(len(stage), dtype=bool)
        for constraint in constraints:
            holds &= np.array([constraint.holds(value) for value in column[constraint.objective.name]])
        kept = np.flatnonzero(holds)
        kept = kept[_roughly_best(points[kept])] if len(kept) else kept
        values.append(points[kept])
        depth.append(np.full(len(kept), stage.n_layer))
        index.append(kept)
    return _Front(options, history, np.concatenate(values), np.concatenate(depth), np.concatenate(index))


def _roughly_best(points: np.ndarray) -> np.ndarray:
    """Indices of the non-dominated points and, where grids are faster than comparing in full, of some others."""
    if points.shape[1] == 3 and len(points) > FEW:
        return sifted(list(points.T))
    return np.flatnonzero(nondominated_mask(points))


def fewest_terms(options: ArchitectureBatch, parts: Mapping[str, Layerwise]) -> Mapping[str, Layerwise]:
    """The parts, with the terms of each one merged where that leaves fewer to compare."""

    def count(some: Mapping[str, Layerwise]) -> int:
        return len({term.key for part in some.values() for term in part.terms(options)})

    if count(parts) <= len(parts):
        return parts
    merged = {name: part.merged() if hasattr(part, "merged") else part for name, part in parts.items()}
    return merged if count(merged) < count(parts) else parts


def oriented_terms(
    options: ArchitectureBatch,
    objectives: Sequence[Objective],
    parts: Mapping[str, Layerwise],
    constraints: Sequence[Constraint],
) -> list[LayerTerm]:
    """The terms of all objectives and constrained quantities as things to minimise where they rise."""
    terms: list[LayerTerm] = []
    for objective in objectives:
        terms += _towards(parts[objective.name].terms(options), objective.minimise)
    for constraint in constraints:
        terms += _towards(parts[constraint.objective.name].terms(options), constraint.relation.startswith("<"))
    return terms


def _towards(terms: Sequence[LayerTerm], minimise: bool) -> list[LayerTerm]:
    """The terms as something to minimise: turned round where the objective is to be large."""
    return [term if minimise else dataclasses.replace(term, rising=not term.rising) for term in terms]


def _merge(fronts: Sequence[_Front]) -> list[_Front]:
    """The fronts without the points that another front dominates or repeats; empty fronts are dropped."""
    values = np.concatenate([front.values for front in fronts])
    if not len(values):
        return []
    rounded = np.column_stack([on_grid(column, bits=DIGITS) for column in values.T])
    left = _roughly_best(rounded)
    mask = np.zeros(len(values), dtype=bool)
    mask[left[nondominated_mask(rounded[left], copies=False)]] = True
    ends = np.cumsum([len(front.values) for front in fronts])
    parts = np.split(mask, ends[:-1])
    return [front.take(part) for front, part in zip(fronts, parts, strict=True) if part.any()]

"""The supported part of a frontier of layerwise objectives: in every layer the choice that is best for some weights.

For fixed outer genes and depth the least weighted sum of totals is the sum of each layer's least (Ehrgott 2005,
Multicriteria Optimization, 3.1), so that a whole frontier's skeleton takes milliseconds where the exact one
(`tradewind.pareto.exact`) takes seconds. Where layers count alike they would all change at one weight; weights that
differ a little from layer to layer give the points between.

Symbols: T terms, W weights, L layers, K options of a layer, M objectives.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from tradewind.core import ArchitectureBatch, Constraint, Objective
from tradewind.core.layerwise import LayerTerm, Layerwise
from tradewind.pareto.dominance import nondominated_mask, oriented
from tradewind.pareto.exact import (
    ExactFrontier,
    LayeredSpace,
    by_depth,
    fewest_terms,
    oriented_terms,
    parts_needed,
)
from tradewind.pareto.networks import Networks

VARIED = 0.3
"""Standard deviation of the logarithm of a layer's own weights."""


def supported_frontier(
    space: LayeredSpace,
    objectives: Sequence[Objective],
    parts: Mapping[str, Layerwise],
    constraints: Sequence[Constraint] = (),
    weights: int = 200,
    seed: int = 0,
) -> ExactFrontier:
    """Networks that are best for some weights of the terms, those of them that no other dominates.

    `weights` are tried for each combination of outer genes and depth, once as they are and once varied from layer to
    layer, drawn from `seed`. Every network's values are true; maxima are weighed as if they were sums. Raises
    `UsageError` for a missing form.

    >>> from tradewind import spaces
    >>> from tradewind.core import parse_objectives
    >>> from tradewind.costs.layerwise import closed_form
    >>> space = spaces.get("gpt2", n_layer="2..3", d_model="128,256", d_inner="512..1024:256")
    >>> objectives = parse_objectives("decoder_params,flops")
    >>> front = supported_frontier(space, objectives, {o.name: closed_form(o.quantity) for o in objectives})
    >>> front.values[0].tolist()
    [2369792.0, 5959680000.0]
    """
    parts = parts_needed(objectives, parts, constraints)
    rng = np.random.default_rng(seed)
    blocks: list[tuple[ArchitectureBatch, np.ndarray]] = []
    values = [np.empty((0, len(objectives)))]
    for options, (depths, known) in itertools.product(space.layer_options(), by_depth(parts, space.depths)):
        known = fewest_terms(options, known)
        asked = oriented_terms(options, objectives, known, constraints)
        terms = list({(term.key, term.rising): term for term in asked}.values())
        for depth in depths:
            choices = _best(terms, depth, weights, rng)
            totals = {term.key: _total(term, choices) for term in terms}
            column = {name: part.value(options, depth, totals) for name, part in known.items()}
            points = oriented(np.column_stack([column[o.name] for o in objectives]), objectives)
            holds = np.ones(len(points), dtype=bool)
            for constraint in constraints:
                holds &= np.array([constraint.holds(value) for value in column[constraint.objective.name]])
            kept = np.flatnonzero(holds)
            kept = kept[nondominated_mask(points[kept], copies=False)] if len(kept) else kept
            values.append(points[kept])
            blocks.append((options, choices[kept]))
    points = np.concatenate(values)
    left = np.flatnonzero(nondominated_mask(points, copies=False)) if len(points) else np.empty(0, dtype=np.int64)
    left = left[np.lexsort(points[left].T[::-1])]
    return ExactFrontier(tuple(objectives), Networks(blocks, left), oriented(points[left], objectives))


def _best(terms: Sequence[LayerTerm], depth: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Distinct choices of each layer, (N, L), that are best for some weights."""
    gains = np.array([[term.at(layer) for term in terms] for layer in range(depth)], dtype=float)
    gains *= np.array([1.0 if term.rising else -1.0 for term in terms])[:, None]
    extent = np.ptp(gains, axis=2).sum(axis=0)
    gains /= np.where(extent > 0, extent, 1.0)[:, None]
    plain = rng.dirichlet(np.ones(len(terms)), count)
    plain[: len(terms)] = np.eye(len(terms))[:count] + 1e-6
    own = plain * np.exp(VARIED * rng.normal(size=(depth, *plain.shape)))
    both = np.concatenate([np.broadcast_to(plain, own.shape), own], axis=1)
    choices = (both @ gains).argmin(axis=2).T
    return np.asarray(np.unique(choices, axis=0))


def _total(term: LayerTerm, choices: np.ndarray) -> np.ndarray:
    """The term's total of each network, (N,)."""
    cells = np.stack([term.at(layer)[choices[:, layer]] for layer in range(choices.shape[1])])
    return np.asarray(cells.sum(axis=0) if term.combine == "sum" else cells.max(axis=0), dtype=float)

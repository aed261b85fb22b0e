"""Moves inside a space: one gene away, mutation and crossover, with repair of what a change breaks.

Source: LiteTransformerSearch (Javaheripi et al. 2022, arXiv 2203.02094, released search code): each gene is redrawn
with a probability, uniformly over the values its rules allow; crossover is uniform over genes. There a child whose
inherited d_inner had become too small was thrown away after it had been measured; here it is repaired.

A place is a row and its layers' codes (see `tradewind.spaces.tables`). Symbols: S whole-architecture dimensions without
n_layer, G per-layer dimensions, L layers.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from tradewind.core import Architecture
from tradewind.spaces.tables import Tables

Place: TypeAlias = tuple[int, np.ndarray]
"""Row and codes (L,) of a member."""


def neighbours(t: Tables, place: Place) -> list[Architecture]:
    """Every distinct member one gene away, by depth, then whole architecture, then layer by layer."""
    row, codes = place
    places = [(row, _resize(codes, depth)) for depth in t.depths if depth != len(codes)]
    changed = (t.digits != t.digits[row]).sum(axis=1)
    places += [(int(r), t.repair(int(r), t.code_digits[codes])) for r in np.flatnonzero(changed == 1)]
    for layer, code in enumerate(codes.tolist()):
        for g in range(len(t.layered)):
            places += [(row, _replaced(codes, layer, c)) for c in t.codes_like(row, code, g) if c != code]
    found = {arch.id: arch for arch in (t.build(*p) for p in places)}
    found.pop(t.build(row, codes).id, None)
    return list(found.values())


def step(t: Tables, place: Place, rng: np.random.Generator, spread: bool) -> Architecture:
    """A member that differs in one gene, or with `spread` in one dimension; the same where there is no other choice."""
    row, codes = place
    which, layer, value, many = rng.random(4).tolist()
    whole, layered = t.open_dimensions
    n_open = len(whole) + len(layered) * (1 if spread else len(codes))
    picked = int(which * n_open)
    if picked < len(whole):
        return t.build(*_other_whole(t, place, whole[picked], value))
    if not layered:
        return t.build(row, codes)
    g, first = layered[(picked - len(whole)) % len(layered)], int(layer * len(codes))
    current = int(codes[first])
    others = [code for code in t.codes_like(row, current, g) if code != current]
    if not others:
        return t.build(row, codes)
    chosen = others[int(value * len(others))]
    if not spread:
        return t.build(row, _replaced(codes, first, chosen))
    share = t.shares_of[g]  # what the dimension adds to each code
    changed = codes + (share[chosen] - share[codes])
    layers = rng.permutation((changed != codes).nonzero()[0])
    layers = layers[: 1 + int(many * len(layers))]
    drawn = codes.copy()
    drawn[layers] = changed[layers]
    return t.build(row, t.repair(row, t.code_digits[drawn]) if t.ruled else drawn)


def mutate(t: Tables, place: Place, rng: np.random.Generator, probability: float) -> Architecture:
    """A member in which each gene was redrawn with `probability`."""
    row, codes = place
    depth_u, whole_u, layer_u = _draws(t, rng)
    depth_hit, whole_hit, layer_hit = _hits(t, rng, probability)
    if depth_hit:
        codes = _resize(codes, t.depths[int(depth_u * len(t.depths))])
    for s in np.flatnonzero(whole_hit).tolist():
        rows = t.rows_like(row, s)
        row = rows[int(whole_u[s] * len(rows))]
    if row != place[0]:
        codes = t.repair(row, t.code_digits[codes])
    layer_hit = layer_hit[: len(codes)]
    drawn = codes.tolist()
    for layer, g, u in zip(*(i.tolist() for i in layer_hit.nonzero()), layer_u[: len(codes)][layer_hit], strict=True):
        choices = t.codes_like(row, drawn[layer], g)
        drawn[layer] = choices[int(u * len(choices))]
    return t.build(row, drawn)


def crossover(t: Tables, a: Place, b: Place, rng: np.random.Generator, probability: float) -> Architecture:
    """A member whose genes come from `b` with `probability`, else from `a`."""
    depth_b, whole_b, layer_b = _hits(t, rng, probability)
    row = a[0] if a[0] == b[0] else t.nearest_row(np.where(whole_b, t.digits[b[0]], t.digits[a[0]]))
    depth = len(b[1]) if depth_b else len(a[1])
    both = min(depth, len(a[1]), len(b[1]))
    layers = np.where(layer_b[:both], t.code_digits[b[1][:both]], t.code_digits[a[1][:both]])
    if both < depth:
        longer = a[1] if len(a[1]) > len(b[1]) else b[1]
        layers = np.concatenate([layers, t.code_digits[longer[both:depth]]])
    codes = t.repair(row, layers)
    child = t.build(row, codes)
    t.remember(child, (row, codes))
    return child


def _other_whole(t: Tables, place: Place, dimension: int, value: float) -> Place:
    """A place with another choice of the depth (0) or a whole-architecture dimension, `value` in [0, 1) says which."""
    row, codes = place
    if dimension == 0:
        depths = [depth for depth in t.depths if depth != len(codes)]
        return row, _resize(codes, depths[int(value * len(depths))])
    rows = [other for other in t.rows_like(row, dimension - 1) if other != row]
    if not rows:
        return place
    other = rows[int(value * len(rows))]
    return other, t.repair(other, t.code_digits[codes])


def _draws(t: Tables, rng: np.random.Generator) -> tuple[float, np.ndarray, np.ndarray]:
    """One number in [0, 1) a gene: depth, whole architecture (S,), layers (deepest L, G); the same count always."""
    depth, whole, layers = _parted(t, rng.random(1 + len(t.whole) + t.max_depth * len(t.layered)))
    return float(depth), whole, layers


def _hits(t: Tables, rng: np.random.Generator, probability: float) -> tuple[bool, np.ndarray, np.ndarray]:
    """For each gene whether it is chosen."""
    depth, whole, layers = _parted(t, rng.random(1 + len(t.whole) + t.max_depth * len(t.layered)) < probability)
    return bool(depth), whole, layers


def _parted(t: Tables, flat: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
    n_whole = len(t.whole)
    return flat[0], flat[1 : 1 + n_whole], flat[1 + n_whole :].reshape(t.max_depth, len(t.layered))


def _resize(codes: np.ndarray, depth: int) -> np.ndarray:
    """The first layers, or all of them and the last one repeated."""
    return codes[np.minimum(np.arange(depth), len(codes) - 1)]


def _replaced(codes: np.ndarray, layer: int, code: int) -> np.ndarray:
    copy = codes.copy()
    copy[layer] = code
    return copy

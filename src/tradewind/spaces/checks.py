"""Whether an architecture is in a space; if not, which field is at fault, what is allowed and what is nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind.core import Architecture, InvalidArchitectureError
from tradewind.spaces.dimension import DEPTH, nearest, summary
from tradewind.spaces.moves import Place

if TYPE_CHECKING:
    from tradewind.spaces.space import ArchitectureSpace


def locate(space: ArchitectureSpace, candidate: Any) -> Place:
    """The place of a member; raises `InvalidArchitectureError` with the first field at fault."""
    if not isinstance(candidate, Architecture) or candidate.family != space.family:
        given = candidate.family if isinstance(candidate, Architecture) else type(candidate).__name__
        raise InvalidArchitectureError(
            f"{space.name} holds architectures of the family {space.family!r}; got {given!r}"
        )
    place = space.tables.place(candidate)
    if place is None:
        raise InvalidArchitectureError(f"{space.name}: {_fault(space, candidate)}")
    return place


def _fault(space: ArchitectureSpace, arch: Architecture) -> str:
    t = space.tables
    if arch.n_layer not in t.depths:
        return _refusal(DEPTH, arch.n_layer, t.depths)
    for field in t.fields:
        if field in arch.per_layer_fields() and len(set(getattr(arch, field))) > 1:
            return f"{field} is {list(getattr(arch, field))}; this space has one value for all layers"
    rows = range(len(t.keys))
    key = t.key(arch)
    for field in sorted(t.fields, key=lambda f: f in space.constants):
        i = t.fields.index(field)
        allowed = tuple(dict.fromkeys(t.keys[r][i] for r in rows))
        if key[i] not in allowed:
            return _refusal(field, key[i], allowed)
        rows = [r for r in rows if t.keys[r][i] == key[i]]  # type: ignore[assignment]
    row = t.row_of[key]
    options = t.code_digits[t.allowed[row, : t.counts[row]]]
    for layer in range(arch.n_layer):
        fitting = np.ones(len(options), dtype=bool)
        for g, dimension in enumerate(t.layered):
            value = getattr(arch, dimension.name)[layer]
            allowed = tuple(dimension.choices[i] for i in np.unique(options[fitting, g]))
            if value not in allowed:
                rules = "; ".join(str(rule) for rule in space.rules if dimension.name in (rule.gene, rule.of))
                broken = value in dimension.choices and rules
                reason = f" with d_model {arch.d_model} ({rules})" if broken else ""
                return _refusal(f"{dimension.name} of layer {layer}", value, allowed, reason)
            fitting &= options[:, g] == dimension.choices.index(value)
    raise AssertionError(f"no fault found in {arch}")


def _refusal(field: str, value: Any, allowed: tuple[Any, ...], reason: str = "") -> str:
    if isinstance(value, tuple):
        return f"{field} is {list(value)}; allowed {' or '.join(str(list(a)) for a in allowed)}"
    given = summary([value])
    return f"{field} is {given}; allowed {summary(allowed)}{reason}; nearest {nearest(value, allowed)}"

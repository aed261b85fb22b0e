"""A space as arrays: which combinations of choices are allowed, found once, so that every operation is a look-up.

An architecture of a space is a depth L, a *row* (one combination of the dimensions that hold for the whole
architecture) and L *codes* (one combination of the per-layer dimensions each). Rules tie codes to rows:
`mask[row, code]` says which layers a row may have.

Symbols: R rows, S whole-architecture dimensions without n_layer, G per-layer dimensions, C codes = product of their
numbers of choices.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind.core import Architecture, InvalidArchitectureError, UsageError
from tradewind.core.architecture import family
from tradewind.spaces.dimension import DEPTH, Choice, Dimension, summary

if TYPE_CHECKING:
    from tradewind.spaces.space import ArchitectureSpace

MOST_CELLS = 10_000_000
"""Largest R · C that is tabulated (nine bytes a cell)."""

MOST_ROWS = 20_000
"""Largest R: each row is checked by building an architecture."""


MOST_PLACES = 4096
"""Places of architectures that are remembered."""


@dataclasses.dataclass(frozen=True, eq=False)
class Tables:
    """The allowed combinations of a space.

    `digits` (R, S) holds each row's choice indices, `keys` its values as the family stores them (a d_embed of 0 becomes
    d_model), `row_of` the first row of each key and `distinct` those first rows: two rows of one key are one
    architecture. `code_digits` (C, G) holds each code's choice indices, `allowed` (R, most) the codes of each row,
    padded with its last, and `counts` (R,) how many there are.
    """

    family: str
    depths: tuple[int, ...]
    whole: tuple[Dimension, ...]
    layered: tuple[Dimension, ...]
    fields: tuple[str, ...]
    keys: tuple[tuple[Any, ...], ...]
    row_of: Mapping[tuple[Any, ...], int]
    distinct: np.ndarray
    digits: np.ndarray
    code_digits: np.ndarray
    weights: np.ndarray
    mask: np.ndarray
    allowed: np.ndarray
    counts: np.ndarray

    @property
    def max_depth(self) -> int:
        """The largest number of layers."""
        return self.depths[-1]

    def key(self, arch: Architecture) -> tuple[Any, ...]:
        """An architecture's values of the fields that hold for all of it (of a shared field, the first layer's)."""
        per_layer = arch.per_layer_fields()
        return tuple(getattr(arch, f)[0] if f in per_layer else getattr(arch, f) for f in self.fields)

    def place(self, arch: Architecture) -> tuple[int, np.ndarray] | None:
        """Row and codes (L,) of a member, None for an architecture outside the space."""
        # A search asks for its parents again and again.
        found = self._places.get(arch)
        if found is None and (found := self._find(arch)) is not None:
            self.remember(arch, found)
        return found

    @cached_property
    def _places(self) -> dict[Architecture, tuple[int, np.ndarray]]:
        return {}

    def remember(self, arch: Architecture, place: tuple[int, np.ndarray]) -> None:
        """Keep the place of an architecture that is about to be asked for; its codes must not change any more."""
        if len(self._places) == MOST_PLACES:
            self._places.clear()
        place[1].setflags(write=False)
        self._places[arch] = place

    def _find(self, arch: Architecture) -> tuple[int, np.ndarray] | None:
        row = self.row_of.get(self.key(arch))
        if row is None or arch.n_layer not in self.depths or not self.shares(arch):
            return None
        sums = [0] * arch.n_layer
        try:
            for dimension, share in zip(self.layered, self.share_of, strict=True):
                sums = [total + share[value] for total, value in zip(sums, getattr(arch, dimension.name), strict=True)]
        except KeyError:
            return None
        codes = np.array(sums, dtype=np.int64)
        return (row, codes) if self.mask[row, codes].all() else None

    def shares(self, arch: Architecture) -> bool:
        """Whether every field that the space shares between layers has one value in all of them."""
        shared = (f for f in self.fields if f in arch.per_layer_fields())
        return all(len(set(getattr(arch, f))) == 1 for f in shared)

    @cached_property
    def share_of(self) -> tuple[dict[Choice, int], ...]:
        """For each per-layer dimension, what each choice adds to a code."""
        return tuple(
            {choice: weight * index for index, choice in enumerate(dimension.choices)}
            for dimension, weight in zip(self.layered, self.weights.tolist(), strict=True)
        )

    def build(self, row: int, codes: Sequence[int] | np.ndarray) -> Architecture:
        """The architecture of a row and its layers' codes."""
        values = dict(self._outer_values(row, len(codes)))
        listed = codes.tolist() if isinstance(codes, np.ndarray) else codes
        for dimension, choice_of in zip(self.layered, self.choices_of, strict=True):
            values[dimension.name] = tuple([choice_of[code] for code in listed])
        return family(self.family).of_valid(values)

    def _outer_values(self, row: int, depth: int) -> dict[str, Any]:
        """The values of the fields that hold for all of an architecture, by row and depth."""
        found = self._outer.get((row, depth))
        if found is None:
            per_layer = family(self.family).per_layer_fields()
            key = zip(self.fields, self.keys[row], strict=True)
            found = self._outer[row, depth] = {f: (v,) * depth if f in per_layer else v for f, v in key}
        return found

    @cached_property
    def _outer(self) -> dict[tuple[int, int], dict[str, Any]]:
        return {}

    @cached_property
    def shares_of(self) -> tuple[np.ndarray, ...]:
        """For each per-layer dimension, what it adds to each code."""
        return tuple(np.ascontiguousarray(column) for column in (self.code_digits * self.weights).T)

    @cached_property
    def ruled(self) -> bool:
        """Whether some row refuses some code."""
        return not self.mask.all()

    @cached_property
    def choices_of(self) -> tuple[list[Choice], ...]:
        """For each per-layer dimension, the choice of each code."""
        return tuple([d.choices[i] for i in self.code_digits[:, g].tolist()] for g, d in enumerate(self.layered))

    @cached_property
    def open_dimensions(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Dimensions with several choices: 0 is the depth, 1 + s whole-architecture dimension s; then the per-layer."""
        whole = (len(self.depths), *(len(d.choices) for d in self.whole))
        layered = (len(d.choices) for d in self.layered)
        return tuple(i for i, n in enumerate(whole) if n > 1), tuple(i for i, n in enumerate(layered) if n > 1)

    @cached_property
    def _alike(self) -> dict[tuple[int, ...], list[int]]:
        """What `rows_like` and `codes_like` found so far."""
        return {}

    def rows_like(self, row: int, s: int) -> list[int]:
        """The rows that differ from `row` in whole-architecture dimension `s` at most, `row` among them."""
        found = self._alike.get((row, s))
        if found is None:
            changed = self.digits != self.digits[row]
            changed[:, s] = False
            found = self._alike[row, s] = np.flatnonzero(~changed.any(axis=1)).tolist()
        return found

    def codes_like(self, row: int, code: int, g: int) -> list[int]:
        """The codes allowed in a row that differ from `code` in per-layer dimension `g` at most, `code` among them."""
        found = self._alike.get((row, code, g))
        if found is None:
            steps = np.arange(len(self.layered[g].choices)) - self.code_digits[code, g]
            family = code + self.weights[g] * steps
            found = self._alike[row, code, g] = family[self.mask[row, family]].tolist()
        return found

    @cached_property
    def _row_at(self) -> dict[tuple[int, ...], int]:
        return {tuple(digits): row for row, digits in enumerate(self.digits.tolist())}

    def nearest_row(self, digits: np.ndarray) -> int:
        """The row of these choice indices (S,), else the allowed one that is the fewest steps away."""
        exact = self._row_at.get(tuple(digits.tolist()))
        return int(np.argmin(_distance(self.digits, digits))) if exact is None else exact

    def repair(self, row: int, layers: np.ndarray) -> np.ndarray:
        """The codes (L,) that a row allows and that are the fewest steps away from choice indices (L, G).

        A d_inner that is too small for a grown d_model becomes the smallest one that is allowed.
        """
        codes = layers @ self.weights
        if self.ruled and not (fits := self.mask[row][codes]).all():
            broken = np.flatnonzero(~fits)
            options = self.allowed[row, : self.counts[row]]
            for i in broken:
                codes[i] = options[np.argmin(_distance(self.code_digits[options], layers[i]))]
        return codes


def _distance(table: np.ndarray, digits: np.ndarray) -> np.ndarray:
    """How many steps between neighbouring choices each row of a table of choice indices is away."""
    return np.asarray(np.abs(table - digits).sum(axis=1))


def tabulate(space: ArchitectureSpace) -> Tables:
    """The tables of a space; raises `UsageError` for one that is empty or too fine."""
    kind = family(space.family)
    depths = tuple(int(d) for d in space.dimension(DEPTH).choices)
    whole = tuple(d for d in space.dimensions if not d.per_layer and d.name != DEPTH)
    layered = tuple(d for d in space.dimensions if d.per_layer)
    n_rows, n_codes = (math.prod(len(d.choices) for d in group) for group in (whole, layered))
    if n_rows * n_codes > MOST_CELLS or n_rows > MOST_ROWS:
        raise UsageError(
            f"{space.name}: {n_rows:,} combinations for the whole and {n_codes:,} for a layer are too many to "
            "tabulate; give its dimensions fewer choices"
        )
    digits, code_digits = _product(whole), _product(layered)
    mask = np.ones((n_rows, n_codes), dtype=bool)
    row_values = {d.name: _values(d, digits[:, s])[:, None] for s, d in enumerate(whole)}
    code_values = {d.name: _values(d, code_digits[:, g])[None, :] for g, d in enumerate(layered)}
    fixed = {name: np.array(value) for name, value in space.constants.items() if isinstance(value, int)}
    for rule in space.rules:
        mask &= rule.holds({**fixed, **row_values, **code_values})

    layer_names = [d.name for d in layered]
    fields = tuple(f.name for f in dataclasses.fields(kind) if f.name not in layer_names)
    keys, kept, problem = [], [], None
    for row in np.flatnonzero(mask.any(axis=1)).tolist():
        values = dict(space.constants)
        for d, i in zip(whole, digits[row], strict=True):
            values[d.name] = (d.choices[i],) if d.name in kind.per_layer_fields() else d.choices[i]
        for d, i in zip(layered, code_digits[int(np.argmax(mask[row]))], strict=True):
            values[d.name] = (d.choices[i],)
        try:
            arch = kind(**values)
        except InvalidArchitectureError as error:
            problem = problem or error
            continue
        keys.append(tuple(getattr(arch, f)[0] if f in kind.per_layer_fields() else getattr(arch, f) for f in fields))
        kept.append(row)
    if not kept:
        raise UsageError(f"{space.name}: no architecture is left: {problem or _why_empty(space)}")

    row_of: dict[tuple[Any, ...], int] = {}
    for position, key in enumerate(keys):
        row_of.setdefault(key, position)
    mask = mask[kept]
    counts = mask.sum(axis=1)
    allowed = np.stack([np.pad(c := np.flatnonzero(m), (0, counts.max() - len(c)), mode="edge") for m in mask])
    sizes = [len(d.choices) for d in layered]
    return Tables(
        family=space.family,
        depths=depths,
        whole=whole,
        layered=layered,
        fields=fields,
        keys=tuple(keys),
        row_of=row_of,
        distinct=np.array(list(row_of.values())),
        digits=digits[kept],
        code_digits=code_digits,
        weights=np.array([math.prod(sizes[g + 1 :]) for g in range(len(sizes))], dtype=np.int64),
        mask=mask,
        allowed=allowed,
        counts=counts,
    )


def _product(dimensions: Sequence[Dimension]) -> np.ndarray:
    """Every combination of choice indices, shape (product of sizes, number of dimensions), the last varying fastest."""
    sizes = [len(d.choices) for d in dimensions]
    return np.stack(np.unravel_index(np.arange(math.prod(sizes)), sizes), axis=1) if sizes else np.zeros((1, 0), int)


def _values(dimension: Dimension, indices: np.ndarray) -> np.ndarray:
    return np.asarray(np.array(dimension.choices)[indices])


def _why_empty(space: ArchitectureSpace) -> str:
    involved: dict[str, tuple[Choice, ...]] = {}
    for rule in space.rules:
        for name in (rule.gene, rule.of):
            value = next((d.choices for d in space.dimensions if d.name == name), (space.constants.get(name, 0),))
            involved[name] = value
    rules = " and ".join(str(rule) for rule in space.rules)
    given = ", ".join(f"{name} in {summary(choices)}" for name, choices in involved.items())
    return f"{rules} holds for none of {given}; allow more choices of one of them"

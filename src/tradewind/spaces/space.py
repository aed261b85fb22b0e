"""ArchitectureSpace: a set of architectures as plain data, and everything a search does with it.

A space is a family, named dimensions with their choices, constants for the family's other fields, and rules between
dimensions. Two equal descriptions are the same space. Dead genes do not exist: an architecture has entries for the
layers it has, and two ways to write one network are one member, counted once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from tradewind.core import Architecture, ArchitectureBatch, InvalidArchitectureError, UsageError, unknown
from tradewind.core.architecture import family
from tradewind.core.files import content_hash
from tradewind.spaces import coding, moves, sampling
from tradewind.spaces.baselines import Baseline, scaled
from tradewind.spaces.checks import locate
from tradewind.spaces.choices import Range, cast, given_values, select
from tradewind.spaces.dimension import DEPTH, Dimension, Rule
from tradewind.spaces.tables import Tables, tabulate

FAMILY_RULES: dict[str, tuple[Rule, ...]] = {
    "gpt2": (Rule("n_head", "divides", "d_model"),),
    "transformer-xl": (Rule("n_head", "divides", "d_model"),),
}
"""Rules that hold in every space of a family, because its architectures cannot exist otherwise."""


@dataclasses.dataclass(frozen=True)
class ArchitectureSpace:
    """A searchable set of architectures; see `tradewind.core.Space` for the contract.

    `fixed` holds the constants as sorted pairs; fields of the family that are neither a dimension nor given there take
    the family's default.

    >>> from tradewind import spaces
    >>> space = spaces.get("gpt2", n_layer="2..3", d_model=[128, 256])
    >>> arch = space.sample(seed=0)
    >>> space.contains(arch), space.contains(arch.replace(vocab_size=7))
    (True, False)
    """

    name: str
    family: str
    dimensions: tuple[Dimension, ...]
    fixed: tuple[tuple[str, Any], ...] = ()
    rules: tuple[Rule, ...] = ()
    baseline: Baseline | None = None
    description: str = ""

    def __post_init__(self) -> None:
        kind = family(self.family)
        fields = {f.name: f for f in dataclasses.fields(kind)}
        names = [d.name for d in self.dimensions]
        given = dict(self.fixed)
        for name in (*names, *given):
            if name not in fields and name != DEPTH:
                raise unknown(f"field of {self.family}", name, (DEPTH, *fields))
            if (*names, *given).count(name) > 1:
                raise UsageError(f"{self.name}: {name} stands twice among dimensions and constants; give it once")
        for dimension in self.dimensions:
            if dimension.per_layer and dimension.name not in kind.per_layer_fields():
                raise UsageError(f"{self.name}: {dimension.name} is one value of a {self.family}, not one a layer")
            for choice in dimension.choices:
                cast(dimension.name, choice, self._type(dimension.name))
                if choice not in kind.named_fields().get(dimension.name, (choice,)):
                    raise unknown(dimension.name, choice, kind.named_fields()[dimension.name])
        for name, field in fields.items():
            free = name in names or (name in kind.named_fields() and name not in given)
            if not free and (name in kind.per_layer_fields() or given.get(name, field.default) is dataclasses.MISSING):
                raise UsageError(f"{self.name}: a space of {self.family} needs the dimension {name!r}")
        if DEPTH not in names or self.dimension(DEPTH).choices[0] < 1:  # type: ignore[operator]
            raise UsageError(f"{self.name}: a space needs the dimension {DEPTH!r} with choices of at least 1")
        optional = kind.named_fields()
        constants = {n: given.get(n, f.default) for n, f in fields.items() if n not in names and n not in optional}
        rank = {d.name: (d.name != DEPTH, d.per_layer) for d in self.dimensions}
        family_rules = FAMILY_RULES.get(self.family, ())
        frozen = tuple((n, tuple(v) if isinstance(v, (list, tuple)) else v) for n, v in sorted(constants.items()))
        object.__setattr__(self, "dimensions", tuple(sorted(self.dimensions, key=lambda d: rank[d.name])))
        object.__setattr__(self, "fixed", frozen)
        object.__setattr__(self, "rules", tuple(dict.fromkeys((*self.rules, *family_rules))))
        for rule in self.rules:
            for name in (rule.gene, rule.of):
                if name == DEPTH or name not in fields:
                    raise unknown(f"field in the rule '{rule}'", name, fields)

    def __str__(self) -> str:
        return f"{self.name}: {'; '.join(map(str, self.dimensions))}"

    @property
    def constants(self) -> dict[str, Any]:
        """The fields that are the same in every member, with their values."""
        return dict(self.fixed)

    @property
    def unopened(self) -> dict[str, tuple[str, ...]]:
        """Fields of names in which all members have the usual one, with what `narrow` may choose for each layer.

        >>> from tradewind import spaces
        >>> spaces.get("gpt2").unopened["block"][:3]
        ('gelu', 'vanilla', 'squared-relu')
        """
        names = {d.name for d in self.dimensions}
        return {name: kept for name, kept in family(self.family).named_fields().items() if name not in names}

    def dimension(self, name: str) -> Dimension:
        """A dimension by name; raises `UsageError`."""
        for dimension in self.dimensions:
            if dimension.name == name:
                return dimension
        raise unknown(f"dimension of {self.name}", name, (d.name for d in self.dimensions))

    @cached_property
    def tables(self) -> Tables:
        """The allowed combinations as arrays."""
        return tabulate(self)

    @property
    def depths(self) -> tuple[int, ...]:
        """Allowed numbers of layers, rising."""
        return self.tables.depths

    def layer_options(self) -> list[ArchitectureBatch]:
        """For every combination of the dimensions of the whole architecture, what one layer may be.

        Each batch holds one-layer architectures (a depth that need not be in the space) that differ in their layer
        only. A member is a combination, a depth, and as many free choices from its batch.

        >>> from tradewind import spaces
        >>> [len(options) for options in spaces.get("gpt2", d_model="128,960").layer_options()]
        [180, 114]
        """
        return sampling.layer_options(self.tables)

    def size(self) -> int:
        """Exact number of distinct members: the sum over rows and depths L of (layers allowed in the row)^L."""
        return sampling.size(self.tables)

    def sample(self, seed: int) -> Architecture:
        """One member, a pure function of `seed`: the first row of ``sample_many(n, seed)``."""
        return self.sample_many(1, seed)[0]

    def sample_many(self, n: int, seed: int) -> ArchitectureBatch:
        """`n` independent members (repeats possible), a pure function of `seed`.

        Depth is uniform over its choices; the dimensions of the whole architecture are uniform over their allowed
        combinations; then each layer is uniform over what these allow. (Members are therefore not equally likely: a
        uniform draw from a space of per-layer choices would almost always have the largest depth.) A shorter sample
        with the same seed is the beginning of a longer one.
        """
        return sampling.sample(self.tables, n, seed)

    def enumerate(self) -> Iterator[Architecture]:
        """Every member once, in a fixed order: by depth, then row, then layers with the last varying fastest."""
        return sampling.every(self.tables)

    def validate(self, candidate: Any) -> None:
        """Raise `InvalidArchitectureError` that names the field at fault, the allowed values and the nearest one."""
        locate(self, candidate)

    def contains(self, candidate: Any) -> bool:
        """Whether `validate` passes."""
        try:
            locate(self, candidate)
        except InvalidArchitectureError:
            return False
        return True

    def neighbours(self, candidate: Architecture) -> list[Architecture]:
        """Every distinct member one gene away, in a fixed order, without the candidate itself.

        Another depth keeps the first layers, or repeats the last one. Another choice for the whole architecture repairs
        the layers it breaks with the smallest change. Another choice in a layer changes nothing else.
        """
        return moves.neighbours(self.tables, locate(self, candidate))

    def step(self, candidate: Architecture, rng: np.random.Generator, spread: bool = False) -> Architecture:
        """A random neighbour: one gene, each as likely as any other, takes another value; repaired as in `neighbours`.

        With `spread` each dimension is as likely as any other, and one of the layers takes its new value in a random
        number of layers: the move for objectives that depend on how often a value occurs rather than where. The
        candidate itself comes back where the rules leave the gene no other value.

        >>> from tradewind import spaces
        >>> from tradewind.core.seeds import generator
        >>> space = spaces.get("gpt2", n_layer=15, d_model=128, n_head=4)
        >>> arch = space.sample(seed=0)
        >>> one, many = (space.step(arch, generator(0), spread) for spread in (False, True))
        >>> [sum(a != b for a, b in zip(arch.d_inner, other.d_inner)) for other in (one, many)]
        [1, 9]
        """
        return moves.step(self.tables, locate(self, candidate), rng, spread)

    def mutate(self, candidate: Architecture, rng: np.random.Generator, probability: float = 0.3) -> Architecture:
        """A member in which each gene was redrawn with `probability`, uniformly over the values allowed to it.

        The current value is among them, as in LiteTransformerSearch, so the result may equal the candidate. Depth comes
        first (the last layer is repeated, or the last ones dropped), then the whole architecture, then what these broke
        in the layers is repaired with the smallest change, then the layers. Draws a fixed number of values from `rng`.
        """
        return moves.mutate(self.tables, locate(self, candidate), rng, probability)

    def crossover(
        self, a: Architecture, b: Architecture, rng: np.random.Generator, probability: float = 0.5
    ) -> Architecture:
        """A member whose genes come from `b` with `probability`, else from `a`; what the mix breaks is repaired.

        A layer that only one parent has comes from that parent. Draws a fixed number of values from `rng`.
        """
        return moves.crossover(self.tables, locate(self, a), locate(self, b), rng, probability)

    def encode(self, candidate: Architecture) -> np.ndarray:
        """A float64 vector in [0, 1] of length 1 + dimensions of the whole + deepest depth x per-layer dimensions.

        Each entry is the choice's index over the last index; the layers that the candidate does not have are 0. Two
        members never have the same vector.
        """
        return coding.encode(self.tables, locate(self, candidate))

    def decode(self, vector: np.ndarray) -> Architecture:
        """The member of a vector written by `encode`; other vectors are rounded and repaired. Raises `UsageError`."""
        return coding.decode(self.tables, vector)

    def narrow(self, **choices: Any) -> ArchitectureSpace:
        """The subspace with the choices of some dimensions cut down; raises `UsageError`.

        Choices are a value, several, a text as in `parse_choices` or a `Range`. A constant is set the same way; with
        several values it becomes a dimension (``div_val="1,2,4"``). A field of names that the space leaves alone
        (`unopened`) becomes a dimension of every layer (``block="gelu,primer-ez"``).

        >>> from tradewind import spaces
        >>> spaces.get("gpt2").narrow(n_layer="14..20", vocab_size=1000).dimension("n_layer").choices
        (14, 15)
        """
        dimensions = {d.name: d for d in self.dimensions}
        constants = self.constants
        for name, given in choices.items():
            if name in dimensions:
                dimensions[name] = select(self.name, dimensions[name], given, self._type(name))
            elif name in constants:
                values = self._constant(name, given)
                if len(values) == 1:
                    constants[name] = values[0]
                else:
                    del constants[name]
                    dimensions[name] = Dimension(name, values)
            elif name in self.unopened:
                every = Dimension(name, self.unopened[name], per_layer=True)
                dimensions[name] = select(self.name, every, given, self._type(name))
            else:
                known = (*dimensions, *constants, *self.unopened)
                raise unknown(f"dimension or constant of {self.name}", name, known)
        space = dataclasses.replace(self, dimensions=tuple(dimensions.values()), fixed=tuple(constants.items()))
        _ = space.tables  # an empty space is refused here, where the choices were made
        return space

    def baselines(self) -> list[Architecture]:
        """The scaled transformer to compare a search with: homogeneous architectures of growing depth.

        They may lie outside the space (see `tradewind.spaces.baselines`).
        """
        return scaled(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data that holds the space whole; `tradewind.spaces.from_dict` is the inverse."""
        return {
            "name": self.name,
            "family": self.family,
            "description": self.description,
            "dimensions": [d.to_dict() for d in self.dimensions],
            "constants": {n: list(v) if isinstance(v, tuple) else v for n, v in self.fixed},
            "rules": [rule.to_dict() for rule in self.rules],
            "baseline": self.baseline.to_dict() if self.baseline else None,
        }

    @property
    def id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the canonical JSON of `to_dict`."""
        return content_hash(self.to_dict())[:16]

    def _type(self, name: str) -> str:
        """The type of a field's values (of one entry, where it has several): int, bool or str."""
        if name == DEPTH:
            return "int"
        kind = next(str(f.type) for f in dataclasses.fields(family(self.family)) if f.name == name)
        return kind.removeprefix("tuple[").split(",")[0].rstrip("]")

    def _constant(self, name: str, given: Any) -> tuple[Any, ...]:
        asked = given_values(given)
        if isinstance(asked, Range) and asked.step is None:
            raise UsageError(f"{self.name}: {name} is a constant; give a value, or a range with a step as {asked}:1")
        raw = asked.values() if isinstance(asked, Range) else asked
        values = tuple(dict.fromkeys(cast(name, value, self._type(name)) for value in raw))
        if isinstance(self.constants[name], tuple):
            return (values,)
        if not values:
            raise UsageError(f"{self.name}: no value given for {name}; it is {self.constants[name]!r} now")
        return values

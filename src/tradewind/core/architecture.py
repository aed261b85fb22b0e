"""Architecture: one language model's shape, frozen plain data with canonical JSON and a content hash.

Nothing here can hold a module, a function or a path. Every field is *live*: a value that does not change the network
has no field, so two encodings of one network are one Architecture (same JSON, same `id`).

Symbols: L layers, d = d_model, h_i = n_head of layer i, f_i = d_inner of layer i, V = vocab_size.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tradewind.core.errors import InvalidArchitectureError, unknown
from tradewind.core.files import canonical_json, content_hash, parse_json

if TYPE_CHECKING:
    import numpy as np

_FAMILIES: dict[str, type[Architecture]] = {}
_TYPES: dict[str, type] = {"int": int, "bool": bool, "str": str}
"""Types of fields, and of the entries of tuples, as they are annotated."""
LARGEST = 2**31 - 1
"""Largest integer in an architecture: batches hold 64-bit numbers, into which a product of two must fit."""


def per_layer(choices: Iterable[str] = ()) -> Any:
    """Declare a tuple field that has one entry a layer.

    With `choices` the entries are names. The first is the rule: it is every layer's where nothing is given, and a field
    that holds nothing else is left out of the JSON, so that it changes no architecture written without it.
    """
    names = tuple(choices)
    return dataclasses.field(
        default=() if names else dataclasses.MISSING, metadata={"per_layer": True, "choices": names}
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """Base of all families; see `tradewind.core.families` for the concrete ones.

    >>> from tradewind.core import GPT2
    >>> arch = GPT2(d_model=128, n_head=(2, 4), d_inner=(256, 512))
    >>> arch.n_layer, Architecture.from_json(arch.to_json()) == arch
    (2, True)
    """

    family: ClassVar[str] = ""
    d_model: int
    n_head: tuple[int, ...] = per_layer()
    vocab_size: int
    context: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.family:
            _FAMILIES[cls.family] = cls

    def __post_init__(self) -> None:
        for field in self._fields():
            value = getattr(self, field.name)
            plain = _plain(field, value, self.family)
            if choices := field.metadata.get("choices"):
                plain = self._named(field.name, plain, choices)
            if plain is not value:
                object.__setattr__(self, field.name, plain)
            if "int" in str(field.type) and (max(plain, default=0) if type(plain) is tuple else plain) > LARGEST:
                raise InvalidArchitectureError(
                    f"{self.family}: {field.name} is {plain}; it must be at most {LARGEST:,}"
                )
        if not self.n_head:
            raise InvalidArchitectureError(f"{self.family}: an architecture has at least one layer; n_head is empty")
        for name in self.per_layer_fields():
            if len(getattr(self, name)) != self.n_layer:
                raise InvalidArchitectureError(
                    f"{self.family}: {name} has {len(getattr(self, name))} entries but n_head has {self.n_layer}; "
                    "give one entry a layer in each"
                )
        for name in ("d_model", "vocab_size", "context", "n_head"):
            self._at_least_one(name)
        self._check()

    def _at_least_one(self, name: str) -> None:
        """Refuse a field that is, or holds, a number below 1."""
        value = getattr(self, name)
        if (min(value, default=1) if isinstance(value, tuple) else value) < 1:
            raise InvalidArchitectureError(f"{self.family}: {name} is {value}; it must be at least 1")

    def _named(self, name: str, given: tuple[str, ...], choices: tuple[str, ...]) -> tuple[str, ...]:
        """The names of every layer, the usual ones where none are given; refuses a name that is no choice."""
        for entry in set(given).difference(choices):
            raise InvalidArchitectureError(f"{self.family}: {unknown(name, entry, choices)}")
        return given or (choices[0],) * self.n_layer

    def _check(self) -> None:
        """The family's own rules; raises `InvalidArchitectureError`."""

    @classmethod
    def of_valid(cls, values: dict[str, Any]) -> Self:
        """An architecture of every field's value, plain and known to be valid, so that nothing is checked again.

        For samplers and spaces, which build members by the thousand from tables that were checked once.
        """
        arch = object.__new__(cls)
        arch.__dict__.update(values)
        return arch

    @property
    def n_layer(self) -> int:
        """Number of layers."""
        return len(self.n_head)

    @cached_property
    def id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the canonical JSON."""
        return content_hash(self.to_dict())[:16]

    @classmethod
    @functools.cache
    def _fields(cls) -> tuple[dataclasses.Field[Any], ...]:
        return dataclasses.fields(cls)

    @classmethod
    @functools.cache
    def per_layer_fields(cls) -> tuple[str, ...]:
        """Names of the fields with one entry a layer."""
        return tuple(f.name for f in dataclasses.fields(cls) if f.metadata.get("per_layer"))

    @classmethod
    @functools.cache
    def named_fields(cls) -> Mapping[str, tuple[str, ...]]:
        """The per-layer fields of names, with their choices; they may be left out."""
        return {f.name: f.metadata["choices"] for f in dataclasses.fields(cls) if f.metadata.get("choices")}

    def layer_column(self, name: str) -> tuple[int, ...]:
        """A per-layer field of numbers, or what the family derives for each layer from its fields."""
        found: tuple[int, ...] = getattr(self, name)
        return found

    @classmethod
    def derived(cls, name: str, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """`layer_column` for the columns of a batch that has no column of this name: (N, layers), 0 past the depth."""
        raise AttributeError(f"{cls.family} has no per-layer column {name!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data: `family` and every field, tuples as lists; without names that are the usual ones throughout."""
        data: dict[str, Any] = {"family": self.family}
        for field in self._fields():
            value = getattr(self, field.name)
            if (choices := field.metadata.get("choices")) and value.count(choices[0]) == len(value):
                continue
            data[field.name] = list(value) if isinstance(value, tuple) else value
        return data

    def to_json(self) -> str:
        """Canonical JSON, the text that `id` hashes."""
        return canonical_json(self.to_dict())

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Architecture:
        """The architecture of a dictionary written by `to_dict`.

        Fields with a default may be missing. A derived `n_layer` may stand beside the fields and must then agree.
        Raises `InvalidArchitectureError` with the field at fault.
        """
        if not isinstance(data, Mapping) or "family" not in data:
            raise InvalidArchitectureError(
                f"an architecture is a JSON object with a 'family' ({', '.join(_FAMILIES)}) and its fields; "
                f"got {str(data)[:80]}"
            )
        family = data["family"]
        if str(family) not in _FAMILIES:
            raise unknown("family", family, _FAMILIES)
        cls = _FAMILIES[family]
        given = {key: value for key, value in data.items() if key not in ("family", "n_layer", "id")}
        fields = {f.name: f for f in dataclasses.fields(cls)}
        for key in given:
            if key not in fields:
                raise InvalidArchitectureError(str(unknown(f"field of {family}", key, fields)))
        missing = [n for n, f in fields.items() if n not in given and f.default is dataclasses.MISSING]
        if missing:
            raise InvalidArchitectureError(
                f"{family}: the field {missing[0]!r} is missing (fields: {', '.join(fields)})"
            )
        architecture = cls(**given)
        if data.get("n_layer", architecture.n_layer) != architecture.n_layer:
            raise InvalidArchitectureError(
                f"{family}: n_layer is {data['n_layer']} but n_head has {architecture.n_layer} entries; "
                "drop n_layer or make them agree"
            )
        return architecture

    @staticmethod
    def from_json(text: str | bytes) -> Architecture:
        """The architecture of a JSON text (any key order and spacing)."""
        return Architecture.from_dict(parse_json(text, "the architecture"))

    def replace(self, **changes: Any) -> Architecture:
        """A copy with some fields changed, validated again; names that are the usual ones follow a change of depth."""
        usual = {name: () for name, choices in self.named_fields().items() if set(getattr(self, name)) == {choices[0]}}
        return dataclasses.replace(self, **usual | changes)


def family(name: str) -> type[Architecture]:
    """The class of a family by name."""
    if str(name) not in _FAMILIES:
        raise unknown("family", name, _FAMILIES)
    return _FAMILIES[name]


def _plain(field: dataclasses.Field[Any], value: Any, family_name: str) -> Any:
    """Coerce numpy scalars, lists and arrays to plain Python of the declared type; refuse anything else."""
    kind = str(field.type)
    # Searches build architectures by the thousand, nearly always of plain values already.
    if type(value) is _TYPES.get(kind):
        return value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if kind.startswith("tuple"):
        inner = kind[len("tuple[") :].split(",")[0]
        if not isinstance(value, (list, tuple)):
            raise InvalidArchitectureError(f"{family_name}: {field.name} must be a list of {inner}; got {value!r}")
        if set(map(type, value)) <= {_TYPES[inner]}:
            return value if type(value) is tuple else tuple(value)
        return tuple(_scalar(field.name, v, inner, family_name) for v in value)
    return _scalar(field.name, value, kind, family_name)


def _scalar(name: str, value: Any, kind: str, family_name: str) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    expected = _TYPES[kind]
    if expected is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise InvalidArchitectureError(f"{family_name}: {name} must be {kind}; got {value!r}")
    return value

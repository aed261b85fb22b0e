"""ArchitectureBatch: many architectures of one family as arrays, for vectorised sampling, costs and predictions.

Symbols: N architectures, Lmax the largest depth among them. Scalars have shape (N,), per-layer and other tuple fields
(N, width), zero-padded past their own length. Per-layer names are codes (uint8): the place of each among the field's
choices, the usual one 0; where all of them are the usual one, the column has no width and costs nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from tradewind.core.architecture import Architecture, family
from tradewind.core.errors import FileFormatError, InvalidArchitectureError, UsageError, unknown

if TYPE_CHECKING:
    import pyarrow as pa

ALIASES = {"embed_dim": "d_model", "backbone": "family"}
"""Column names of published tables and the fields they mean."""


@dataclasses.dataclass(frozen=True, eq=False)
class ArchitectureBatch(Sequence[Architecture]):
    """Columns of one family; indexing with an integer gives an Architecture, with a slice, mask or array a batch.

    >>> from tradewind.core import GPT2
    >>> batch = ArchitectureBatch.of([GPT2(d_model=64, n_head=(2,) * n, d_inner=(128,) * n) for n in (1, 3)])
    >>> batch.n_layer.tolist(), batch.layer_sum("d_inner").tolist(), batch[1].n_layer
    ([1, 3], [128, 384], 3)
    """

    family: str
    n_layer: np.ndarray
    columns: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, architectures: Sequence[Architecture]) -> ArchitectureBatch:
        """The batch of a non-empty sequence of architectures of one family."""
        if isinstance(architectures, cls):
            return architectures
        if not architectures:
            raise UsageError("an ArchitectureBatch needs at least one architecture, which tells the family")
        kind = type(architectures[0])
        for arch in architectures:
            if type(arch) is not kind:
                raise UsageError(f"a batch holds one family; got {kind.family} and {arch.family}; make one batch each")
        columns = {}
        for field in dataclasses.fields(kind):
            values = [getattr(arch, field.name) for arch in architectures]
            if choices := field.metadata.get("choices"):
                codes = {name: code for code, name in enumerate(choices)}
                columns[field.name] = _narrowest(_pad([tuple(map(codes.__getitem__, names)) for names in values]))
            else:
                columns[field.name] = _pad(values) if isinstance(values[0], tuple) else np.array(values)
        return cls(kind.family, np.array([arch.n_layer for arch in architectures], dtype=np.int64), columns)

    @classmethod
    def of_columns(cls, family_name: str, n_layer: np.ndarray, **columns: Any) -> ArchitectureBatch:
        """A batch from arrays; a scalar is repeated, a missing field takes the family's default.

        Per-layer arrays of shape (N, Lmax) are blanked past each row's depth; a d_embed of 0 becomes d_model. Per-layer
        names may be given as such or as codes. Values are not checked one by one: samplers build valid rows; `validate`
        checks foreign ones.
        """
        kind = family(family_name)
        n_layer = np.asarray(n_layer, dtype=np.int64)
        full = {}
        for field in dataclasses.fields(kind):
            value = columns.pop(field.name, field.default)
            if value is dataclasses.MISSING:
                raise UsageError(f"{family_name}: the column {field.name!r} is missing")
            array = np.asarray(value)
            choices = field.metadata.get("choices")
            if choices:
                array = _codes(field.name, array, choices)
                if not array.size:
                    full[field.name] = np.zeros((len(n_layer), 0), np.uint8)
                    continue
            shape = (len(n_layer), *array.shape[1:]) if array.ndim == 2 else (len(n_layer),)
            if str(field.type).startswith("tuple") and array.ndim < 2:
                shape = (len(n_layer), array.size)
            array = np.broadcast_to(array, shape)
            if field.metadata.get("per_layer"):
                live = np.arange(array.shape[1]) < n_layer[:, None]
                array = np.where(live, array, np.zeros((), array.dtype))
            full[field.name] = _narrowest(array) if choices else array
        if "d_embed" in full:
            full["d_embed"] = np.where(full["d_embed"] > 0, full["d_embed"], full["d_model"])
        if columns:
            raise UsageError(f"{family_name} has no field {sorted(columns)[0]!r} (fields: {', '.join(full)})")
        return cls(family_name, n_layer, full)

    def __len__(self) -> int:
        return len(self.n_layer)

    @overload
    def __getitem__(self, key: int) -> Architecture: ...
    @overload
    def __getitem__(self, key: slice | np.ndarray) -> ArchitectureBatch: ...
    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, (int, np.integer)):
            depth = int(self.n_layer[key])
            kind = family(self.family)
            layered = kind.per_layer_fields()
            values = {}
            for name, column in self.columns.items():
                cell = column[key]
                if name in kind.named_fields():
                    if not len(cell):
                        continue
                    cell = self.names(name, key)[0, :depth]
                elif name in layered:
                    cell = cell[:depth]
                elif column.ndim == 2:
                    cell = cell[cell != 0]
                values[name] = cell.tolist() if hasattr(cell, "tolist") else cell
            return kind(**values)
        return ArchitectureBatch(self.family, self.n_layer[key], {k: v[key] for k, v in self.columns.items()})

    def __iter__(self) -> Iterator[Architecture]:
        return (self[i] for i in range(len(self)))

    def __getattr__(self, name: str) -> np.ndarray:
        try:
            return self.__dict__["columns"][name]
        except KeyError:
            raise AttributeError(f"{self.__dict__.get('family', 'batch')} has no column {name!r}") from None

    def names(self, name: str, rows: Any = slice(None)) -> np.ndarray:
        """The names of a per-layer field of names, (n, Lmax) text; those of layers past the depth mean nothing."""
        column, choices = self.columns[name], family(self.family).named_fields()[name]
        codes = column[np.atleast_1d(rows) if isinstance(rows, (int, np.integer)) else rows]
        if not codes.shape[1]:
            codes = np.zeros((len(codes), self.columns["n_head"].shape[1]), np.uint8)
        return np.array(choices)[codes]

    def layer_column(self, name: str) -> np.ndarray:
        """A per-layer column, or what the family derives for each layer, (N, width), 0 past the depth."""
        found = self.columns.get(name)
        return family(self.family).derived(name, self.columns) if found is None else found

    def layer_sum(self, name: str) -> np.ndarray:
        """Sum of a `layer_column` over the layers, shape (N,), int64."""
        # einsum adds short rows faster than np.sum, narrow integers two to three times as fast.
        return np.asarray(np.einsum("nl->n", self.layer_column(name), dtype=np.int64))

    def layer_max(self, name: str) -> np.ndarray:
        """Maximum of a `layer_column` over the layers, shape (N,), int64."""
        return np.asarray(np.max(self.layer_column(name), axis=1), dtype=np.int64)

    def validate(self) -> None:
        """Build every row; raises `InvalidArchitectureError` naming the first row at fault."""
        for row in range(len(self)):
            try:
                self[row]
            except InvalidArchitectureError as error:
                raise InvalidArchitectureError(f"row {row}: {error}") from error

    def to_arrow(self) -> pa.Table:
        """An Arrow table with `family`, `n_layer` and one column a field; tuples as lists."""
        import pyarrow as pa

        named = [name for name in family(self.family).named_fields() if self.columns[name].shape[1]]
        rows = [
            arch.to_dict() | {name: list(getattr(arch, name)) for name in named} | {"n_layer": arch.n_layer}
            for arch in self
        ]
        return pa.Table.from_pylist(rows)

    @classmethod
    def from_arrow(cls, table: pa.Table, family_name: str, **defaults: Any) -> ArchitectureBatch:
        """The batch of a table with one row an architecture.

        Columns named like the fields are read (published aliases too: `embed_dim`, `backbone`); other columns are left
        alone. A field with no column takes its value from `defaults` (a space's constants), then from the family.
        Raises `FileFormatError` for a missing column or a row of another family.
        """
        kind = family(family_name)
        names = {ALIASES.get(name, name): name for name in table.column_names}
        if "family" in names:
            found = set(table.column(names["family"]).to_pylist()) - {family_name}
            if found:
                raise FileFormatError(
                    f"the table holds rows of {', '.join(sorted(map(str, found)))}; filter it to {family_name} or name "
                    "another space"
                )
        if not table.num_rows:
            raise FileFormatError("the table has no rows")
        columns: dict[str, Any] = {}
        for field in dataclasses.fields(kind):
            if field.name in names:
                columns[field.name] = _column(table.column(names[field.name]), names[field.name])
            elif field.name in defaults:
                columns[field.name] = defaults[field.name]
            elif field.default is dataclasses.MISSING:
                raise FileFormatError(
                    f"the table has no column {field.name!r}, which a {family_name} architecture needs "
                    f"(columns: {', '.join(table.column_names)})"
                )
        depth = (_depth(table.column(names["n_head"]), "n_head")) if "n_head" in names else None
        if depth is None:
            raise FileFormatError("the table has no column 'n_head' with one entry a layer")
        for name in kind.per_layer_fields():
            if name in names:
                lengths = _depth(table.column(names[name]), name)
                if not np.array_equal(lengths, depth):
                    row = int(np.flatnonzero(lengths != depth)[0])
                    raise FileFormatError(
                        f"row {row}: {name} has {lengths[row]} entries but n_head has {depth[row]}; give one a layer"
                    )
        return cls.of_columns(family_name, depth, **columns)


def _pad(values: Sequence[tuple[Any, ...]]) -> np.ndarray:
    width = max((len(v) for v in values), default=0)
    fill: Any = "" if any(isinstance(x, str) for v in values for x in v[:1]) else 0
    return np.array([(*v, *(fill,) * (width - len(v))) for v in values]).reshape(len(values), width)


def _codes(field: str, given: np.ndarray, choices: tuple[str, ...]) -> np.ndarray:
    """The codes of names, uint8 of the same shape; codes stay what they are, and blanks mean the usual name."""
    if given.dtype.kind in "iu" or not given.size:
        return given.astype(np.uint8)
    found, places = np.unique(given.astype(str), return_inverse=True)
    known = {"": 0, "0": 0, **{name: code for code, name in enumerate(choices)}}
    for name in found.tolist():
        if name not in known:
            raise unknown(field, name, choices)
    return np.array([known[name] for name in found.tolist()], np.uint8)[places].reshape(given.shape)


def _narrowest(codes: np.ndarray) -> np.ndarray:
    """Codes as a column: without width where every name is the usual one."""
    return codes.astype(np.uint8) if codes.any() else np.zeros((len(codes), 0), np.uint8)


def _column(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """A column as an array: (N,) for scalars, zero-padded (N, width) for lists."""
    import pyarrow as pa

    array = column.combine_chunks()
    if array.null_count:
        raise FileFormatError(f"the column {name!r} has {array.null_count} empty cells; fill or drop those rows")
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)):
        return array.to_numpy(zero_copy_only=False)
    lengths = array.value_lengths().to_numpy(zero_copy_only=False)
    flat = array.flatten().to_numpy(zero_copy_only=False)
    kind = np.int64 if flat.dtype.kind in "iu" else flat.dtype
    padded = np.zeros((len(array), int(lengths.max(initial=0))), dtype=kind)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = flat
    return padded


def _depth(column: pa.ChunkedArray, name: str) -> np.ndarray:
    import pyarrow.compute as pc

    try:
        return pc.list_value_length(column).to_numpy().astype(np.int64)
    except Exception as error:
        raise FileFormatError(f"the column {name!r} must hold lists, one entry a layer") from error

"""The table of published HW-GPT measurements: its columns, and the checks that any such table must pass.

One row an architecture: `arch_index` (its place in the released sample: neighbours were profiled one after another),
`embed_dim`, `n_layer`, `n_head` and `mlp_ratio` (lists), `bias`, then whatever was measured: `params`, `flops`,
`perplexity`, `accuracy`, `float16_memory_mb`, `bfloat16_memory_mb`, and for each device lists of observations
`latency_ms.DEVICE` (milliseconds) and `energy_wh.DEVICE` (watt-hours a forward).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind import costs
from tradewind.benchmarks.forms import SCALES, space_of
from tradewind.core import ArchitectureBatch, FileFormatError

if TYPE_CHECKING:
    import pyarrow as pa

GPUS = ("a100", "a40", "h100", "rtx2080", "rtx3080", "a6000", "v100", "p100")
CPUS = ("cpu_amd_7452", "cpu_amd_7502", "cpu_amd_7513", "cpu_xeon_gold", "cpu_xeon_silver")
DEVICES = (*GPUS, *CPUS)
"""The thirteen devices of the release, by our names."""

INDEX = "arch_index"
SHAPE = ("embed_dim", "n_layer", "n_head", "mlp_ratio", "bias")
COUNTS = ("params", "flops")
SINGLE = ("perplexity", "accuracy", "bfloat16_memory_mb", "float16_memory_mb")
OBSERVED = tuple(f"{metric}.{device}" for device in DEVICES for metric in ("latency_ms", "energy_wh"))
MEASURED = (*COUNTS, *SINGLE, *OBSERVED)


def arrow_schema(columns: list[str]) -> pa.Schema:
    """The Arrow schema of a table with these columns, in canonical order; unknown names are left out."""
    import pyarrow as pa

    types: dict[str, Any] = {INDEX: pa.int32(), "embed_dim": pa.int16(), "n_layer": pa.int8(), "bias": pa.bool_()}
    types |= dict.fromkeys(("n_head", "mlp_ratio"), pa.list_(pa.int8()))
    types |= dict.fromkeys(COUNTS, pa.int64()) | dict.fromkeys(SINGLE, pa.float32())
    types |= dict.fromkeys(OBSERVED, pa.list_(pa.float32()))
    return pa.schema([(name, types[name]) for name in (INDEX, *SHAPE, *MEASURED) if name in columns])


def known_columns(names: list[str], origin: str) -> list[str]:
    """Those of a table's columns that have a meaning here.

    Raises `FileFormatError` where one that tells the architecture is missing, or where nothing was measured.
    """
    for name in SHAPE:
        if name not in names:
            raise FileFormatError(
                f"{origin} has no column {name!r}; a table of measurements has {', '.join(SHAPE)} and then, for "
                f"example, latency_ms.a100 (found: {', '.join(names[:20]) or 'no columns'})"
            )
    known = [name for name in names if name in (INDEX, *SHAPE, *MEASURED)]
    if not any(name in MEASURED for name in known):
        raise FileFormatError(f"{origin} holds no measurement; known columns are {', '.join(MEASURED[:8])}, ...")
    return known


def measured_columns(table: pa.Table) -> list[str]:
    """The columns of a canonical table that hold measurements."""
    return [name for name in table.column_names if name in MEASURED]


def checked(table: pa.Table, origin: str) -> tuple[pa.Table, str, list[str]]:
    """The table in canonical order and types, the scale it belongs to, and notes on what a reader should know.

    Raises `FileFormatError` for a type that does not fit, a row outside the released scales or of another scale than
    the rest, an architecture that stands twice, and numbers that are not finite and positive; the message names the
    column and the row.
    """
    import pyarrow as pa

    schema = arrow_schema([INDEX, *known_columns(table.column_names, origin)])
    if INDEX not in table.column_names:
        table = table.append_column(INDEX, pa.array(np.arange(table.num_rows, dtype=np.int32)))
    columns = []
    for field in schema:
        try:
            columns.append(table.column(field.name).cast(field.type))
        except pa.ArrowInvalid as error:
            raise FileFormatError(f"{origin}: the column {field.name!r} is not {field.type}: {error}") from error
    found = pa.Table.from_arrays(columns, schema=schema)
    archs = ArchitectureBatch.from_arrow(found, "hwgpt")
    _check_depth(found, archs, origin)
    scale = _scale(archs, origin)
    _check_twice(archs, origin)
    for name in measured_columns(found):
        _check_numbers(found.column(name), name, origin)
    return found, scale, _notes(found, archs)


def _check_depth(table: pa.Table, archs: ArchitectureBatch, origin: str) -> None:
    wrong = np.flatnonzero(table.column("n_layer").to_numpy() != archs.n_layer)
    if wrong.size:
        row = int(wrong[0])
        raise FileFormatError(
            f"{origin}: row {row} has n_layer {table.column('n_layer')[row]} but {archs.n_layer[row]} entries in "
            "n_head; lists hold the live layers only"
        )


def _scale(archs: ArchitectureBatch, origin: str) -> str:
    """The scale that holds every row."""
    live = np.arange(archs.n_head.shape[1]) < archs.n_layer[:, None]
    best, where = "", np.zeros(len(archs), dtype=bool)
    for scale in SCALES:
        space = space_of(scale)
        inside = np.isin(archs.n_layer, space.depths) & np.isin(archs.d_model, space.dimension("d_model").choices)
        for name in ("n_head", "mlp_ratio"):
            inside &= (np.isin(archs.columns[name], space.dimension(name).choices) | ~live).all(axis=1)
        if inside.all():
            return scale
        if inside.sum() > where.sum():
            best, where = scale, inside
    row = int(np.flatnonzero(~where)[0])
    raise FileFormatError(
        f"{origin}: row {row} lies outside the scale {best or 's, m or l'} (embed_dim {archs.d_model[row]}, "
        f"n_layer {archs.n_layer[row]}); a table holds one scale of HW-GPT-Bench"
    )


def _check_twice(archs: ArchitectureBatch, origin: str) -> None:
    rows = np.column_stack([archs.d_model, archs.n_layer, archs.bias, archs.n_head, archs.mlp_ratio]).astype(np.int32)
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    twice = np.flatnonzero(first[inverse.ravel()] != np.arange(len(rows)))
    if twice.size:
        row = int(twice[0])
        raise FileFormatError(f"{origin}: rows {first[inverse.ravel()[row]]} and {row} are the same architecture")


def _check_numbers(column: pa.ChunkedArray, name: str, origin: str) -> None:
    """Every number finite and positive; lists not empty and without holes; a missing cell is allowed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers, rows = column, None
    if pa.types.is_list(column.type):
        empty = np.flatnonzero(pc.equal(pc.list_value_length(column), 0).fill_null(False).to_numpy())
        if empty.size:
            raise FileFormatError(f"{origin}: row {empty[0]} of {name!r} is an empty list; leave the cell empty")
        numbers, rows = pc.list_flatten(column), pc.list_parent_indices(column).to_numpy()
        if numbers.null_count:
            raise FileFormatError(f"{origin}: {name!r} has {numbers.null_count} empty entries inside its lists")
    values = numbers.to_numpy().astype(np.float64)
    present = numbers.is_valid().to_numpy()
    bad = np.flatnonzero(present & ~(np.isfinite(values) & (values > 0)))
    if bad.size:
        row = int(bad[0]) if rows is None else int(rows[bad[0]])
        found = values[bad[0]]
        raise FileFormatError(f"{origin}: row {row} of {name!r} is {found}; measurements are finite and positive")


def _notes(table: pa.Table, archs: ArchitectureBatch) -> list[str]:
    if "params" not in table.column_names:
        return []
    params = table.column("params").fill_null(0).to_numpy()
    wrong = int(((costs.params(archs) != params) & (params > 0)).sum())
    return [f"params of {wrong:,} rows are not those of the profiled network (gated, untied)"] if wrong else []

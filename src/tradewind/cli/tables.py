"""Tables of architectures as users have them: what is read of them, what is assumed, and what is left unread."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind.core import ArchitectureBatch
from tradewind.core.architecture import family
from tradewind.core.batch import ALIASES
from tradewind.core.files import read_parquet

if TYPE_CHECKING:
    import pyarrow as pa

    from tradewind.spaces import ArchitectureSpace

_UNDERSTOOD = {"family", "n_layer", "id"}
"""Columns that tell nothing beside the fields: no need to say that they are not read."""


@dataclasses.dataclass(frozen=True)
class ReadTable:
    """The architectures of a table; `unread` names the columns without effect, `notes` says what was assumed."""

    architectures: ArchitectureBatch
    unread: tuple[str, ...]
    notes: tuple[str, ...]


def read_architectures(path: Path, space: ArchitectureSpace) -> ReadTable:
    """The architectures of a Parquet table, checked row by row.

    Fields without a column are the space's constants; rows of Transformer-XL with a released vocabulary take what the
    release fixed for it, unless the space was given something else.
    """
    table = read_parquet(path)
    fields = {field.name for field in dataclasses.fields(family(space.family))}
    unread = tuple(name for name in table.column_names if ALIASES.get(name, name) not in fields | _UNDERSTOOD)
    released, notes = _released(table, space)
    batch = ArchitectureBatch.from_arrow(table, space.family, **space.constants | released)
    batch.validate()
    if space.family == "gpt2" and {"d_embed", "div_val"} & set(unread):
        notes.append("d_embed and div_val are none of gpt2: totals are for one plain embedding tied to the output")
    return ReadTable(batch, unread, tuple(notes))


def _released(table: pa.Table, space: ArchitectureSpace) -> tuple[dict[str, np.ndarray], list[str]]:
    """What the release fixed by vocabulary and the table does not hold, arrays with one entry a row; and in words."""
    from tradewind import spaces
    from tradewind.spaces.transformer_xl import RELEASED

    if space.family != "transformer-xl" or "vocab_size" not in table.column_names:
        return {}, []
    usual = spaces.get("transformer-xl").constants
    vocabularies = table.column("vocab_size").to_pylist()
    columns: dict[str, np.ndarray] = {}
    said: dict[int, list[str]] = {}
    for name in dict.fromkeys(name for layout in RELEASED.values() for name in layout):
        if name in table.column_names or space.constants.get(name) != usual[name]:
            continue
        columns[name] = np.array([RELEASED.get(words, usual).get(name, usual[name]) for words in vocabularies])
        for words in sorted(RELEASED.keys() & set(vocabularies)):
            value: Any = RELEASED[words].get(name, usual[name])
            if value != usual[name]:
                said.setdefault(words, []).append(f"{name} {list(value) if isinstance(value, tuple) else value}")
    return columns, [f"vocab_size {words}: {', '.join(facts)}, as released" for words, facts in said.items()]

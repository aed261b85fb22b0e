"""A supernet as a folder: weights and architecture of its largest network, and ``supernet.json`` with the rest.

The folder is also that of an ordinary model: `load_model` gives the largest network.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from tradewind import spaces
from tradewind.core import FileFormatError
from tradewind.core.files import read_json, write_json
from tradewind.models.supernet import Supernet
from tradewind.spaces import ArchitectureSpace
from tradewind.training.checkpoint import load_model, save_model

FILE = "supernet.json"


@dataclasses.dataclass(frozen=True)
class StoredSupernet:
    """A supernet with the space that it was made for and plain facts: ``data``, ``tokenizer``, ``length``..."""

    supernet: Supernet
    space: ArchitectureSpace
    facts: dict[str, Any]


def save_supernet(folder: str | os.PathLike[str], stored: StoredSupernet) -> Path:
    """Write a supernet; returns the folder."""
    place = save_model(stored.supernet.model, folder, stored.facts)
    order = list(stored.supernet.layer_order)
    write_json(place / FILE, {"space": stored.space.to_dict(), "layer_order": order, "facts": stored.facts})
    return place


def load_supernet(folder: str | os.PathLike[str], device: str = "cpu") -> StoredSupernet:
    """The supernet of a folder, in evaluation mode; raises `FileFormatError` where there is none."""
    place = Path(folder)
    if not (place / FILE).is_file():
        raise FileFormatError(
            f"{place} holds no {FILE}; give a folder that `tradewind supernet train` or `prune` has finished"
        )
    data = read_json(place / FILE)
    try:
        space, order, facts = spaces.from_dict(data["space"]), data["layer_order"], data["facts"]
    except (TypeError, KeyError) as error:
        raise FileFormatError(f"{place / FILE} is damaged ({error}); make the supernet again") from error
    return StoredSupernet(Supernet(load_model(place, device), order).eval(), space, facts)

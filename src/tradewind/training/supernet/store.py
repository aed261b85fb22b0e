"""A supernet as a folder: weights and architecture of its largest network, and ``supernet.json`` with the rest.

The folder is also that of an ordinary model: `open_saved` gives the largest network and its tokenizer.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from tradewind import spaces
from tradewind.core import FileFormatError, UsageError
from tradewind.core.files import read_json, write_json
from tradewind.models.supernet import Supernet
from tradewind.spaces import ArchitectureSpace
from tradewind.training.checkpoint import save_model
from tradewind.training.data import TokenData, prepare
from tradewind.training.saved import open_saved
from tradewind.training.tokenizers import ByteTokenizer, Tokenizer

FILE = "supernet.json"


@dataclasses.dataclass(frozen=True)
class StoredSupernet:
    """A supernet, the space that it was made for, plain facts (``data``, ``length``...) and its text's tokenizer.

    The facts of its text are those of `text_facts`.
    """

    supernet: Supernet
    space: ArchitectureSpace
    facts: dict[str, Any]
    tokenizer: Tokenizer = dataclasses.field(default_factory=ByteTokenizer)

    def text(self) -> TokenData:
        """The text that it was made on; raises `UsageError` where there is none, or another one, in its place."""
        data, place = self.facts["data"], self.facts.get("path")
        if place is not None and (Path(place).exists() or not Path(data).exists()):
            data = place
        text = prepare(data, self.tokenizer)
        made_on = self.facts.get("text", text.hash)
        if made_on != text.hash:
            raise UsageError(
                f"the supernet was made on another text than {data} is now ({made_on}, not {text.hash}), so it may "
                "have learned what it would be judged by; put that text back, or train it on this one in a folder of "
                "its own (tradewind supernet train --from)"
            )
        return text


def text_facts(data: str, text: TokenData) -> dict[str, Any]:
    """What a supernet remembers of the text that `prepare` made of `data`: its names, its hash and where it is."""
    place = {"path": str(Path(data).resolve())} if data != "stdlib" and Path(data).exists() else {}
    same = prepare(data, text.tokenizer)  # named by the tokenizer's content, whatever it was named by before
    return {"data": data, "tokenizer": text.manifest["tokenizer"], "text": same.hash, **place}


def save_supernet(folder: str | os.PathLike[str], stored: StoredSupernet) -> Path:
    """Write a supernet; returns the folder."""
    place = save_model(stored.supernet.model, folder, stored.facts, stored.tokenizer)
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
    model, tokenizer = open_saved(place)
    net = Supernet(model.to(device), order).eval()
    return StoredSupernet(net, space, facts, tokenizer or ByteTokenizer())

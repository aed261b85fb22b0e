"""Perplexity with inherited weights: a supernet as an evaluator, so that a search in its space trains nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind import spaces
from tradewind.core import (
    Architecture,
    FileFormatError,
    Measurement,
    Measurements,
    Objective,
    Space,
    UsageError,
    parse_objectives,
)
from tradewind.core.files import read_json
from tradewind.evaluators.sources import Source, register

if TYPE_CHECKING:
    from tradewind.spaces import ArchitectureSpace
    from tradewind.training import TokenData
    from tradewind.training.supernet import StoredSupernet

METHOD = "weights inherited from a supernet"


class SupernetEvaluator:
    """Validation perplexity of sub-networks of one supernet, all on the same windows of its text; deterministic.

    `supernet` is a folder of ``tradewind supernet train`` or `prune`, or what `load_supernet` made of it; `text` is by
    default the one that it was made on. `batches` windows of `batch_size` times `length` tokens are read (None: all of
    the validation text); the length is by default that of its training. An architecture that the supernet does not
    hold is a failed measurement. Raises `UsageError` where the text has changed since.
    """

    deterministic = True

    def __init__(
        self,
        supernet: str | os.PathLike[str] | StoredSupernet,
        text: TokenData | None = None,
        *,
        batches: int | None = 16,
        batch_size: int = 8,
        length: int | None = None,
    ) -> None:
        from tradewind.training.supernet import Examination, StoredSupernet, load_supernet

        stored = supernet if isinstance(supernet, StoredSupernet) else load_supernet(supernet)
        text = text or stored.text()
        size = length or stored.facts.get("length", 128)
        self._net = stored.supernet
        self._examination = Examination(stored.supernet, text, batches=batches, batch_size=batch_size, length=size)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Perplexity, per token."""
        return parse_objectives("perplexity")

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        """One mapping a candidate, in order."""
        return [{"perplexity": self._measure(candidate)} for candidate in candidates]

    def problem(self, space: Space) -> str:
        """Why the supernet holds no candidate of a space; nothing where it holds a sample of them."""
        errors = [self._missing(arch) for arch in space.sample_many(16, seed=0)]
        return errors[0] if all(errors) else ""

    def describe(self) -> dict[str, Any]:
        """The weights, the text and the windows: another of them is another evaluator."""
        return {"kind": "supernet", "objectives": ["perplexity"], **self._examination.facts}

    def close(self) -> None:
        """Nothing is held open."""

    def _measure(self, candidate: Any) -> Measurement:
        facts: dict[str, Any] = {"method": METHOD}
        if missing := self._missing(candidate):
            return Measurement.failed(f"unsupported: {missing}", "perplexity", **facts)
        row = self._examination.row(candidate)
        details = {"tokens": self._examination.tokens, "loss": row["loss"]}
        value = float("nan") if row["perplexity"] is None else row["perplexity"]
        return Measurement.of(value, "perplexity", details=details, **facts)

    def _missing(self, candidate: Any) -> str:
        if not isinstance(candidate, Architecture):
            return "only architectures have a place in a supernet"
        try:
            self._net.at(candidate)
        except UsageError as error:
            return str(error)
        return ""


def use(folder: str | os.PathLike[str], **options: Any) -> ArchitectureSpace:
    """Let the objective ``perplexity`` mean that of a supernet's sub-networks in this process; returns its space.

    `options` are those of `SupernetEvaluator`. Raises `FileFormatError` for a folder without a supernet.
    """
    place = Path(folder)
    path = place / "supernet.json"
    if not path.is_file():
        raise FileFormatError(f"{place} holds no supernet; make one with tradewind supernet train --out {place}")
    data = read_json(path)
    if not isinstance(data, dict) or "space" not in data:
        raise FileFormatError(f"{path} is damaged; make the supernet again")
    register(
        Source(
            name="supernet",
            offers=f"perplexity in the supernet {place}",
            matches=lambda objective, _: objective.quantity == "perplexity",
            build=lambda *_, **__: SupernetEvaluator(place, **options),
        )
    )
    return spaces.from_dict(data["space"])

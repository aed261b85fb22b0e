"""Scoring many sub-networks on the same text, kept in a table as they are scored, so that a stop loses nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tradewind.core import Architecture, FileFormatError, UsageError
from tradewind.core.files import canonical_json, parse_json, write_text
from tradewind.models.supernet import Supernet
from tradewind.training.data import TokenData
from tradewind.training.evaluation import as_tensor


class Examination:
    """Fixed windows of a split, read once, on which any number of sub-networks is scored.

    `batches` windows of `batch_size` times `length` tokens, spread evenly (None: the whole split).
    """

    def __init__(
        self,
        supernet: Supernet,
        text: TokenData,
        *,
        split: str = "validation",
        batches: int | None = 16,
        batch_size: int = 8,
        length: int = 128,
    ) -> None:
        self.supernet = supernet
        windows = text.windows(split, batch_size=batch_size, length=length, limit=batches)
        self._windows = [tuple(as_tensor(part, supernet.device) for part in window) for window in windows]
        self.facts: dict[str, Any] = {
            "text": text.hash,
            "split": split,
            "batches": batches,
            "batch_size": batch_size,
            "length": length,
            "weights": fingerprint(supernet),
        }
        """What the scores depend on, beside the architecture: plain data."""

    @property
    def tokens(self) -> int:
        """Tokens that a network is scored on."""
        return sum(targets.numel() for _, targets in self._windows)

    @torch.no_grad()
    def loss(self, arch: Architecture) -> float:
        """Nats per token of one sub-network."""
        part = self.supernet.at(arch).eval()
        return self.loss_of(part.with_weights(part.weights()))

    @property
    def device(self) -> torch.device:
        """Where the supernet and the windows are."""
        return self.supernet.device

    @torch.no_grad()
    def loss_of(self, model: Any) -> float:
        """Nats per token of any model on the same windows, each read without memory."""
        total = sum(float(model.loss(inputs, targets)) * targets.numel() for inputs, targets in self._windows)
        return total / self.tokens

    def row(self, arch: Architecture) -> dict[str, Any]:
        """``id``, ``architecture``, ``loss`` and ``perplexity`` of one sub-network; None for what is not finite."""
        loss = self.loss(arch)
        finite = math.isfinite(loss) and loss < 700
        return {
            "id": arch.id,
            "architecture": arch.to_dict(),
            "loss": loss if finite else None,
            "perplexity": math.exp(loss) if finite else None,
        }


def examine(
    examination: Examination,
    archs: Sequence[Architecture],
    table: Path | None = None,
    report: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Rows of `Examination.row` in the order of `archs`; each architecture is scored once.

    With a `table` (a JSONL file) rows are appended as they come, and those that it has are taken from it. `report` is
    told how many are done and how many there are. Raises `UsageError` for a table of other weights or other text.
    """
    rows = _known(table, examination.facts) if table is not None else {}
    wanted = list(dict.fromkeys(archs))
    file = table.open("a", encoding="utf-8", buffering=1) if table is not None else None
    try:
        for done, arch in enumerate(wanted, 1):
            if arch.id not in rows:
                rows[arch.id] = examination.row(arch)
                if file is not None:
                    file.write(canonical_json(rows[arch.id]) + "\n")
            if report is not None:
                report(done, len(wanted))
    finally:
        if file is not None:
            file.close()
    return [rows[arch.id] for arch in archs]


def fingerprint(supernet: Supernet) -> str:
    """16 hexadecimal digits that name the shared weights and the order of the layers."""
    import hashlib

    digest = hashlib.sha256(repr(supernet.layer_order).encode())
    for name, parameter in sorted(supernet.model.named_parameters()):
        digest.update(name.encode())
        digest.update(_bytes(parameter))
    return digest.hexdigest()[:16]


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()


def _known(table: Path, facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of a table, by architecture; a last line cut short by a crash is dropped. Makes a new table."""
    if not table.is_file():
        write_text(table, canonical_json({"facts": facts}) + "\n")
        return {}
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
        write_text(table, "".join(lines))
    if not lines:
        raise FileFormatError(f"{table} is no table of sub-networks; name another file")
    rows: Iterable[Any] = (parse_json(line, f"line {i} of {table}") for i, line in enumerate(lines, 1))
    head, *rest = rows
    if not isinstance(head, dict) or "facts" not in head:
        raise FileFormatError(f"{table} is no table of sub-networks; name another file")
    for name, value in facts.items():
        if head["facts"].get(name) != value:
            raise UsageError(
                f"{table} was made with other {name} ({head['facts'].get(name)} instead of {value}), so its rows are "
                "not comparable; name another file"
            )
    return {row["id"]: row for row in rest}

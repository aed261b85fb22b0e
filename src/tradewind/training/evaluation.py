"""How well a model predicts held-out text: nats per token, and perplexity per token, byte and word.

Perplexity per token depends on the tokenizer; per byte and per word it does not, so models with different tokenizers
can be compared: exp(nats per token · tokens / bytes), with the tokens and bytes of the whole split.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tradewind.training.data import Batch, TokenData

FIGURES = ("loss", "perplexity", "perplexity_per_byte", "perplexity_per_word", "bits_per_byte")
"""What a validation tells, in the order of every report."""


@dataclasses.dataclass(frozen=True)
class Validation:
    """The loss of a model on a split, in nats per token, over `tokens` predicted tokens.

    >>> Validation(loss=math.log(8), tokens=100, bytes_per_token=2.0, words_per_token=0.5).bits_per_byte
    1.5
    """

    loss: float
    tokens: int
    bytes_per_token: float
    words_per_token: float

    @property
    def perplexity(self) -> float:
        """Per token."""
        return _exp(self.loss)

    @property
    def perplexity_per_byte(self) -> float:
        """Per UTF-8 byte."""
        return _exp(self.loss / self.bytes_per_token)

    @property
    def perplexity_per_word(self) -> float:
        """Per run of anything but white space."""
        return _exp(self.loss / self.words_per_token)

    @property
    def bits_per_byte(self) -> float:
        """Bits that the text takes per UTF-8 byte."""
        return self.loss / math.log(2) / self.bytes_per_token

    def to_dict(self) -> dict[str, float]:
        """Plain data; what has no finite value is left out."""
        found = {name: getattr(self, name) for name in FIGURES}
        return {"tokens": self.tokens, **{name: value for name, value in found.items() if math.isfinite(value)}}


def evaluate(
    model: nn.Module,
    text: TokenData,
    split: str = "validation",
    *,
    batches: int | None = 16,
    batch_size: int = 8,
    length: int = 128,
    precision: str = "float32",
) -> Validation:
    """Score a model on fixed windows of a split: `batches` of them spread evenly, or all of it (None).

    The model is put in evaluation mode meanwhile. One with a memory reads `batch_size` equal stretches of the text,
    each from its front on, window after window, with the memory of the windows before; of all of it less than
    `batch_size` windows are left out. Raises `UsageError` where the split is too short.
    """
    return score(TokenLoss(model), text, split, batches, batch_size, length, precision)


def score(
    loss: nn.Module,
    text: TokenData,
    split: str,
    batches: int | None,
    batch_size: int,
    length: int,
    precision: str = "float32",
    memory: bool | None = None,
) -> Validation:
    """As `evaluate`, by a `TokenLoss` or what was wrapped around one (then `memory` says whether it has one)."""
    device = next(loss.parameters()).device
    remembers = loss.remembers if memory is None else memory
    was_training = loss.training
    loss.eval()
    total, count = 0.0, 0
    kept: Any = None
    try:
        with torch.no_grad(), autocast(device, precision):
            for inputs, targets in _windows(text, split, batches, batch_size, length, bool(remembers)):
                value, kept = loss(as_tensor(inputs, device), as_tensor(targets, device), kept)
                total += float(value) * targets.size
                count += targets.size
    finally:
        loss.train(was_training)
    return Validation(total / count, count, text.bytes_per_token(split), text.words_per_token(split))


def validation_loss(model: nn.Module, text: TokenData, **options: Any) -> float:
    """Nats per token on the validation text; options as for `evaluate`."""
    return evaluate(model, text, **options).loss


class TokenLoss(nn.Module):
    """A model's loss as a module, which can be compiled or spread over processes; a memory goes in and comes out.

    Models with a method ``segment`` have a memory: hidden states of the windows before.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model
        self.remembers = hasattr(model, "segment")

    def forward(self, inputs: Tensor, targets: Tensor, memory: Any = None) -> tuple[Tensor, Any]:
        """Mean nats per token of (B, T) inputs and targets, and the memory for the windows that follow, or None."""
        if not self.remembers:
            return self.model.loss(inputs, targets), None
        hidden, memory = self.model.segment(inputs, memory)
        return self.model.head_loss(hidden, targets), memory


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision as a context; without effect for ``float32``."""
    half = precision != "float32"
    return torch.autocast(device.type, getattr(torch, precision) if half else torch.bfloat16, enabled=half)


def as_tensor(tokens: np.ndarray, device: torch.device) -> Tensor:
    """Tokens of a batch on a device, without waiting for the copy."""
    return torch.from_numpy(np.ascontiguousarray(tokens)).to(device, non_blocking=True)


def _windows(
    text: TokenData, split: str, batches: int | None, batch_size: int, length: int, in_turn: bool
) -> Iterator[Batch]:
    if not in_turn:
        yield from text.windows(split, batch_size=batch_size, length=length, limit=batches)
        return
    windows = max(1, (text.length(split) - 1) // length)
    batch_size = min(batch_size, windows)
    whole = windows // batch_size
    for step in range(whole if batches is None else min(batches, whole)):
        yield text.lanes(split, step, batch_size=batch_size, length=length, seed=None)


def _exp(nats: float) -> float:
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf

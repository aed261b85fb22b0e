"""What every language model of Tradewind offers: logits, loss, and decoding with a cache.

Letters used in this room: B batch, T tokens, D width (d_model), H heads, S head size, F inner size (d_inner),
V vocabulary, M memory (positions before the first token), C = M + T positions attended to.
"""

from __future__ import annotations

import abc

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tradewind.core import Architecture, unknown
from tradewind.models.cache import Cache
from tradewind.models.cross_entropy import linear_cross_entropy


class TokenModel(nn.Module, abc.ABC):
    """What scores sequences of tokens and can be trained: logits and loss.

    A forward leaves nothing on the modules and no model has buffers, so weights can be swapped in from outside
    (`torch.func.functional_call`) and a model on the meta device is complete. No parameter has two names.
    """

    @abc.abstractmethod
    def hidden(self, tokens: Tensor) -> Tensor:
        """(B, T) int64 -> (B, T, D), what the output layer reads."""

    @abc.abstractmethod
    def head(self, hidden: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, V): unnormalised logits, or log-probabilities where the family's softmax is adaptive."""

    def forward(self, tokens: Tensor, logits: str = "all") -> Tensor:
        """(B, T) int64 -> `head` of every position, (B, T, V), or with ``logits="last"`` of the last, (B, 1, V)."""
        if logits not in ("all", "last"):
            raise unknown("choice of logits", logits, ("all", "last"))
        hidden = self.hidden(tokens)
        return self.head(hidden if logits == "all" else hidden[:, -1:])

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean negative log-likelihood in nats per token, a scalar: (B, T) tokens, (B, T) the tokens that follow."""
        return self.head_loss(self.hidden(tokens), targets)

    def head_loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """The same from hidden states (B, T, D); computed in float32 or better."""
        weight = self.output_weight()
        if weight is not None:
            return linear_cross_entropy(hidden.flatten(0, 1), weight, targets.flatten())
        logits = self.head(hidden).flatten(0, 1)
        return F.cross_entropy(logits.to(precise(logits.dtype)), targets.flatten())

    def output_weight(self) -> Tensor | None:
        """The weight (V, D) of an output layer that is one linear map without bias; None where it is something else."""
        return None

    def initial(self, name: str) -> tuple[float, float]:
        """Mean and standard deviation with which the parameter `name` starts."""
        if name.endswith(".bias"):
            return 0.0, 0.0
        return (1.0, 0.0) if name.endswith("norm.weight") else (0.0, 0.02)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the parameters."""
        return next(self.parameters()).dtype


class LanguageModel(TokenModel):
    """A decoder-only language model with the shape of `arch`, which also decodes with a cache."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.arch = arch

    @abc.abstractmethod
    def hidden(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, T) int64 -> (B, T, D), what the output layer reads.

        With a cache the tokens follow those that it holds, and are added to it.
        """

    @abc.abstractmethod
    def make_cache(self, batch: int, length: int) -> Cache:
        """An empty cache for `batch` sequences of at most `length` tokens, on the model's device, in its dtype."""

    @torch.no_grad()
    def prefill(self, tokens: Tensor, cache: Cache) -> Tensor:
        """Read (B, T) tokens into the cache; (B, 1, V) for the token that follows them."""
        cache.check_room(tokens)
        return self.head(self.hidden(tokens, cache)[:, -1:])

    def decode(self, tokens: Tensor, cache: Cache) -> Tensor:
        """Read one token a sequence, (B, 1), into the cache; (B, 1, V) for the token that follows it."""
        return self.prefill(tokens, cache)


def embedding_table(rows: int, width: int) -> nn.Embedding:
    """An uninitialised embedding; torch's own initialisation on the meta device costs a second of imports."""
    return nn.Embedding(rows, width, _weight=torch.empty(rows, width))


def precise(dtype: torch.dtype) -> torch.dtype:
    """The format for sums and angles that half precision would spoil: float32, or `dtype` if that is finer.

    >>> precise(torch.bfloat16), precise(torch.float64)
    (torch.float32, torch.float64)
    """
    return torch.promote_types(dtype, torch.float32)

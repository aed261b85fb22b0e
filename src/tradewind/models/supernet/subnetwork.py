"""A sub-network: a module without weights of its own, run with those that it is given at every call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.func import functional_call

from tradewind.core import Architecture
from tradewind.models.base import TokenModel
from tradewind.models.factory import build
from tradewind.models.supernet.axes import Cut
from tradewind.models.supernet.cuts import cuts

if TYPE_CHECKING:
    from tradewind.models.supernet.supernet import Supernet

Weights = Mapping[str, Tensor]


class _Call(nn.Module):
    """A model whose forward is any of its methods, so that `functional_call` can reach them all."""

    def __init__(self, model: TokenModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, method: str, *arguments: Any) -> Tensor:
        result: Tensor = getattr(self.model, method)(*arguments)
        return result


class Borrower(TokenModel):
    """A model of the shape of `skeleton` whose weights are asked for at every call: ``weights()``."""

    def __init__(self, skeleton: TokenModel, weights: Callable[[], Weights]) -> None:
        super().__init__()
        self._call = (_Call(skeleton),)  # in a tuple, so that its empty parameters are not among ours
        self._weights = weights
        self.train(skeleton.training)

    def forward(self, tokens: Tensor, logits: str = "all") -> Tensor:
        """(B, T) int64 -> (B, T, V) or (B, 1, V)."""
        return self._run("forward", tokens, logits)

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean nats per token, a scalar."""
        return self._run("loss", tokens, targets)

    def hidden(self, tokens: Tensor) -> Tensor:
        """(B, T) int64 -> (B, T, D)."""
        return self._run("hidden", tokens)

    def head(self, hidden: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, V)."""
        return self._run("head", hidden)

    def head_loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Mean nats per token from hidden states."""
        return self._run("head_loss", hidden, targets)

    def train(self, mode: bool = True) -> Borrower:
        """Set the mode (of dropout) of this model alone, not of whom the weights belong to."""
        self.training = mode
        self._call[0].train(mode)
        return self

    def _run(self, method: str, *arguments: Any) -> Tensor:
        weights = {f"model.{name}": weight for name, weight in self._weights().items()}
        result: Tensor = functional_call(self._call[0], weights, (method, *arguments), strict=True)
        return result


class SubNetwork(Borrower):
    """The sub-network of one architecture in a supernet; made by `Supernet.at`.

    Its parameters are the supernet's. It stays right while they are trained, and while others use other sub-networks.
    """

    def __init__(self, supernet: Supernet, arch: Architecture) -> None:
        dropout = next((m.p for m in supernet.model.modules() if isinstance(m, nn.Dropout)), 0.0)
        found = cuts(supernet.arch, arch, supernet.layers(arch.n_layer))
        skeleton = build(arch, dtype=supernet.dtype, init="meta", dropout=dropout)
        super().__init__(skeleton, self.weights)
        self.supernet = supernet
        self.arch = arch
        self.cuts = {name: Cut(*found[name], tuple(parameter.shape)) for name, parameter in skeleton.named_parameters()}
        self.train(supernet.training)

    def weights(self) -> dict[str, Tensor]:
        """The weights by the names that a stand-alone model has for them, slices of the shared ones as they are now."""
        shared = dict(self.supernet.model.named_parameters())
        return {name: cut.take(shared[cut.name]) for name, cut in self.cuts.items()}

    def with_weights(self, weights: Weights) -> Borrower:
        """The same network with other weights."""
        return Borrower(self._call[0].model, lambda: weights)

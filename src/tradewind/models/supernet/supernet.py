"""Supernet: the weights of many networks in those of one, and its sub-networks as models.

A sub-network is an argument. Nothing is selected or reset: `supernet.at(arch)` is a model whose every forward takes its
weights from the shared ones as they are then, and whose gradients land in them. `supernet.extract(arch)` is a
stand-alone model with copies of the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tradewind.core import Architecture, UsageError
from tradewind.models.base import LanguageModel, TokenModel
from tradewind.models.factory import build
from tradewind.models.supernet.subnetwork import SubNetwork


class Supernet(TokenModel):
    """Shared weights: those of the largest network `model`, of which every smaller one of its family is a slice.

    `layer_order` ranks the layers by how early a shallow network has them: one of n layers uses the first n of the
    ranking, in their order in the model. The default is 0, 1, 2, ...: the first n layers. A forward without an
    architecture is that of the largest network.

    >>> from tradewind.core import GPT2
    >>> full = GPT2(d_model=64, n_head=(4, 4), d_inner=(256, 256), vocab_size=100, context=16)
    >>> supernet = Supernet(build(full))
    >>> small = full.replace(d_model=32, n_head=(2,), d_inner=(96,))
    >>> tokens = torch.zeros(1, 8, dtype=torch.int64)
    >>> torch.allclose(supernet(tokens, small), supernet.extract(small)(tokens), atol=1e-5)
    True
    """

    def __init__(self, model: LanguageModel, layer_order: Sequence[int] | None = None) -> None:
        super().__init__()
        order = tuple(range(model.arch.n_layer)) if layer_order is None else tuple(layer_order)
        if sorted(order) != list(range(model.arch.n_layer)):
            raise UsageError(f"layer_order {list(order)} must hold each of 0..{model.arch.n_layer - 1} once")
        self.model = model
        self.layer_order = order

    @property
    def arch(self) -> Architecture:
        """The largest network."""
        return self.model.arch

    def layers(self, n_layer: int) -> tuple[int, ...]:
        """The shared layers that a network of `n_layer` uses."""
        return tuple(sorted(self.layer_order[:n_layer]))

    def at(self, arch: Architecture) -> SubNetwork:
        """The sub-network of an architecture; raises `UsageError` for one that the shared weights do not hold."""
        return SubNetwork(self, arch)

    def forward(  # type: ignore[override]
        self, tokens: Tensor, arch: Architecture | None = None, logits: str = "all"
    ) -> Tensor:
        """(B, T) int64 -> logits (B, T, V) or (B, 1, V) of a sub-network, by default of the largest."""
        return (self.model if arch is None else self.at(arch))(tokens, logits)

    def hidden(self, tokens: Tensor) -> Tensor:
        """Hidden states of the largest network."""
        return self.model.hidden(tokens)

    def head(self, hidden: Tensor) -> Tensor:
        """Output layer of the largest network."""
        return self.model.head(hidden)

    def head_loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Loss of the largest network from hidden states."""
        return self.model.head_loss(hidden, targets)

    def initial(self, name: str) -> tuple[float, float]:
        """That of the largest network."""
        return self.model.initial(name.removeprefix("model."))

    @torch.no_grad()
    def extract(self, arch: Architecture) -> LanguageModel:
        """A model of its own with copies of the sub-network's weights, in evaluation mode."""
        sub = self.at(arch)
        model = build(arch, self.device, self.dtype, init="meta").to_empty(device=self.device)
        model.load_state_dict({name: weight.clone() for name, weight in sub.weights().items()})
        return model

    def accumulate(self, sub: SubNetwork, objective: Callable[[TokenModel], Tensor]) -> Tensor:
        """Add the gradient of ``objective(sub)``, a scalar, to the shared weights' `.grad`; returns it, detached.

        As ``objective(sub).backward()``, but the gradients of slices are added where they belong, instead of one
        tensor of the whole weight's size for each.
        """
        shared = dict(self.model.named_parameters())
        leaves: dict[str, Tensor] = {}
        for name, cut in sub.cuts.items():
            weight = shared[cut.name]
            leaves[name] = weight.view(cut.shape) if cut.whole else cut.gather(weight.detach()).requires_grad_()
        loss = objective(sub.with_weights(leaves))
        torch.autograd.backward(loss)
        for name, cut in sub.cuts.items():
            gradient, weight = leaves[name].grad if not cut.whole else None, shared[cut.name]
            if gradient is not None:
                if weight.grad is None:
                    weight.grad = torch.zeros_like(weight)
                cut.scatter_add(gradient, weight.grad)
        return loss.detach()

"""A language model of equal blocks, each written as a program.

Source: So et al. 2021, arXiv 2109.08668, section 2: the search changes the block only; embedding, stacking and output
stay. As in our GPT-2 the positions are learned, the output layer is tied to the embedding and has no bias, and a
LayerNorm stands before it.

Letters: B batch, T tokens, D width, V vocabulary, L layers, K taps of a kernel.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tradewind.core import UsageError, unknown
from tradewind.models.base import TokenModel, embedding_table
from tradewind.models.factory import DTYPES
from tradewind.models.init import fill_random
from tradewind.models.program.lowering import lower
from tradewind.programs import Graph, Program, check_causal, resolve

INITS = ("random", "meta")


class ProgramModel(TokenModel):
    """Embedding, L blocks of one graph with weights of their own, final norm, tied output layer."""

    def __init__(
        self,
        graph: Graph,
        d_model: int,
        n_layer: int,
        vocab_size: int,
        context: int,
        fuse: bool = True,
        init_std: float | None = None,
    ) -> None:
        super().__init__()
        self.context, self.init_std = context, init_std
        self.token_embedding = embedding_table(vocab_size, d_model)
        self.position_embedding = embedding_table(context, d_model)
        self.layers = nn.ModuleList(lower(graph, d_model, context, fuse) for _ in range(n_layer))
        self.final_norm = nn.LayerNorm(d_model)

    def hidden(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, D); raises `UsageError` past the last learned position (`context`)."""
        if tokens.shape[1] > self.context:
            raise UsageError(
                f"{tokens.shape[1]} tokens exceed the {self.context} learned positions of this model; "
                "shorten the input or build it with a larger context"
            )
        x = self.token_embedding(tokens) + self.position_embedding.weight[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.final_norm(x)

    def head(self, hidden: Tensor) -> Tensor:
        """(B, T, D) -> logits (B, T, V)."""
        return F.linear(hidden, self.token_embedding.weight)

    def output_weight(self) -> Tensor:
        """That of the token embedding."""
        return self.token_embedding.weight

    def initial(self, name: str) -> tuple[float, float]:
        """SCALE 1, SHIFT 0; a convolution has deviation `init_std`, embeddings 0.02 (GPT-2).

        Without `init_std` it is 1/√(products that the convolution adds up), which keeps the size of what comes in.
        """
        operation = name.rpartition(".")[2]
        if operation.startswith("scale_"):
            return 1.0, 0.0
        if operation.startswith("shift_"):
            return 0.0, 0.0
        if operation.startswith("conv_") and self.init_std is not None:
            return 0.0, self.init_std
        if operation.startswith("conv_"):
            shape = self.get_parameter(name).shape
            products = shape[-1] if operation.startswith("conv_1x1") else math.prod(shape[-2:])
            return 0.0, products**-0.5
        return super().initial(name)

    @torch.no_grad()
    def fill_depthwise(self) -> None:
        """Primer's start of depthwise kernels: 0.5 for the token itself, 0.5 / K for each one before it."""
        for name, parameter in self.named_parameters():
            if name.rpartition(".")[2].startswith("dconv_"):
                parameter.fill_(0.5 / parameter.shape[-1])
                parameter[..., -1] = 0.5


def build(
    program: Program,
    *,
    d_model: int,
    n_layer: int,
    vocab_size: int,
    context: int,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float32",
    init: str = "random",
    seed: int = 0,
    fuse: bool = True,
    init_std: float | None = None,
) -> ProgramModel:
    """The language model of a program, in evaluation mode.

    `init` is ``random`` (weights to train from, a pure function of `seed`) or ``meta`` (shapes only, no memory). `fuse`
    as in `lower`; it changes neither the parameters nor their values. `init_std` is the deviation of the dense maps and
    convolutions at the start: by default each keeps the size of its input, with 0.02 they start as GPT-2's.

    Raises `ProgramShapeError`, `ProgramTooLargeError`, `ProgramCausalityError` if the block looks ahead, and
    `UsageError` for a size, init or dtype that is not allowed.

    >>> from tradewind.programs import transformer
    >>> model = build(transformer(), d_model=16, n_layer=1, vocab_size=10, context=8)
    >>> tuple(model(torch.zeros(1, 4, dtype=torch.int64)).shape)
    (1, 4, 10)
    """
    for name, value in (("n_layer", n_layer), ("vocab_size", vocab_size), ("context", context)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise UsageError(f"{name} is {value!r}; it must be a whole number of at least 1")
    if init_std is not None and not 0 < init_std < math.inf:
        raise UsageError(f"init_std is {init_std!r}; it must be above 0, such as GPT-2's 0.02")
    if init not in INITS:
        raise unknown("init", init, INITS)
    if isinstance(dtype, str):
        if dtype not in DTYPES:
            raise unknown("dtype", dtype, DTYPES)
        dtype = DTYPES[dtype]
    graph = resolve(program)
    check_causal(graph)
    with torch.device("meta"):
        model = ProgramModel(graph, d_model, n_layer, vocab_size, context, fuse, init_std).to(dtype).eval()
    if init == "meta":
        return model
    model.to_empty(device=device)
    fill_random(model, seed)
    model.fill_depthwise()
    return model

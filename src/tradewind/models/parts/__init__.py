"""Parts of Primer as modules of their own, and `primerize`, which puts them into an existing PyTorch model."""

from tradewind.models.depthwise import HeadConvolution
from tradewind.models.parts.activations import SquaredReLU
from tradewind.models.parts.attention import MultiDConvHeadAttention, SharedQueryKeyAttention
from tradewind.models.parts.swap import primerize

__all__ = ["HeadConvolution", "MultiDConvHeadAttention", "SharedQueryKeyAttention", "SquaredReLU", "primerize"]

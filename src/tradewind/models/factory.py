"""Builds the PyTorch model of an architecture."""

from __future__ import annotations

import torch

from tradewind.core import GPT2, HWGPT, Architecture, TransformerXL, UsageError, unknown
from tradewind.models.base import LanguageModel
from tradewind.models.gpt2 import GPT2Model
from tradewind.models.hwgpt import HWGPTModel
from tradewind.models.init import fill_cheap, fill_random
from tradewind.models.transformer_xl import TransformerXLModel

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}
INITS = ("random", "cheap", "meta")


def build(
    arch: Architecture,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = "float32",
    init: str = "random",
    seed: int = 0,
    dropout: float = 0.0,
) -> LanguageModel:
    """The model of an architecture, in evaluation mode.

    `init` is ``random`` (weights to train from, a pure function of `seed`), ``cheap`` (fast, ordinary magnitudes, for
    timing) or ``meta`` (shapes only, no memory, whatever the device). `dropout` is the probability at the places that
    the family's file names; it acts after `model.train()`. The global random state is neither read nor changed.

    Raises `UsageError` for an unknown init or dtype and for an architecture without a model.

    >>> arch = GPT2(d_model=64, n_head=(2,), d_inner=(128,), vocab_size=100, context=16)
    >>> sum(p.numel() for p in build(arch, init="meta").parameters())
    41024
    """
    if init not in INITS:
        raise unknown("init", init, INITS)
    if isinstance(dtype, str):
        if dtype not in DTYPES:
            raise unknown("dtype", dtype, DTYPES)
        dtype = DTYPES[dtype]
    if not 0.0 <= dropout < 1.0:
        raise UsageError(f"dropout is {dropout}; it must be at least 0 and below 1")
    # Built on meta first: torch would otherwise fill every weight with its own default before ours.
    with torch.device("meta"):
        model = _skeleton(arch, dropout).eval()
    if model.dtype != dtype:
        model.to(dtype)
    if init == "meta":
        return model
    model.to_empty(device=device)
    (fill_random if init == "random" else fill_cheap)(model, seed)
    return model


def _skeleton(arch: Architecture, dropout: float) -> LanguageModel:
    if isinstance(arch, GPT2):
        return GPT2Model(arch, dropout)
    if isinstance(arch, HWGPT):
        return HWGPTModel(arch, dropout)
    if isinstance(arch, TransformerXL):
        return TransformerXLModel(arch, dropout)
    raise UsageError(f"there is no model for {arch!r}; give an Architecture of gpt2, hwgpt or transformer-xl")

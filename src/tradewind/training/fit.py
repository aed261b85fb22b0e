"""Fits architectures and texts to each other."""

from __future__ import annotations

from typing import Any

from tradewind.core import Architecture, TransformerXL, UsageError
from tradewind.training.data import TokenData


def for_text(arch: Architecture, text: TokenData) -> Architecture:
    """The architecture with the vocabulary of a text; nothing else changes.

    Cutoffs of an adaptive softmax that lie beyond the vocabulary are dropped.

    >>> import tempfile
    >>> from tradewind import core, training
    >>> text = training.prepare(__file__, cache=tempfile.mkdtemp())
    >>> training.for_text(core.GPT2(d_model=8, n_head=(2,), d_inner=(16,)), text).vocab_size
    256
    """
    changes: dict[str, Any] = {"vocab_size": text.vocab_size}
    if isinstance(arch, TransformerXL):
        changes["cutoffs"] = tuple(cutoff for cutoff in arch.cutoffs if cutoff < text.vocab_size)
    return arch.replace(**changes)


def check_fit(model: Any, text: TokenData, length: int) -> None:
    """Raise `UsageError` where a model cannot read a text: a vocabulary, positions or a text too small."""
    arch: Any = getattr(model, "arch", None)
    vocabulary = getattr(arch, "vocab_size", None) or model.token_embedding.num_embeddings
    if vocabulary < text.vocab_size:
        raise UsageError(
            f"the model knows {vocabulary:,} tokens and the text has {text.vocab_size:,} "
            f"({text.manifest['tokenizer']}); use an architecture with vocab_size={text.vocab_size} or a smaller "
            "tokenizer"
        )
    positions = arch.context if getattr(arch, "family", "") == "gpt2" else getattr(model, "context", None)
    if positions is not None and length > positions:
        raise UsageError(
            f"windows of {length} tokens exceed the {positions} positions that the model has learned; use a shorter "
            f"length or an architecture with context={length}"
        )
    text.check_length(length)

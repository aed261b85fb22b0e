"""Text to tokens: bytes as they are, or byte-pair encoding trained on the training text alone.

Byte-pair encoding: Sennrich et al. 2016, arXiv 1508.07909, over bytes as in GPT-2 (Radford et al. 2019), trained by the
`tokenizers` library. Both end a document with a token of their own, so that a model learns where texts begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tradewind.core import FileFormatError, UsageError

BYTES = "bytes"
SMALLEST_BPE, LARGEST_BPE = 257, 1_000_000
END = "<|endoftext|>"
FILE = "tokenizer.json"
CURE = "give the command that made its folder again"


class Tokenizer(Protocol):
    """Turns text into tokens 0 .. vocab_size-1 and back without loss; `end` closes a document."""

    @property
    def name(self) -> str:
        """``bytes`` or ``bpe:SIZE``."""
        ...

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""
        ...

    @property
    def end(self) -> int:
        """The token after the last one of a document."""
        ...

    def encode(self, text: str) -> list[int]:
        """Tokens of a text, without `end`."""
        ...

    def decode(self, tokens: Iterable[int]) -> str:
        """Text of tokens; incomplete characters become U+FFFD."""
        ...


class ByteTokenizer:
    """UTF-8 bytes as tokens; NUL, which text does not hold, ends a document.

    >>> ByteTokenizer().decode(ByteTokenizer().encode("naïve"))
    'naïve'
    """

    name = BYTES
    vocab_size = 256
    end = 0

    def encode(self, text: str) -> list[int]:
        """The bytes of the text."""
        return list(text.encode())

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of bytes."""
        return bytes(int(token) for token in tokens).decode(errors="replace")


class BPETokenizer:
    """Byte-level byte-pair encoding; made by `train` or `load`.

    `name` is by default ``bpe:SIZE``; `end` closes a document where the vocabulary has no ``<|endoftext|>``.
    """

    def __init__(self, inner: Any, name: str | None = None, end: int | None = None) -> None:
        # The text of a special token is text like any other, and no text is cut or padded.
        inner.encode_special_tokens = True
        inner.no_truncation()
        inner.no_padding()
        self._inner = inner
        self.vocab_size = int(inner.get_vocab_size())
        self.name = name or f"bpe:{self.vocab_size}"
        own = inner.token_to_id(END)
        self._end = end if own is None else int(own)

    @property
    def end(self) -> int:
        """The token after the last one of a document; raises `UsageError` where it is not known."""
        if self._end is None or not 0 <= self._end < self.vocab_size:
            raise UsageError(
                f"the tokenizer tells no token that ends a document: it has no {END}, and config.json beside it no "
                "eos_token_id of its vocabulary; write one there"
            )
        return self._end

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> BPETokenizer:
        """Train on texts until there are `size` tokens, fewer where the texts have no more pairs to merge."""
        library = _library()
        inner = library.Tokenizer(library.models.BPE())
        inner.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=[END],
            initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        inner.train_from_iterator(texts, trainer)
        return cls(inner, f"bpe:{size}")

    @classmethod
    def load(cls, path: Path, name: str | None = None, end: int | None = None, cure: str = CURE) -> BPETokenizer:
        """The tokenizer of a file in the library's format; raises `FileFormatError`, which says how to `cure` it."""
        try:
            return cls.from_json(path.read_text(encoding="utf-8"), name, end)
        except UsageError:
            raise
        except Exception as error:  # the library raises bare Exception
            raise FileFormatError(f"{path} is no tokenizer: {error}; {cure}") from error

    @classmethod
    def from_json(cls, text: str, name: str | None = None, end: int | None = None) -> BPETokenizer:
        """The tokenizer of a text in the library's format."""
        return cls(_library().Tokenizer.from_str(text), name, end)

    def save(self, path: Path) -> None:
        """Write the tokenizer as JSON, in the library's own format."""
        path.write_text(self.to_json(), encoding="utf-8")

    def to_json(self) -> str:
        """The tokenizer as JSON, in the library's own format."""
        text: str = self._inner.to_str()
        return text

    def encode(self, text: str) -> list[int]:
        """Tokens of a text; what looks like the end token in it is plain text."""
        return self._inner.encode(text, add_special_tokens=False).ids

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens."""
        return self._inner.decode([int(token) for token in tokens], skip_special_tokens=False)


def check_name(name: str) -> int | None:
    """The size of ``bpe:SIZE``, None for ``bytes``; raises `UsageError` for anything else.

    >>> check_name("bpe:4096")
    4096
    """
    if name == BYTES:
        return None
    match = re.fullmatch(r"bpe:(\d+)", name)
    if not match:
        raise UsageError(f"unknown tokenizer {name!r}; write bytes or bpe:SIZE, e.g. bpe:4096")
    size = int(match[1])
    if not SMALLEST_BPE <= size <= LARGEST_BPE:
        raise UsageError(
            f"a vocabulary of {size} tokens is not possible: bpe needs {SMALLEST_BPE} to {LARGEST_BPE:,} (256 bytes "
            "and the end of a document come first); for bytes alone write bytes"
        )
    return size


def open_tokenizer(folder: Path, name: str, end: int | None = None, cure: str = CURE) -> Tokenizer:
    """The tokenizer of this name whose file, if it has one, is in a folder; raises `FileFormatError`."""
    return ByteTokenizer() if name == BYTES else BPETokenizer.load(folder / FILE, name, end, cure)


def token_dtype(vocab_size: int) -> np.dtype:
    """The smallest unsigned format that holds every token: uint16 or uint32, little-endian at rest."""
    return np.dtype("<u2") if vocab_size <= 2**16 else np.dtype("<u4")


def _library() -> Any:
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError as error:
        raise UsageError(
            "bpe needs the tokenizers library; install it with: pip install 'tradewind[train]', or use bytes"
        ) from error
    return tokenizers

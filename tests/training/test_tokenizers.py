from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import UsageError
from tradewind.training import TokenData, prepare, tokenizer_json
from tradewind.training.tokenizers import BPETokenizer, ByteTokenizer, check_name, token_dtype

pytest.importorskip("tokenizers")
BPE = BPETokenizer.train(["the wind and the sail and the tide"] * 5 + ["naïve café"], 300)


@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), BPE], ids=["bytes", "bpe"])
@given(written=st.text())
def test_decoding_gives_the_text_back(tokenizer: ByteTokenizer | BPETokenizer, written: str) -> None:
    tokens = tokenizer.encode(written)
    assert tokenizer.decode(tokens) == written
    assert all(0 <= token < tokenizer.vocab_size for token in tokens)
    assert isinstance(tokenizer, ByteTokenizer) or tokenizer.end not in tokens


def test_bpe_merges_what_is_frequent_and_never_makes_the_end_of_text() -> None:
    assert len(BPE.encode(" the")) == 1
    looks_like_it = BPE.encode("a <|endoftext|> b")
    assert BPE.end not in looks_like_it
    assert BPE.decode(looks_like_it) == "a <|endoftext|> b"
    assert BPE.decode([BPE.end]) == "<|endoftext|>"
    assert BPE.vocab_size <= 300


def test_bpe_is_trained_on_the_training_text_only(tmp_path: Path) -> None:
    lines = ["alpha beta gamma delta\n"] * 190
    (tmp_path / "a.txt").write_text("".join([*lines, "zzyzx " * 40 + "\n"]))
    text = prepare(str(tmp_path / "a.txt"), "bpe:280", cache=tmp_path / "cache")
    assert b"zzyzx" not in (text.folder / "train.bin").read_bytes()
    tokenizer = text.tokenizer
    assert len(tokenizer.encode(" gamma")) == 1
    assert len(tokenizer.encode("zzyzx")) == 5
    assert "zzyzx" in tokenizer.decode(text.tokens("validation"))
    assert text.vocab_size == tokenizer.vocab_size
    assert text.bytes_per_token("train") > 3
    assert prepare(str(tmp_path / "a.txt"), "bpe:270", cache=tmp_path / "cache").hash != text.hash


def test_a_text_is_read_with_a_tokenizer_that_is_there(tmp_path: Path) -> None:
    """Its content and its end name the tokens; nothing is trained, and they are opened with it again."""
    (tmp_path / "a.txt").write_text("alpha beta gamma delta\n" * 200)
    spec, cache = str(tmp_path / "a.txt"), tmp_path / "cache"
    text = prepare(spec, BPE, cache=cache)
    again = TokenData(text.folder).tokenizer
    assert isinstance(again, BPETokenizer)
    assert (again.to_json(), again.name, again.end) == (BPE.to_json(), BPE.name, BPE.end)
    tokens = text.tokens("train").tolist()
    assert tokens == [*BPE.encode(BPE.decode(tokens[:-1])), BPE.end]
    assert prepare(spec, again, cache=cache).hash == text.hash
    other = BPETokenizer.train(["gamma delta"] * 9, 300)
    bare = tokenizer_json(ByteTokenizer())
    read = [BPE, "bpe:300", other, *(BPETokenizer.from_json(bare, "bpe:300", end) for end in (0, 1))]
    assert len({prepare(spec, each, cache=cache).hash for each in read}) == len(read)
    assert prepare(spec, ByteTokenizer(), cache=cache).hash == prepare(spec, "bytes", cache=cache).hash


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("word", "unknown tokenizer 'word'; write bytes or bpe:SIZE"),
        ("bpe:x", "unknown tokenizer"),
        ("bpe:100", "a vocabulary of 100 tokens is not possible"),
    ],
)
def test_unknown_tokenizers_are_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_name(name)


def test_the_format_holds_every_token() -> None:
    assert [token_dtype(n) for n in (256, 2**16, 2**16 + 1)] == [np.dtype("<u2"), np.dtype("<u2"), np.dtype("<u4")]

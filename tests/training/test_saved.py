"""Folders of models with their tokenizers, ours and Hugging Face's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tradewind import models
from tradewind.core import GPT2, FileFormatError, UsageError
from tradewind.models.export import write_huggingface
from tradewind.training.checkpoint import save_model
from tradewind.training.saved import facts, open_saved, tokenizer_json
from tradewind.training.tokenizers import BPETokenizer, ByteTokenizer

TEXT = "Fair winds, naïve sailor: 3 knots!\n\tΑ και Ω <|endoftext|> Ā\n"


@pytest.fixture(scope="module")
def bpe() -> BPETokenizer:
    pytest.importorskip("tokenizers")
    return BPETokenizer.train([TEXT * 20], 300)


def small(vocab_size: int) -> models.LanguageModel:
    return models.build(GPT2(d_model=16, n_head=(2,), d_inner=(32,), vocab_size=vocab_size, context=16), seed=3)


def test_a_trained_model_comes_back_with_its_tokenizer(tmp_path: Path, bpe: BPETokenizer) -> None:
    for name, tokenizer in (("bytes", ByteTokenizer()), ("bpe:300", bpe)):
        model = small(tokenizer.vocab_size)
        folder = save_model(model, tmp_path / name, tokenizer=tokenizer)
        again, theirs = open_saved(folder)
        assert again.arch == model.arch
        assert torch.equal(again(torch.arange(8)[None]), model(torch.arange(8)[None]))
        assert theirs is not None
        assert theirs.encode(TEXT) == tokenizer.encode(TEXT)
        assert theirs.end == tokenizer.end
        assert facts(folder) == {"tokenizer": name, "end": tokenizer.end}
    assert open_saved(save_model(small(9), tmp_path / "plain"))[1] is None


def test_a_hugging_face_folder_is_read_with_its_tokenizer(tmp_path: Path, bpe: BPETokenizer) -> None:
    model = small(bpe.vocab_size)
    again, theirs = open_saved(write_huggingface(model, tmp_path / "a", tokenizer=tokenizer_json(bpe), end=bpe.end))
    assert again.arch == model.arch
    assert theirs is not None
    assert (theirs.encode(TEXT), theirs.end) == (bpe.encode(TEXT), bpe.end)
    assert open_saved(write_huggingface(model, tmp_path / "b"))[1] is None


@pytest.mark.parametrize("silent", ["generation_config.json", "config.json"])
def test_the_end_of_a_document_is_the_configurations_where_the_vocabulary_has_none(tmp_path: Path, silent: str) -> None:
    pytest.importorskip("tokenizers")
    model, ours = small(256), ByteTokenizer()
    folder = write_huggingface(model, tmp_path / "hf", tokenizer=tokenizer_json(ours), end=7)
    config = json.loads((folder / silent).read_text())
    (folder / silent).write_text(json.dumps({**config, "eos_token_id": None}))
    _, theirs = open_saved(folder)
    assert theirs is not None
    assert (theirs.encode(TEXT), theirs.end) == (ours.encode(TEXT), 7)
    assert theirs.decode(theirs.encode(TEXT)) == TEXT
    again = open_saved(save_model(model, tmp_path / "ours", tokenizer=theirs))[1]
    assert again is not None
    assert (again.encode(TEXT), again.end, again.name) == (ours.encode(TEXT), 7, theirs.name)


def test_a_tokenizer_without_an_end_opens_and_tells_when_one_is_needed(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    _, theirs = open_saved(write_huggingface(small(256), tmp_path, tokenizer=tokenizer_json(ByteTokenizer())))
    assert theirs is not None
    with pytest.raises(UsageError, match="tells no token that ends a document"):
        _ = theirs.end


def test_a_lost_tokenizer_is_told_without_the_advice_to_delete_the_model(tmp_path: Path, bpe: BPETokenizer) -> None:
    folder = save_model(small(bpe.vocab_size), tmp_path, tokenizer=bpe)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(FileFormatError, match=r"tokenizer.json is no tokenizer: .*give the command that made"):
        open_saved(folder)


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"holds no model \(architecture.json of"):
        open_saved(tmp_path)
    (save_model(small(9), tmp_path) / "weights.safetensors").write_bytes(b"half")
    with pytest.raises(FileFormatError):
        open_saved(tmp_path)


def test_transformers_tokenizes_as_we_do(tmp_path: Path, bpe: BPETokenizer) -> None:
    transformers = pytest.importorskip("transformers")
    for tokenizer in (ByteTokenizer(), bpe):
        folder = write_huggingface(
            small(tokenizer.vocab_size), tmp_path / tokenizer.name, tokenizer=tokenizer_json(tokenizer)
        )
        theirs = transformers.AutoTokenizer.from_pretrained(folder)
        text = TEXT.replace("<|endoftext|>", "")
        ids = theirs(text)["input_ids"]
        assert ids == tokenizer.encode(text)
        assert theirs.decode(ids) == text

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from tradewind import models
from tradewind.core import GPT2, TransformerXL
from tradewind.training import TokenData, evaluate, prepare, validation_loss

ARCH = GPT2(d_model=16, n_head=(2,), d_inner=(32,), vocab_size=256, context=32)
XL = TransformerXL(d_model=16, n_head=(2, 2), d_inner=(24, 24), vocab_size=256, cutoffs=(), context=16, mem_len=16)


def test_the_loss_is_the_mean_over_all_windows(text: TokenData) -> None:
    model = models.build(ARCH, seed=1)
    tokens = torch.from_numpy(text.tokens("validation").astype("int64"))
    windows = (len(tokens) - 1) // 32
    nats = []
    for i in range(windows):
        window = tokens[i * 32 : i * 32 + 33]
        logits = model(window[None, :-1]).double()
        nats += F.cross_entropy(logits[0], window[1:], reduction="none").tolist()
    found = evaluate(model, text, batches=None, batch_size=7, length=32)
    assert found.tokens == len(nats)
    assert found.loss == pytest.approx(math.fsum(nats) / len(nats), rel=1e-6)
    assert validation_loss(model, text, batches=None, batch_size=3, length=32) == pytest.approx(found.loss, rel=1e-6)
    assert validation_loss(model, text, batches=2, batch_size=4, length=32) != found.loss


def test_a_memory_is_read_window_after_window(text: TokenData) -> None:
    model = models.build(XL, seed=1)
    tokens = torch.from_numpy(text.tokens("validation").astype("int64"))
    with torch.no_grad():
        # What was read 16 tokens ago is in the memory: the loss of one long text, segment by segment.
        memory, total = None, 0.0
        for i in range(3):
            part = tokens[i * 16 : i * 16 + 17]
            hidden, memory = model.segment(part[None, :-1], memory)  # type: ignore[operator]
            total += float(F.nll_loss(model.head(hidden)[0], part[1:]))
    assert validation_loss(model, text, batches=3, batch_size=1, length=16) == pytest.approx(total / 3, rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 7, 10_000])
def test_with_a_memory_all_of_the_text_is_read_once(text: TokenData, batch_size: int) -> None:
    windows = (text.length("validation") - 1) // 64
    found = evaluate(models.build(XL), text, batches=None, batch_size=batch_size, length=64)
    assert 0 <= windows - found.tokens // 64 < min(batch_size, windows)


def test_a_model_that_guesses_has_the_perplexity_of_its_vocabulary(text: TokenData) -> None:
    model = models.build(ARCH)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    model.train()
    found = evaluate(model, text, batches=2, length=32)
    assert model.training
    assert found.perplexity == pytest.approx(256, rel=1e-5)
    assert found.bits_per_byte == pytest.approx(8 / text.bytes_per_token("validation"), rel=1e-5)
    assert math.log(found.perplexity_per_word) == pytest.approx(
        math.log(256) / text.words_per_token("validation"), rel=1e-5
    )
    assert found.to_dict()["perplexity"] == found.perplexity


def test_bits_a_byte_do_not_depend_on_the_tokenizer(corpus: object, cache: object) -> None:
    """A text that a tokenizer packs into fewer tokens costs as many bits if each token costs more."""
    pytest.importorskip("tokenizers")
    packed = prepare(str(corpus), "bpe:400", cache=cache)  # type: ignore[arg-type]
    model = models.build(ARCH.replace(vocab_size=packed.vocab_size))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    found = evaluate(model, packed, batches=1, length=32)
    bits = packed.length("validation") * math.log2(packed.vocab_size)
    assert found.bits_per_byte == pytest.approx(bits / packed.manifest["splits"]["validation"]["bytes"], rel=1e-5)


def test_half_precision_is_close(text: TokenData) -> None:
    model = models.build(ARCH, seed=2)
    full, half = (evaluate(model, text, batches=1, length=32, precision=p).loss for p in ("float32", "bfloat16"))
    assert half == pytest.approx(full, rel=1e-2)
    assert half != full

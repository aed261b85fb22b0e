"""The contract of every language model: causality, cached decoding, loss, nothing left behind by a forward."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from tradewind import models
from tradewind.core import Architecture, UsageError

EXACT = {"rtol": 0, "atol": 1e-12}


def tokens_for(arch: Architecture, batch: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(arch.vocab_size, (batch, length), generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def model(tiny: Architecture) -> models.LanguageModel:
    """A model in float64 whose weights, biases and norms are all far from their starting values."""
    model = models.build(tiny, dtype="float64")
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index), dtype=torch.float64)
            parameter.add_(0.2 * noise)
    return model


def test_last_logits_are_the_last_of_all(tiny: Architecture, model: models.LanguageModel) -> None:
    tokens = tokens_for(tiny, 3, 9)
    everywhere, last = model(tokens), model(tokens, logits="last")
    assert everywhere.shape == (3, 9, 90)
    assert last.shape == (3, 1, 90)
    torch.testing.assert_close(last, everywhere[:, -1:], **EXACT)


def test_unknown_choice_of_logits(tiny: Architecture, model: models.LanguageModel) -> None:
    with pytest.raises(UsageError, match="did you mean 'last'"):
        model(tokens_for(tiny, 1, 2), logits="lst")


def test_no_position_sees_a_later_token(tiny: Architecture, model: models.LanguageModel) -> None:
    tokens = tokens_for(tiny, 1, 9)
    changed = tokens.clone()
    changed[0, 5] = (changed[0, 5] + 1) % tiny.vocab_size
    before, after = model(tokens), model(changed)
    torch.testing.assert_close(before[:, :5], after[:, :5], **EXACT)
    assert ((before - after)[:, 5:].abs().amax(-1) > 1e-6).all()


@pytest.mark.parametrize("chunks", [(1,) * 10, (7, 1, 1, 1), (4, 5, 1), (10,)], ids=str)
def test_cached_decoding_equals_the_forward(
    tiny: Architecture, model: models.LanguageModel, chunks: tuple[int, ...]
) -> None:
    tokens = tokens_for(tiny, 3, 10)
    expected = model(tokens)
    cache = model.make_cache(batch=3, length=12)
    for chunk in tokens.split(list(chunks), dim=1):
        advance = model.decode if chunk.shape[1] == 1 else model.prefill
        found = advance(chunk, cache)
        torch.testing.assert_close(found, expected[:, cache.filled - 1 : cache.filled], **EXACT)
    assert cache.filled == 10


def test_a_decoded_step_can_be_taken_back(tiny: Architecture, model: models.LanguageModel) -> None:
    tokens = tokens_for(tiny, 2, 8)
    cache = model.make_cache(batch=2, length=8)
    model.prefill(tokens[:, :5], cache)
    first = model.decode(tokens[:, 5:6], cache)
    cache.fill(5)
    torch.testing.assert_close(model.decode(tokens[:, 5:6], cache), first, **EXACT)


def test_decoding_at_a_claimed_context(tiny: Architecture, model: models.LanguageModel) -> None:
    cache = model.make_cache(batch=2, length=21)
    cache.fill(20)
    assert model.decode(tokens_for(tiny, 2, 1), cache).isfinite().all()
    with pytest.raises(UsageError, match="holds 21 of 21 tokens"):
        model.decode(tokens_for(tiny, 2, 1), cache)


@pytest.mark.parametrize(("batch", "length"), [(0, 4), (2, 0)])
def test_a_cache_that_holds_nothing_is_refused(model: models.LanguageModel, batch: int, length: int) -> None:
    with pytest.raises(UsageError, match="holds nothing"):
        model.make_cache(batch, length)


def test_decoding_keeps_no_graph(tiny: Architecture, model: models.LanguageModel) -> None:
    cache = model.make_cache(batch=1, length=4)
    assert not model.prefill(tokens_for(tiny, 1, 3), cache).requires_grad
    assert not any(layer.keys.requires_grad for layer in cache.layers)


def test_loss_is_the_mean_surprise(tiny: Architecture, model: models.LanguageModel) -> None:
    tokens, targets = tokens_for(tiny, 3, 9), tokens_for(tiny, 3, 9, seed=1)
    probability = F.softmax(model(tokens), -1).gather(-1, targets.unsqueeze(-1))
    torch.testing.assert_close(model.loss(tokens, targets), -probability.log().mean(), **EXACT)


def test_gradient_is_the_slope_of_the_loss(tiny: Architecture, model: models.LanguageModel) -> None:
    tokens, targets = tokens_for(tiny, 2, 9), tokens_for(tiny, 2, 9, seed=1)
    parameters = list(model.parameters())
    stream = torch.Generator().manual_seed(0)
    direction = [torch.randn(p.shape, generator=stream, dtype=torch.float64) for p in parameters]
    model.loss(tokens, targets).backward()
    slope = sum((p.grad * v).sum().item() for p, v in zip(parameters, direction, strict=True))
    step, sides = 1e-6, []
    with torch.no_grad():
        for move in (step, -2 * step):
            for p, v in zip(parameters, direction, strict=True):
                p.add_(move * v)
            sides.append(model.loss(tokens, targets).item())
    assert (sides[0] - sides[1]) / (2 * step) == pytest.approx(slope, rel=1e-5)


def test_every_parameter_learns(tiny: Architecture, model: models.LanguageModel) -> None:
    # Words of the first cluster only: parameters of unused clusters still need a gradient (zero), as DDP demands.
    tokens = tokens_for(tiny, 2, 9) % 10
    model.loss(tokens, tokens).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_a_forward_leaves_nothing_behind(tiny: Architecture, model: models.LanguageModel) -> None:
    before = {name: dict(vars(module)) for name, module in model.named_modules()}
    state = torch.get_rng_state()
    model(tokens_for(tiny, 2, 9))
    model.prefill(tokens_for(tiny, 2, 5), model.make_cache(2, 6))
    assert {name: dict(vars(module)) for name, module in model.named_modules()} == before
    assert list(model.buffers()) == []
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_can_come_from_outside(tiny: Architecture, model: models.LanguageModel) -> None:
    tokens = tokens_for(tiny, 1, 7)
    skeleton = models.build(tiny, dtype="float64", init="meta")
    found = torch.func.functional_call(skeleton, dict(model.named_parameters()), (tokens,))
    torch.testing.assert_close(found, model(tokens), **EXACT)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_low_precision_follows_float64(tiny: Architecture, model: models.LanguageModel, dtype: str) -> None:
    tokens = tokens_for(tiny, 2, 9)
    low = models.build(tiny, dtype=dtype, init="meta").to_empty(device="cpu")
    low.load_state_dict(model.state_dict())
    with torch.inference_mode():
        found = low(tokens)
        cache = low.make_cache(2, 10)
        decoded = low.prefill(tokens, cache)
        cache.fill(9)
        assert low.decode(tokens[:, :1], cache).isfinite().all()
    assert found.dtype == decoded.dtype == cache.layers[0].keys.dtype == getattr(torch, dtype)
    expected = model(tokens)
    tolerance = {"float32": 1e-5, "bfloat16": 0.1, "float16": 0.01}[dtype] * expected.abs().max().item()
    assert (found.double() - expected).abs().max() < tolerance
    assert (decoded.double() - expected[:, -1:]).abs().max() < tolerance


@pytest.mark.parametrize("logits", ["all", "last"])
def test_operations_are_counted_without_memory(tiny: Architecture, logits: str) -> None:
    model = models.build(tiny, init="meta")
    tokens = torch.zeros(2, 9, dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter:
        scores = model(tokens, logits=logits)
    assert scores.device.type == "meta"
    assert scores.shape == (2, 9 if logits == "all" else 1, 90)
    matrices = sum(
        p.numel() for name, p in model.layers.named_parameters() if name.endswith(("up.weight", "out.weight"))
    )
    assert counter.get_total_flops() > 2 * 2 * 9 * matrices
    cache = model.make_cache(batch=2, length=10)
    cache.fill(9)
    assert model.decode(tokens[:, :1], cache).shape == (2, 1, 90)


def test_dropout_acts_in_training_only(tiny: Architecture) -> None:
    tokens = tokens_for(tiny, 2, 9)
    plain, dropping = models.build(tiny), models.build(tiny, dropout=0.5)
    assert plain.state_dict().keys() == dropping.state_dict().keys()
    torch.testing.assert_close(plain(tokens), dropping(tokens), rtol=0, atol=0)
    torch.testing.assert_close(plain.train()(tokens), plain.eval()(tokens))
    dropping.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = dropping(tokens), dropping(tokens)
    assert not torch.equal(first, second)


def test_a_forward_is_one_graph(tiny: Architecture, model: models.LanguageModel) -> None:
    tokens = tokens_for(tiny, 2, 9)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(tokens), model(tokens), **EXACT)


@pytest.mark.parametrize("tiny", ["gpt2", "hwgpt-intended", "transformer-xl"], indirect=True)
def test_a_forward_exports_with_free_batch_and_length(tiny: Architecture, model: models.LanguageModel) -> None:
    free = {0: torch.export.Dim("batch", min=1, max=8), 1: torch.export.Dim("length", min=2, max=12)}
    program = torch.export.export(model, (tokens_for(tiny, 3, 9),), dynamic_shapes={"tokens": free})
    other = tokens_for(tiny, 2, 5)
    torch.testing.assert_close(program.module()(other), model(other), **EXACT)

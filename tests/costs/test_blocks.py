"""Closed forms of networks with unlike blocks: exact against torch, alone and in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tradewind import costs, spaces
from tradewind.core import GPT2, ArchitectureBatch, Workload
from tradewind.core.blocks import BLOCKS
from tradewind.costs.layerwise import closed_form

torch = pytest.importorskip("torch")
NAMES = list(BLOCKS)
PAIRS = [(NAMES[i], NAMES[(5 * i + 3) % len(NAMES)]) for i in range(len(NAMES))]


def network(pair: tuple[str, str], inner: tuple[int, int] = (130, 64)) -> GPT2:
    return GPT2(d_model=32, n_head=(2, 4), d_inner=inner, vocab_size=20, context=16, block=pair)


def meta(arch: GPT2) -> Any:
    from tradewind import models

    return models.build(arch, init="meta")


@pytest.mark.parametrize("pair", PAIRS, ids="/".join)
def test_torch_agrees(pair: tuple[str, str], count_flops: Callable[..., int]) -> None:
    arch = network(pair)
    model, tokens = meta(arch), torch.zeros(2, 9, dtype=torch.int64, device="meta")
    parts = costs.components(arch)
    assert sum(p.numel() for p in model.parameters()) == costs.params(arch) == sum(parts.values())
    for kind, names in (("attention", ("attention.",)), ("ffn", ("mlp.",)), ("norms", ("_norm",))):
        found = (p.numel() for name, p in model.named_parameters() if any(n in name for n in names))
        assert sum(found) == parts[kind]
    assert count_flops(lambda: model(tokens)) == costs.flops(arch, batch=2, seq_len=9)
    cache = model.make_cache(2, 9)
    held = [t for layer in cache.layers for t in (layer.keys, layer.values, layer.rows) if t is not None]
    assert sum(t.nbytes for t in held) == costs.kv_cache_bytes(arch, context=9, batch=2)
    cache.fill(8)
    assert count_flops(lambda: model.decode(tokens[:, :1], cache)) == costs.decode_flops(arch, context=8, batch=2)


@pytest.mark.parametrize("inner", [(32, 32), (32, 500), (500, 32)], ids=str)
def test_torchs_dispatcher_sees_the_activations(inner: tuple[int, int], peak_bytes: Callable[..., int]) -> None:
    from tradewind import models

    for index, pair in enumerate(PAIRS):
        arch, length = network(pair, inner), (1, 2, 9)[index % 3]
        model, tokens = models.build(arch, init="cheap"), torch.zeros(3, length, dtype=torch.int64)
        assert peak_bytes(lambda m=model, t=tokens: m(t)) == costs.activation_bytes(arch, batch=3, seq_len=length), pair


@pytest.mark.parametrize("quantity", costs.quantities())
def test_a_batch_is_its_members(quantity: str) -> None:
    space = spaces.get("gpt2", n_layer="2..4", d_model="128,192", d_inner="384..640", block=",".join(NAMES))
    batch = space.sample_many(60, seed=0)
    workload = Workload(batch=2, seq_len=33, context=50)
    found = costs.evaluate(quantity, batch, workload)
    np.testing.assert_allclose(found, [costs.evaluate(quantity, arch, workload) for arch in batch], rtol=1e-14)


@pytest.mark.parametrize("quantity", costs.quantities())
def test_the_parts_give_back_the_whole(quantity: str) -> None:
    rng = np.random.default_rng(0)
    single = [(block, inner) for block in NAMES for inner in (64, 96, 160)]
    options = ArchitectureBatch.of([GPT2(d_model=32, n_head=(2,), d_inner=(f,), block=(b,)) for b, f in single])
    form = closed_form(quantity, Workload(batch=2, seq_len=16, context=24))
    terms = form.terms(options)
    for depth in (1, 3, 5):
        chosen = rng.integers(len(single), size=depth)
        picked = [single[i] for i in chosen]
        arch = GPT2(d_model=32, n_head=(2,) * depth, d_inner=[f for _, f in picked], block=[b for b, _ in picked])
        totals = {
            term.key: np.array([(np.sum if term.combine == "sum" else np.max)(term.values[chosen])]) for term in terms
        }
        expected = costs.evaluate(quantity, arch, Workload(batch=2, seq_len=16, context=24))
        assert form.value(options, depth, totals)[0] == pytest.approx(expected, rel=1e-13)


def test_gpt2s_own_blocks_read_the_same_totals_as_ever() -> None:
    options = ArchitectureBatch.of([GPT2(d_model=64, n_head=(2,), d_inner=(f,)) for f in (128, 192)])
    assert [t.key for t in closed_form("flops").terms(options)] == ["sum d_inner"]


def test_primer_ez_by_hand() -> None:
    # 9 d parameters and 18 d operations a token more than vanilla, and 9 d numbers in the cache.
    plain, ez = (
        GPT2(d_model=512, n_head=(8,) * 6, d_inner=(2048,) * 6, block=(b,) * 6) for b in ("vanilla", "primer-ez")
    )
    assert costs.params(ez) - costs.params(plain) == 6 * 9 * 512
    assert costs.flops(ez, seq_len=64) - costs.flops(plain, seq_len=64) == 6 * 18 * 512 * 64
    assert costs.kv_cache_bytes(ez, context=1) - costs.kv_cache_bytes(plain, context=1) == 4 * 6 * 9 * 512

"""GPT-2's closed forms against published vectors, every published row, and Hugging Face's model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tradewind import costs
from tradewind.core import GPT2, ArchitectureBatch
from tradewind.core.files import read_parquet


def test_published_vector() -> None:
    arch = GPT2(d_model=512, n_head=(2, 2), d_inner=(1920, 1920))
    assert costs.decoder_params(arch) == 6_043_392


def test_gpt2_small_is_gpt2_small() -> None:
    arch = GPT2(d_model=768, n_head=(12,) * 12, d_inner=(3072,) * 12)
    assert costs.params(arch) == 124_439_808
    assert costs.decoder_params(arch) == 124_439_808 - (50257 + 1024) * 768
    assert costs.kv_cache_bytes(arch, context=1024, dtype="float16") == 2 * 2 * 12 * 768 * 1024


def test_hugging_face_agrees_on_parameters_and_operations() -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from torch.utils.flop_counter import FlopCounterMode

    arch = GPT2(d_model=96, n_head=(3,) * 4, d_inner=(200,) * 4, vocab_size=500, context=64)
    config = transformers.GPT2Config(
        n_embd=96, n_head=3, n_layer=4, n_inner=200, vocab_size=500, n_positions=64, bos_token_id=0, eos_token_id=0
    )
    # Eager attention: on the CPU the counter does not see the fused kernel.
    config._attn_implementation = "eager"
    model = transformers.GPT2LMHeadModel(config).eval()
    assert sum(p.numel() for p in model.parameters()) == costs.params(arch)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(2, 33, dtype=torch.int64), use_cache=False)
    assert counter.get_total_flops() == costs.flops(arch, batch=2, seq_len=33)


@pytest.mark.data
@pytest.mark.parametrize("table", ["lts_random", "lts_pareto"])
def test_every_published_row(data_dir: Path, table: str) -> None:
    # Totals are not compared: the published ones belong to networks with an adaptive embedding or 32 positions.
    rows = read_parquet(data_dir / f"{table}.parquet")
    rows = rows.filter(np.array(rows.column("backbone").to_pylist()) == "gpt2")
    archs = ArchitectureBatch.from_arrow(rows, "gpt2")
    expected = rows.column("decoder_params").to_numpy()
    np.testing.assert_array_equal(costs.decoder_params(archs), expected)
    one_by_one = [costs.decoder_params(arch) for arch in archs]
    np.testing.assert_array_equal(one_by_one, expected)


@pytest.mark.data
def test_published_counts_of_lm1b_are_transformer_xls(data_dir: Path) -> None:
    rows = read_parquet(data_dir / "lts_random.parquet")
    keep = (np.array(rows.column("backbone").to_pylist()) == "gpt2") & (
        np.array(rows.column("dataset").to_pylist()) == "lm1b"
    )
    rows = rows.filter(keep)
    assert rows.num_rows == 158
    published = rows.column("published_nonembedding_params").to_numpy()
    as_transformer_xl = ArchitectureBatch.from_arrow(rows.drop_columns("backbone"), "transformer-xl", vocab_size=50264)
    np.testing.assert_array_equal(costs.decoder_params(as_transformer_xl), published)
    assert (costs.decoder_params(ArchitectureBatch.from_arrow(rows, "gpt2")) != published).all()


def test_operations_of_a_tiny_network_by_hand() -> None:
    arch = GPT2(d_model=4, n_head=(2,), d_inner=(6,), vocab_size=10, context=8)
    blocks, scores, logits = 4 * 16 + 2 * 4 * 6, 2 * 3 * 3 * 4, 10 * 4
    assert costs.macs(arch, seq_len=3) == 3 * blocks + scores + 3 * logits
    assert costs.macs(arch, seq_len=3, logits="last") == 3 * blocks + scores + logits
    assert costs.decode_flops(arch, context=2) == 2 * (blocks + 2 * 3 * 4 + logits)
    assert costs.activation_bytes(arch, seq_len=3, dtype="float16") == 2 * 3 * 7 * 4

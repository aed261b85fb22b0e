"""Transformer-XL's closed forms against published vectors and every published row, totals included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tradewind import costs
from tradewind.core import ArchitectureBatch, TransformerXL
from tradewind.core.files import read_parquet

WT103 = {"vocab_size": 267736, "cutoffs": (19997, 39997, 199997), "tie_projs": True}
LM1B = {"vocab_size": 793470, "cutoffs": (59997, 99997, 639997), "tie_projs": False}
# The published totals of the Pareto sets fit three clusters, cut for LM1B, of WikiText-103's vocabulary.
PARETO = {"vocab_size": 267735, "cutoffs": (59997, 99997), "tie_projs": False}
STUDIES = {
    ("lts_random", "wikitext-103"): (WT103, 225),
    ("lts_random", "lm1b"): (LM1B, 143),
    ("lts_pareto", "lm1b"): (PARETO, 79),
}


def test_published_vector() -> None:
    arch = TransformerXL(d_model=64, n_head=(2,) * 5, d_inner=(710, 1021, 1683, 1053, 1748))
    assert costs.decoder_params(arch) == 906_375
    assert costs.components(arch)["attention"] == 103_040
    assert costs.components(arch)["ffn"] == 802_055


@pytest.mark.parametrize(
    ("constants", "d_model", "d_embed", "div_val", "expected"),
    [
        (WT103, 64, 512, 2, 40_537_243),
        (WT103, 128, 128, 2, 10_358_667),
        (LM1B, 64, 64, 4, 7_597_826),
        (LM1B, 256, 256, 4, 28_141_445),
    ],
)
def test_published_embedding_parts(constants: dict, d_model: int, d_embed: int, div_val: int, expected: int) -> None:
    arch = TransformerXL(d_model=d_model, n_head=(2,), d_inner=(128,), d_embed=d_embed, div_val=div_val, **constants)
    assert costs.embedding_params(arch) == expected


def test_one_table_without_projection_when_nothing_is_divided() -> None:
    arch = TransformerXL(d_model=64, n_head=(2,), d_inner=(128,), div_val=1, vocab_size=1000, cutoffs=(100, 200))
    parts = costs.components(arch)
    assert parts["token_embedding"] == 64_000
    assert parts["embedding_projections"] == parts["softmax_projections"] == 0
    assert parts["head"] == 1000 + 2 * 64 + 2


def test_a_batch_may_mix_numbers_of_clusters() -> None:
    shape = {"d_model": 64, "n_head": (2,), "d_inner": (128,), "vocab_size": 1000}
    archs = [
        TransformerXL(cutoffs=cutoffs, div_val=div_val, d_embed=d_embed, tie_projs=tie, **shape)
        for cutoffs in ((), (100,), (100, 300, 600))
        for div_val in (1, 2)
        for d_embed in (64, 32)
        for tie in (True, False)
    ]
    together = costs.components(archs)
    for row, arch in enumerate(archs):
        assert {name: int(column[row]) for name, column in together.items()} == costs.components(arch)


@pytest.mark.data
@pytest.mark.parametrize("study", STUDIES, ids="-".join)
def test_every_published_row(data_dir: Path, study: tuple[str, str]) -> None:
    table, dataset = study
    constants, count = STUDIES[study]
    rows = read_parquet(data_dir / f"{table}.parquet")
    ours = (np.array(rows.column("backbone").to_pylist()) == "transformer-xl") & (
        np.array(rows.column("dataset").to_pylist()) == dataset
    )
    rows = rows.filter(ours)
    archs = ArchitectureBatch.from_arrow(rows, "transformer-xl", **constants)
    assert len(archs) == count
    assert set(archs.vocab_size.tolist()) == {constants["vocab_size"]}
    for column, formula in (
        ("decoder_params", costs.decoder_params),
        ("published_nonembedding_params", costs.decoder_params),
        ("published_total_params", costs.params),
    ):
        np.testing.assert_array_equal(formula(archs), rows.column(column).to_numpy())

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import (
    GPT2,
    HWGPT,
    Architecture,
    ArchitectureBatch,
    FileFormatError,
    InvalidArchitectureError,
    TransformerXL,
    UsageError,
)


def _gpt2(depth: int, width: int) -> Architecture:
    return GPT2(d_model=64 * width, n_head=(2, 4, 8)[:depth], d_inner=tuple(range(128, 128 + depth)))


def _xl(depth: int, width: int) -> Architecture:
    cutoffs = (19997, 39997, 199997)[:width]
    return TransformerXL(d_model=64 * width, n_head=(2,) * depth, d_inner=(256,) * depth, div_val=2, cutoffs=cutoffs)


def _hwgpt(depth: int, width: int) -> Architecture:
    return HWGPT(d_model=64 * width, n_head=(4,) * depth, mlp_ratio=(3,) * depth, bias=width % 2 == 0)


shapes = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=6)


@pytest.mark.parametrize("make", [_gpt2, _xl, _hwgpt])
@given(sizes=shapes)
def test_a_batch_gives_back_what_it_was_made_of(make, sizes) -> None:  # type: ignore[no-untyped-def]
    archs = [make(*size) for size in sizes]
    batch = ArchitectureBatch.of(archs)
    assert list(batch) == archs
    assert list(ArchitectureBatch.from_arrow(batch.to_arrow(), batch.family)) == archs
    assert list(batch[::-1]) == archs[::-1]
    assert batch.n_layer.tolist() == [a.n_layer for a in archs]
    assert batch.layer_sum("n_head").tolist() == [sum(a.n_head) for a in archs]
    assert batch.layer_max("n_head").tolist() == [max(a.n_head) for a in archs]


def test_columns_are_repeated_defaulted_and_blanked_past_the_depth() -> None:
    batch = ArchitectureBatch.of_columns(
        "gpt2", np.array([1, 2]), d_model=64, n_head=np.full((2, 2), 2), d_inner=np.full((2, 2), 128), vocab_size=100
    )
    assert batch.d_inner.tolist() == [[128, 0], [128, 128]]
    assert batch[0] == GPT2(d_model=64, n_head=(2,), d_inner=(128,), vocab_size=100)
    with pytest.raises(UsageError, match="no field 'extra'"):
        ArchitectureBatch.of_columns("gpt2", np.array([1]), d_model=64, n_head=[[2]], d_inner=[[128]], extra=1)
    with pytest.raises(AttributeError, match="no column 'd_iner'"):
        _ = batch.d_iner


def test_mixed_or_empty_batches_are_refused() -> None:
    with pytest.raises(UsageError, match="one family"):
        ArchitectureBatch.of([_gpt2(1, 1), _hwgpt(1, 1)])
    with pytest.raises(UsageError, match="at least one"):
        ArchitectureBatch.of([])


def test_validate_names_the_row() -> None:
    batch = ArchitectureBatch.of_columns(
        "gpt2", np.array([1, 1]), d_model=64, n_head=[[2], [3]], d_inner=[[128], [128]]
    )
    with pytest.raises(InvalidArchitectureError, match="row 1: gpt2: n_head 3"):
        batch.validate()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"n_head": [[2]], "d_inner": [[128]]}, "no column 'd_model'"),
        ({"d_model": [64], "n_head": [[2]], "d_inner": [[128, 128]]}, "row 0: d_inner has 2 entries but n_head has 1"),
        ({"d_model": [None], "n_head": [[2]], "d_inner": [[128]]}, "'d_model' has 1 empty cells"),
        ({"d_model": [64], "n_head": [2], "d_inner": [[128]]}, "must hold lists"),
        ({"family": ["hwgpt"], "d_model": [64], "n_head": [[2]], "d_inner": [[128]]}, "rows of hwgpt"),
        ({"d_model": pa.array([], pa.int64())}, "no rows"),
    ],
)
def test_bad_tables_are_named(columns: dict[str, object], message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        ArchitectureBatch.from_arrow(pa.table(columns), "gpt2")


@pytest.mark.data
def test_published_tables_are_read_as_they_are(data_dir: Path) -> None:
    table = pq.read_table(data_dir / "hwgpt_s.parquet", columns=["embed_dim", "n_layer", "n_head", "mlp_ratio", "bias"])
    batch = ArchitectureBatch.from_arrow(table, "hwgpt")
    assert len(batch) == 8000
    first = table.slice(0, 1).to_pylist()[0]
    assert batch[0].d_model == first["embed_dim"]
    assert list(batch[0].n_head) == first["n_head"]
    assert np.array_equal(batch.n_layer, table.column("n_layer").to_numpy())


def test_columns_of_transformer_xl_store_an_embedding_of_the_models_width():
    batch = ArchitectureBatch.of_columns(
        "transformer-xl", np.array([1, 1]), d_model=np.array([64, 128]), n_head=[[2], [2]], d_inner=[[128], [256]]
    )
    assert batch.d_embed.tolist() == [64, 128] == [arch.d_embed for arch in batch]

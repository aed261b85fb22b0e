"""Blocks of the gpt2 family: what they change in plain data, and that architectures without them stay as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tradewind.core import GPT2, Architecture, ArchitectureBatch, InvalidArchitectureError, UsageError
from tradewind.core.blocks import BLOCKS
from tradewind.core.families import DERIVED
from tradewind.core.files import content_hash

SHAPE: dict[str, Any] = {"d_model": 64, "n_head": (2, 4, 2), "d_inner": (128, 192, 256)}
PLAIN = GPT2(**SHAPE)
MIXED = GPT2(**SHAPE, block=("gelu", "primer-ez", "transformer++"))


def test_an_architecture_of_gpt2s_own_blocks_is_written_as_before_there_were_others() -> None:
    listed = {name: list(value) if isinstance(value, tuple) else value for name, value in SHAPE.items()}
    data = {"context": 1024, "vocab_size": 50257, "family": "gpt2", **listed}
    assert PLAIN.to_dict() == data
    assert PLAIN.id == content_hash(data)[:16]
    assert GPT2(**SHAPE, block=("gelu",) * 3) == PLAIN
    assert PLAIN.block == ("gelu",) * 3


def test_other_blocks_are_written_and_read() -> None:
    assert MIXED.to_dict()["block"] == ["gelu", "primer-ez", "transformer++"]
    assert Architecture.from_json(MIXED.to_json()) == MIXED
    assert MIXED.id != PLAIN.id
    assert [block.activation for block in MIXED.blocks] == ["gelu", "squared-relu", "swiglu"]


def test_what_is_no_block_is_refused() -> None:
    with pytest.raises(InvalidArchitectureError, match="did you mean 'primer-ez'"):
        GPT2(**SHAPE, block=("gelu", "gelu", "primer-es"))
    with pytest.raises(InvalidArchitectureError, match="block has 2 entries but n_head has 3"):
        GPT2(**SHAPE, block=("gelu", "mdha"))


def test_usual_names_follow_a_change_of_depth() -> None:
    assert PLAIN.replace(n_head=(2,), d_inner=(128,)).block == ("gelu",)
    with pytest.raises(InvalidArchitectureError, match="block has 3 entries"):
        MIXED.replace(n_head=(2,), d_inner=(128,))


def test_a_batch_holds_codes_and_nothing_where_all_are_usual() -> None:
    assert ArchitectureBatch.of([PLAIN, PLAIN]).columns["block"].shape == (2, 0)
    batch = ArchitectureBatch.of([PLAIN, MIXED, PLAIN.replace(n_head=(2,), d_inner=(128,))])
    assert batch.columns["block"].tolist() == [[0, 0, 0], [0, 4, 6], [0, 0, 0]]
    assert batch.columns["block"].dtype == np.uint8
    assert list(batch)[:2] == [PLAIN, MIXED]
    assert batch[1:2][0] == MIXED
    assert batch.names("block")[1].tolist() == list(MIXED.block)


def test_columns_take_names_or_codes() -> None:
    shared = {"d_model": 64, "n_head": 2 * np.ones((2, 2), int), "d_inner": 128 * np.ones((2, 2), int)}
    depth = np.array([2, 1])
    named = ArchitectureBatch.of_columns("gpt2", depth, **shared, block=np.array([["mdha", "gelu"], ["primer", ""]]))
    coded = ArchitectureBatch.of_columns("gpt2", depth, **shared, block=named.columns["block"])
    assert list(named) == list(coded)
    assert [arch.block for arch in named] == [("mdha", "gelu"), ("primer",)]
    assert ArchitectureBatch.of_columns("gpt2", depth, **shared).columns["block"].shape == (2, 0)
    with pytest.raises(UsageError, match="unknown block"):
        ArchitectureBatch.of_columns("gpt2", depth, **shared, block=np.array([["mdha", "glu"], ["gelu", ""]]))


def test_tables_keep_blocks() -> None:
    archs = [PLAIN, MIXED]
    table = ArchitectureBatch.of(archs).to_arrow()
    assert list(ArchitectureBatch.from_arrow(table, "gpt2")) == archs
    assert "block" not in ArchitectureBatch.of([PLAIN]).to_arrow().column_names


@pytest.mark.parametrize("name", DERIVED)
def test_what_follows_from_blocks_is_the_same_alone_and_in_a_batch(name: str) -> None:
    every = GPT2(
        d_model=64, n_head=(2,) * len(BLOCKS), d_inner=list(range(100, 100 + len(BLOCKS))), block=tuple(BLOCKS)
    )
    for archs in ([every, MIXED, PLAIN], [PLAIN]):
        batch = ArchitectureBatch.of(archs)
        assert batch.layer_sum(name).tolist() == [sum(arch.layer_column(name)) for arch in archs]


def test_a_column_that_is_none_is_refused() -> None:
    with pytest.raises(AttributeError, match="no per-layer column 'd_outer'"):
        ArchitectureBatch.of([PLAIN]).layer_sum("d_outer")

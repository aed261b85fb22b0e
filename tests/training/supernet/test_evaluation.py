"""Scoring sub-networks: the numbers of stand-alone models, kept in a table that survives a stop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tradewind.core import FileFormatError, UsageError
from tradewind.models.supernet import Supernet
from tradewind.spaces import ArchitectureSpace
from tradewind.training import TokenData, evaluate
from tradewind.training.supernet import Examination, examine

OPTIONS = {"batches": 3, "batch_size": 4, "length": 16}


def test_scores_are_those_of_extracted_models(supernet: Supernet, space: ArchitectureSpace, text: TokenData) -> None:
    archs = list(space.sample_many(4, seed=0))
    rows = examine(Examination(supernet, text, **OPTIONS), archs)
    for arch, row in zip(archs, rows, strict=True):
        expected = evaluate(supernet.extract(arch), text, **OPTIONS)
        assert row["loss"] == pytest.approx(expected.loss, rel=1e-6)
        assert row["perplexity"] == pytest.approx(expected.perplexity, rel=1e-6)
        assert row["id"] == arch.id


def test_a_table_goes_on_after_a_stop(
    supernet: Supernet, space: ArchitectureSpace, text: TokenData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archs = list(dict.fromkeys(space.sample_many(8, seed=0)))[:5]
    table = tmp_path / "table.jsonl"
    whole = examine(Examination(supernet, text, **OPTIONS), archs)

    def stop(done: int, total: int) -> None:
        assert total == 5
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(Examination(supernet, text, **OPTIONS), archs, table, stop)
    table.open("a").write('{"id": "cut sh')
    scored = []
    examination = Examination(supernet, text, **OPTIONS)
    monkeypatch.setattr(examination, "row", lambda arch: scored.append(arch) or Examination.row(examination, arch))
    assert examine(examination, archs, table) == whole
    assert scored == archs[2:]
    assert len(table.read_text().splitlines()) == 6


def test_a_table_of_other_weights_is_refused(
    supernet: Supernet, space: ArchitectureSpace, text: TokenData, tmp_path: Path
) -> None:
    archs = [space.sample(seed=0)]
    table = tmp_path / "table.jsonl"
    examine(Examination(supernet, text, **OPTIONS), archs, table)
    with pytest.raises(UsageError, match="other batches"):
        examine(Examination(supernet, text, **OPTIONS | {"batches": 2}), archs, table)
    with torch.no_grad():
        next(supernet.model.parameters()).add_(1e-3)
    with pytest.raises(UsageError, match="other weights"):
        examine(Examination(supernet, text, **OPTIONS), archs, table)
    for content in ("[]\n", ""):
        table.write_text(content)
        with pytest.raises(FileFormatError, match="no table"):
            examine(Examination(supernet, text, **OPTIONS), archs, table)


def test_what_is_not_finite_has_no_value(supernet: Supernet, space: ArchitectureSpace, text: TokenData) -> None:
    with torch.no_grad():
        supernet.model.final_norm.weight.fill_(float("nan"))
    row = Examination(supernet, text, **OPTIONS).row(space.sample(seed=0))
    assert row["loss"] is None
    assert row["perplexity"] is None

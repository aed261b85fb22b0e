"""Supernets at rest."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tradewind.core import FileFormatError
from tradewind.models.supernet import Supernet
from tradewind.spaces import ArchitectureSpace
from tradewind.training import load_model
from tradewind.training.supernet import StoredSupernet, load_supernet, save_supernet


def test_round_trip(supernet: Supernet, space: ArchitectureSpace, tmp_path: Path) -> None:
    net = Supernet(supernet.model, (1, 0))
    save_supernet(tmp_path, StoredSupernet(net, space, {"data": "stdlib"}))
    again = load_supernet(tmp_path)
    tokens = torch.zeros(1, 5, dtype=torch.int64)
    arch = space.sample(seed=3)
    with torch.no_grad():
        assert torch.equal(again.supernet(tokens, arch), net(tokens, arch))
        assert torch.equal(load_model(tmp_path)(tokens), net(tokens))
    assert (again.space, again.facts, again.supernet.layer_order) == (space, {"data": "stdlib"}, (1, 0))


def test_no_supernet(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"holds no supernet\.json"):
        load_supernet(tmp_path)
    (tmp_path / "supernet.json").write_text('{"space": 3}')
    with pytest.raises(FileFormatError, match="damaged"):
        load_supernet(tmp_path)

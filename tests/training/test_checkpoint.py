from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tradewind import models
from tradewind.core import Architecture, FileFormatError, UsageError
from tradewind.training import Recipe, TokenData, Trainer, load_model, save_model
from tradewind.training import checkpoint as at_rest

Archs = dict[str, Architecture]


@pytest.mark.parametrize("name", ["gpt2", "transformer-xl", "hwgpt-profiled"])
def test_a_saved_model_comes_back(name: str, archs: Archs, tmp_path: Path) -> None:
    model = models.build(archs[name], seed=3)
    save_model(model, tmp_path / "m", {"perplexity": 2.5})
    tokens = torch.arange(8)[None]
    again = load_model(tmp_path / "m")
    assert again.arch == archs[name]
    assert torch.equal(model(tokens), again(tokens))
    assert at_rest.read(tmp_path / "m" / at_rest.WEIGHTS)[1] == {"perplexity": 2.5}


def test_weights_of_another_model_are_refused(archs: Archs, tmp_path: Path) -> None:
    save_model(models.build(archs["gpt2"]), tmp_path)
    with pytest.raises(UsageError, match="these weights are of another model"):
        at_rest.load_weights(models.build(archs["hwgpt-profiled"]), load_file(tmp_path / at_rest.WEIGHTS))
    wide = models.build(archs["gpt2"].replace(d_inner=(40, 57)))
    with pytest.raises(UsageError, match=r"layers.1.mlp.up.weight has shape \[56, 24\], the model's \[57, 24\]"):
        at_rest.load_weights(wide, load_file(tmp_path / at_rest.WEIGHTS))


def test_damaged_and_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no architecture.json; give the folder of a finished"):
        load_model(tmp_path)
    with pytest.raises(UsageError, match="there is no file"):
        at_rest.read(tmp_path / "none.safetensors")
    save_file({"a": torch.ones(3)}, tmp_path / "cut.safetensors")
    data = (tmp_path / "cut.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(data[:-4])
    with pytest.raises(UsageError, match="is no safetensors file"):
        at_rest.read(tmp_path / "cut.safetensors")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.safetensors"
    at_rest.write(path, {"a": torch.ones(2)}, {"step": 1})

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(at_rest.os, "replace", fail)
    with pytest.raises(UsageError, match="No space left on device"):
        at_rest.write(path, {"a": torch.zeros(2)}, {"step": 2})
    assert [file.name for file in tmp_path.iterdir()] == ["c.safetensors"]
    tensors, facts = at_rest.read(path)
    assert (tensors["a"].tolist(), facts) == ([1.0, 1.0], {"step": 1})


@pytest.mark.parametrize("optimizer", ["adamw", "lamb", "adafactor"])
def test_the_optimizers_state_comes_back(optimizer: str, text: TokenData, archs: Archs, tmp_path: Path) -> None:
    recipe = Recipe(steps=4, batch_size=2, length=16, optimizer=optimizer, schedule="constant")

    def trainer(out: Path | None = None) -> Trainer:
        return Trainer(models.build(archs["gpt2"]), text, recipe, out)

    whole = trainer().run()
    trainer(tmp_path).run(until=2)
    resumed = trainer(tmp_path).run()
    assert [row["loss"] for row in resumed.history] == [row["loss"] for row in whole.history]
    state = at_rest.training_state(whole.model, whole._optimizer)
    again = at_rest.training_state(resumed.model, resumed._optimizer)
    assert state.keys() == again.keys()
    assert all(torch.equal(state[name], again[name]) for name in state)
    assert any(name.startswith("optimizer.layers.0.") for name in state)


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*given: Any, **more: Any) -> None:
        raise SafetensorError("Error while serializing: I/O error: File too large (os error 27)")

    monkeypatch.setattr(at_rest, "save_file", full)
    with pytest.raises(FileFormatError, match=r"cannot write .*w\.safetensors \(Error while .*\); make room"):
        at_rest.write(tmp_path / "w.safetensors", {"a": torch.zeros(2)}, {})
    assert list(tmp_path.iterdir()) == []

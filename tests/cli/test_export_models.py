from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.cli.conftest import Tradewind

from tradewind import models
from tradewind.core import Architecture
from tradewind.models.export import from_huggingface
from tradewind.training.checkpoint import save_model

ALIKE = {"d_model": 16, "n_head": [2, 2], "d_inner": [32, 32], "vocab_size": 256, "context": 16}


@pytest.fixture
def trained(tmp_path: Path) -> models.LanguageModel:
    model = models.build(Architecture.from_dict({"family": "gpt2", **ALIKE}), seed=5)
    save_model(model, tmp_path / "runs" / "t", {"tokenizer": "bytes"})
    Path(tmp_path / "a.json").write_text(json.dumps({**ALIKE, "vocab_size": 50257}))
    Path(tmp_path / "b.json").write_text(json.dumps({**ALIKE, "n_head": [2, 4]}))
    return model


def test_a_checkpoint_becomes_a_hugging_face_folder(tradewind: Tradewind, trained: models.LanguageModel) -> None:
    pytest.importorskip("tokenizers")
    said = tradewind("export", "hf", "--arch", "a.json", "--checkpoint", "runs/t", "--out", "model", "--json")
    assert said.status == 0
    assert said.json["id"] == trained.arch.id
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(said.json["files"])
    assert json.loads(Path("model/generation_config.json").read_text())["eos_token_id"] == 0
    tokens = torch.arange(10)[None]
    assert torch.equal(from_huggingface("model")(tokens), trained(tokens))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("hf", "--out", "x"), "give --checkpoint FOLDER of a trained model, or --arch"),
        (("hf", "--arch", "b.json", "--out", "x"), "layer 1 has n_head 4 and layer 0 has 2"),
        (("hf", "--arch", "b.json", "--checkpoint", "runs/t", "--out", "x"), "(n_head is [2, 2], not [2, 4])"),
        (("hf", "--checkpoint", "runs", "--out", "x"), "runs holds no model"),
        (("onnx", "--arch", "a.json", "--logits", "some", "--out", "x.onnx"), "unknown choice of logits 'some'"),
    ],
)
def test_wrong_use_is_taught(
    tradewind: Tradewind, trained: models.LanguageModel, words: tuple[str, ...], told: str
) -> None:
    said = tradewind("export", *words)
    assert (said.status, told in said.err) == (2, True), said.err
    assert not Path("x").exists()


def test_a_checkpoint_becomes_an_onnx_graph(
    tradewind: Tradewind, trained: models.LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    words = ("export", "onnx", "--checkpoint", "runs/t", "--out", "model.onnx", "--check", "--json")
    said = tradewind(*words)
    assert said.status == 0
    assert said.json["largest_difference"] < 1e-5
    assert Path("model.onnx").stat().st_size > 4 * sum(p.numel() for p in trained.parameters())
    other = models.build(trained.arch, seed=6)
    written = Path("model.onnx").read_bytes()
    monkeypatch.setattr("tradewind.models.export.write_onnx", lambda *_, **__: Path("model.onnx").write_bytes(written))
    save_model(other, "runs/t", {"tokenizer": "bytes"})
    said = tradewind(*words)
    assert (said.status, "differs from the model by" in said.err) == (1, True)

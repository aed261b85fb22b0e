from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Tradewind

from tradewind import models
from tradewind.core import GPT2
from tradewind.training.checkpoint import save_model

pytest.importorskip("lm_eval")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    model = models.build(GPT2(d_model=16, n_head=(2,), d_inner=(32,), vocab_size=256, context=32))
    return save_model(model, tmp_path / "runs" / "t", {"tokenizer": "bytes"})


def test_scores_are_kept_and_not_computed_again(
    tradewind: Tradewind, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    Path("own").mkdir()
    Path("rows.jsonl").write_text('{"q": "up or", "a": 0}\n{"q": "left or", "a": 1}\n')
    Path("own/sides.yaml").write_text(
        f"task: sides\ndataset_path: json\ndataset_kwargs:\n  data_files: {{test: {tmp_path}/rows.jsonl}}\n"
        "test_split: test\noutput_type: multiple_choice\ndoc_to_text: '{{q}}'\ndoc_to_choice: ['down', 'right']\n"
        "doc_to_target: a\nmetric_list: [{metric: acc}]\n"
    )
    words = ("evaluate", "--checkpoint", "runs/t", "--tasks", "sides", "--include", "own", "--offline")
    said = tradewind(*words, "--json")
    assert said.status == 0, said.err
    (entry,) = said.json["tasks"]
    assert (entry["task"], entry["n"], said.json["mean_accuracy"]) == ("sides", 2, entry["metrics"]["acc"])
    assert json.loads((checkpoint / "tasks" / "sides.json").read_text()) == entry
    Path("rows.jsonl").unlink()
    again = tradewind(*words)
    assert (again.status, "sides" in again.out, f"mean accuracy {said.json['mean_accuracy']:.4f}" in again.out) == (
        0,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--checkpoint", "runs", "--tasks", "piqa"), "runs holds no model"),
        (("--checkpoint", "runs/t", "--tasks", ","), "give at least one task or group, e.g. hellaswag,piqa or lts-14"),
        (("--checkpoint", "runs/t", "--tasks", "piqa", "--include", "none"), "there is no folder none"),
        (("--checkpoint", "runs/t", "--tasks", "piqa", "--device", "tpu"), "unknown device of this machine 'tpu'"),
    ],
)
def test_wrong_use_is_taught(tradewind: Tradewind, checkpoint: Path, words: tuple[str, ...], told: str) -> None:
    said = tradewind("evaluate", *words)
    assert (said.status, told in said.err) == (2, True), said.err


def test_a_model_without_a_tokenizer_is_told(tradewind: Tradewind, checkpoint: Path) -> None:
    save_model(models.build(GPT2(d_model=16, n_head=(2,), d_inner=(32,), vocab_size=9, context=8)), checkpoint)
    said = tradewind("evaluate", "--checkpoint", "runs/t", "--tasks", "piqa")
    assert (said.status, "does not tell its tokenizer" in said.err) == (2, True)

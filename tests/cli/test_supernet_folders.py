"""`tradewind supernet` and folders that it made before: what goes on in them, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from tests.cli.conftest import Said, Tradewind
from tests.training.conftest import SOURCES

from tradewind import models
from tradewind.core import GPT2, HWGPT, ArchitectureBatch, UsageError
from tradewind.core.files import write_parquet
from tradewind.evaluators.supernet import SupernetEvaluator
from tradewind.training import load_model, save_model
from tradewind.training.supernet import load_supernet, save_supernet
from tradewind.training.tokenizers import ByteTokenizer

DENSE = GPT2(d_model=16, n_head=(2, 2), d_inner=(32, 32), vocab_size=256, context=16)
SMALL = DENSE.replace(d_model=8, n_head=(1,), d_inner=(16,))
SPACE = {
    "name": "small",
    "family": "gpt2",
    "dimensions": [
        {"name": "n_layer", "choices": [1, 2]},
        {"name": "d_model", "choices": [8, 16]},
        {"name": "n_head", "choices": [2]},
        {"name": "d_inner", "choices": [16, 32], "per_layer": True},
    ],
    "constants": {"vocab_size": 256, "context": 16},
}
SHORT = ["--setting", "batch_size=4", "--setting", "length=16"]


class Workshop:
    """Prunes models of several seeds on a text of its own and calls the verbs briefly."""

    def __init__(self, tradewind: Tradewind, folder: Path) -> None:
        self.tradewind, self.folder = tradewind, folder
        (folder / "text").mkdir()
        (folder / "text" / "a.txt").write_bytes(SOURCES[1].read_bytes())
        (folder / "space.json").write_text(json.dumps(SPACE))
        (folder / "small.json").write_text(json.dumps(SMALL.to_dict()))

    def __call__(self, verb: str, *words: object, data: bool = True) -> Said:
        return self.tradewind("supernet", verb, *words, *(["--data", "text"] if data else []), "--json")

    def prune(self, name: str, seed: int = 0, out: str = "") -> Said:
        """Prune ``dense-NAME``, a model of this seed, into ``NAME``."""
        save_model(models.build(DENSE, seed=seed), f"dense-{name}", tokenizer=ByteTokenizer())
        return self("prune", f"dense-{name}", "--length", 16, "--batches", 2, "--out", out or name)

    def train(self, start: str, out: str, *more: object) -> Said:
        return self("train", "--from", start, "--steps", 2, *SHORT, "--out", out, *more)

    def extract(self, run: str, out: str, *more: object) -> Said:
        return self("extract", run, "--arch", "small.json", "--out", out, *more, data=False)

    def recover(self, run: str, out: str) -> Said:
        return self.extract(run, out, "--recover", 3, "--setting", "batch_size=4")


@pytest.fixture
def workshop(tradewind: Tradewind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setenv("TRADEWIND_CACHE", str(tmp_path / "cache"))
    made = Workshop(tradewind, tmp_path)
    assert made.prune("p").status == 0
    return made


def refused(said: Said, *words: str) -> None:
    assert said.status == 2
    for word in words:
        assert word in said.err


def test_the_network_that_training_starts_from_belongs_to_the_run(workshop: Workshop) -> None:
    assert workshop.prune("q", seed=1).status == 0
    assert workshop.train("p", "on").status == 0
    assert workshop.train("p", "on").status == 0
    refused(workshop.train("q", "on"), "its start is not this one's")
    assert workshop.train("dense-p", "from-model", "--space", "space.json").status == 0
    assert workshop.train("dense-p", "from-model", "--space", "space.json").status == 0
    refused(workshop.train("dense-q", "from-model", "--space", "space.json"), "its start is not this one's")

    first = workshop.recover("p", "recovered")
    assert first.status == 0, first.err
    assert workshop.recover("p", "recovered").json == first.json
    refused(workshop.recover("q", "recovered"), "its start is not this one's")


def test_another_text_in_the_place_of_the_supernets(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    few = ["-n", 2, "--batches", 1]
    assert workshop("evaluate", tmp_path / "p", *few, data=False).status == 0
    monkeypatch.chdir(tmp_path)
    stored = load_supernet("p")
    (tmp_path / "text" / "a.txt").write_bytes(SOURCES[2].read_bytes())
    refused(workshop("evaluate", "p", *few, data=False), "made on another text", "put that text back")
    refused(workshop("rank", "p", "-n", 3, "--out", "ranked", data=False), "made on another text")
    refused(workshop.extract("p", "one"), "made on another text")
    with pytest.raises(UsageError, match="made on another text"):
        SupernetEvaluator("p")
    old = {name: stored.facts[name] for name in ("data", "tokenizer", "length")}
    save_supernet("old", dataclasses.replace(stored, facts=old))
    assert workshop("evaluate", "old", *few, data=False).status == 0


def test_no_other_model_is_overwritten(workshop: Workshop, tmp_path: Path) -> None:
    assert workshop.train("p", "trained").status == 0
    assert workshop.extract("p", "one").status == 0
    assert workshop.recover("p", "recovered").status == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.safetensors")}
    for folder in ("p", "trained", "dense-p", "recovered"):
        refused(workshop.extract("p", folder), "holds another model", "another --out")
    for folder in ("p", "dense-p"):
        refused(workshop.recover("p", folder), "holds another model")
        refused(workshop.train("p", folder), "holds another model")
    alone = workshop.tradewind("train", "--arch", "small.json", "--data", "text", "--steps", 1, *SHORT, "--out", "p")
    refused(alone, "holds another model")
    refused(workshop.recover("p", "trained"), "holds another run")
    refused(workshop.extract("trained", "one"), "holds another model")
    for folder in ("dense-p", "trained", "one", "recovered"):
        refused(workshop.prune("p", out=folder), "holds another model")
    refused(workshop("prune", "dense-p", "--length", 8, "--batches", 2, "--out", "p"), "holds another model")
    assert {path: path.read_bytes() for path in before} == before

    assert workshop.prune("p").status == 0
    assert workshop.extract("p", "one").status == 0
    assert workshop.recover("p", "one").status == 0
    assert workshop.recover("p", "recovered").status == 0


def test_several_processes_are_refused(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    refused(workshop.train("p", "on"), "start it without torchrun")
    assert not Path("on").exists()


def test_architectures_have_the_supernets_vocabulary(workshop: Workshop, tmp_path: Path) -> None:
    many = SMALL.replace(vocab_size=50257)
    (tmp_path / "small.json").write_text(json.dumps(many.to_dict()))
    said = workshop.extract("p", "one")
    assert said.status == 0, said.err
    assert load_model("one").arch == SMALL
    write_parquet("many.parquet", ArchitectureBatch.of([many]).to_arrow())
    for file in ("small.json", "many.parquet"):
        said = workshop("evaluate", "p", "--archs", file, "--batches", 1, data=False)
        assert said.status == 0, said.err
        assert [row["id"] for row in said.json["frontier"]] == [SMALL.id]


def test_remedies_are_options_that_exist(workshop: Workshop, tmp_path: Path) -> None:
    other = HWGPT(d_model=64, n_head=(1,), mlp_ratio=(2,), bias=True, vocab_size=256)
    (tmp_path / "small.json").write_text(json.dumps(other.to_dict()))
    for said in (workshop.extract("p", "one"), workshop("evaluate", "p", "--archs", "small.json", data=False)):
        refused(said, "give one of the supernet's space")
        assert "--space" not in said.err
    save_model(models.build(DENSE.replace(n_head=(2, 4))), "unlike", tokenizer=ByteTokenizer())
    said = workshop("prune", "unlike", "--length", 16, "--out", "x")
    refused(said, "tradewind supernet train --from MODEL --space")
    said = workshop.train("unlike", "x", "--space", "space.json")
    assert said.status == 0, said.err


def test_options_of_training_without_effect_are_refused(workshop: Workshop) -> None:
    refused(workshop.train("p", "on", "--set", "n_layer=8"), "brings its space")
    refused(workshop.train("p", "on", "--space", "space.json"), "brings its space")
    refused(workshop.train("p", "on", "--checkpoint-every", -1), "--checkpoint-every")
    assert not Path("on").exists()

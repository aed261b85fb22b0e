"""`tradewind supernet`: from training to an extracted model, on a small folder of text."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from tests.cli.conftest import Tradewind
from tests.training.conftest import SOURCES

from tradewind import models
from tradewind.core import GPT2, Architecture
from tradewind.evaluators import sources
from tradewind.models.export import write_huggingface
from tradewind.training import load_model, open_saved, save_model
from tradewind.training.saved import tokenizer_json
from tradewind.training.supernet import load_supernet
from tradewind.training.tokenizers import BPETokenizer, ByteTokenizer

SPACE = {
    "name": "small",
    "family": "gpt2",
    "dimensions": [
        {"name": "n_layer", "choices": [1, 2]},
        {"name": "d_model", "choices": [8, 16]},
        {"name": "n_head", "choices": [1, 2], "per_layer": True},
        {"name": "d_inner", "choices": [16, 32, 48], "per_layer": True},
    ],
    "constants": {"vocab_size": 1000, "context": 16},
}
SHORT = ["--setting", "batch_size=4", "--setting", "length=16"]


@pytest.fixture
def run(tradewind: Tradewind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A supernet of ten steps."""
    monkeypatch.setenv("TRADEWIND_CACHE", str(tmp_path / "cache"))
    (tmp_path / "space.json").write_text(json.dumps(SPACE))
    said = tradewind("supernet", "train", *_train(tmp_path))
    assert said.status == 0, said.err
    found = said.json
    assert [row["network"] for row in found["networks"]] == ["smallest", "largest"]
    assert found["networks"][0]["params"] < found["networks"][1]["params"]
    return tmp_path / "net"


def _train(folder: Path, *more: str) -> list[str]:
    where = ["--space", str(folder / "space.json"), "--data", str(SOURCES[1]), "--out", str(folder / "net")]
    return [*where, "--steps", "10", *SHORT, "--json", *more]


def test_train_evaluate_extract_rank(run: Path, tradewind: Tradewind, tmp_path: Path) -> None:
    stored = load_supernet(run)
    assert stored.space.constants["vocab_size"] == 256
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 11
    said = tradewind("supernet", "evaluate", run, "-n", 9, "--batches", 2, "--json")
    assert said.status == 0, said.err
    assert said.json["evaluated"] == 9
    front = said.json["frontier"]
    assert all(a["params"] < b["params"] and a["perplexity"] > b["perplexity"] for a, b in itertools.pairwise(front))
    assert len((run / "evaluations.jsonl").read_text().splitlines()) == 10

    (tmp_path / "a.json").write_text(json.dumps(front[0]["architecture"]))
    where = ["--arch", tmp_path / "a.json", "--out", tmp_path / "small"]
    said = tradewind("supernet", "extract", run, *where, "--recover", 15, "--setting", "batch_size=4", "--json")
    assert said.status == 0, said.err
    assert said.json["recovered_loss"] < said.json["inherited_loss"]
    said = tradewind("supernet", "extract", run, "--arch", tmp_path / "a.json", "--out", tmp_path / "as-it-is")
    assert [line.split()[0] for line in said.out.splitlines()] == ["loss,", "inherited"]
    assert load_model(tmp_path / "small").arch == Architecture.from_dict(front[0]["architecture"])

    words = ["supernet", "rank", run, "-n", 4, "--steps", 3, "--setting", "batch_size=4", "--batches", 2]
    said = tradewind(*words, "--out", tmp_path / "rank", "--json")
    assert said.status == 0, said.err
    assert {row["n"] for row in said.json["agreement"].values()} == {4}
    again = tradewind(*words, "--out", tmp_path / "rank")
    assert again.status == 0
    assert "spearman" in again.out
    assert "inherited weights" in again.out
    assert "4 networks are too few for an interval, which takes 8" in again.err
    assert "95%" not in again.out


def test_search_in_it(run: Path, tradewind: Tradewind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_SOURCES", list(sources._SOURCES))
    words = ["search", "--supernet", run, "--objectives", "perplexity,params", "--algorithm", "nsga2", "--budget", 8]
    said = tradewind(*words, "--out", tmp_path / "study", "--json")
    assert said.status == 0, said.err
    assert said.json["status"]["failed"] == 0
    assert all(row["measurements"]["perplexity"]["value"] > 1 for row in said.json["frontier"])
    refused = tradewind(*words, "--space", "hwgpt-s", "--out", tmp_path / "other")
    assert refused.status == 2
    assert "brings its space" in refused.err


def test_the_same_command_again_goes_on(run: Path, tradewind: Tradewind, tmp_path: Path) -> None:
    before = (run / "weights.safetensors").read_bytes()
    said = tradewind("supernet", "train", *_train(tmp_path))
    assert said.status == 0, said.err
    assert (run / "weights.safetensors").read_bytes() == before
    other = tradewind("supernet", "train", *_train(tmp_path, "--strategy", "random"))
    assert other.status == 2
    assert "another run" in other.err


def test_prune_a_trained_model_and_train_it_on(
    tradewind: Tradewind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEWIND_CACHE", str(tmp_path / "cache"))
    dense = GPT2(d_model=16, n_head=(2, 2), d_inner=(32, 32), vocab_size=256, context=16)
    save_model(models.build(dense), tmp_path / "dense", tokenizer=ByteTokenizer())
    data = ["--data", str(SOURCES[1]), "--json"]
    said = tradewind("supernet", "prune", tmp_path / "dense", "--length", 16, "--out", tmp_path / "pruned", *data)
    assert said.status == 0, said.err
    stored = load_supernet(tmp_path / "pruned")
    assert stored.supernet.arch == dense
    assert stored.space.contains(dense)
    words = ["supernet", "train", "--from", tmp_path / "pruned", "--steps", 2, *SHORT, "--out", tmp_path / "on", *data]
    assert tradewind(*words).status == 0
    assert load_supernet(tmp_path / "on").space == stored.space


def test_every_model_of_a_supernet_has_the_tokenizer_of_its_text(
    tradewind: Tradewind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tokenizers")
    monkeypatch.setenv("TRADEWIND_CACHE", str(tmp_path / "cache"))
    (tmp_path / "space.json").write_text(json.dumps(SPACE))
    said = tradewind("supernet", "train", *_train(tmp_path, "--tokenizer", "bpe:300"))
    assert said.status == 0, said.err
    small = load_supernet(tmp_path / "net").space.sample(seed=0)
    (tmp_path / "a.json").write_text(json.dumps(small.to_dict()))
    recover = ["--recover", 3, "--setting", "batch_size=4"]
    said = tradewind("supernet", "extract", "net", "--arch", "a.json", "--out", "small", *recover)
    assert said.status == 0, said.err
    data = ["--data", SOURCES[2], "--length", 16, "--batches", 1]
    said = tradewind("supernet", "prune", "net", "--out", "pruned", *data)
    assert said.status == 0, said.err
    made = [open_saved(folder)[1] for folder in ("net", "small", "pruned")]
    assert {each.name for each in made if each} == {"bpe:300"}
    assert len({tuple(each.encode("def decode(self, text):")) for each in made if each}) == 1


def test_a_hugging_face_model_is_pruned_recovered_and_trained_on_in_its_own_tokens(
    tradewind: Tradewind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tokenizers")
    monkeypatch.setenv("TRADEWIND_CACHE", str(tmp_path / "cache"))
    own = BPETokenizer.train([SOURCES[2].read_text()], 300)
    dense = GPT2(d_model=16, n_head=(2, 2), d_inner=(32, 32), vocab_size=304, context=16)
    write_huggingface(models.build(dense), tmp_path / "hf", tokenizer=tokenizer_json(own), end=own.end)
    data = ["--data", SOURCES[1], "--json"]
    prune = ["supernet", "prune", "hf", "--length", 16, "--batches", 1, *data]
    for other in ("bytes", "bpe:280"):
        said = tradewind(*prune, "--tokenizer", other, "--out", "other")
        assert (said.status, "its own tokenizer, bpe:300" in said.err, Path("other").exists()) == (2, True, False)
    said = tradewind(*prune, "--out", "pruned")
    assert said.status == 0, said.err
    stored = load_supernet("pruned")
    (tmp_path / "a.json").write_text(json.dumps(stored.space.sample(seed=0).to_dict()))
    recover = ["--recover", 3, "--setting", "batch_size=4"]
    said = tradewind("supernet", "extract", "pruned", "--arch", "a.json", "--out", "small", *recover)
    assert said.status == 0, said.err
    said = tradewind("supernet", "train", "--from", "pruned", "--steps", 2, *SHORT, "--out", "on", *data)
    assert said.status == 0, said.err
    said = tradewind("supernet", "evaluate", "on", "-n", 2, "--batches", 1)
    assert said.status == 0, said.err
    said = tradewind("supernet", "train", "--from", "pruned", "--tokenizer", "bytes", *SHORT, "--out", "off", *data)
    assert (said.status, "leave --tokenizer out" in said.err) == (2, True)
    for folder in ("pruned", "small", "on"):
        theirs = open_saved(folder)[1]
        assert isinstance(theirs, BPETokenizer)
        assert theirs.to_json() == own.to_json()
    for split in ("train", "validation"):
        tokens = stored.text().tokens(split).tolist()
        assert tokens == [*own.encode(own.decode(tokens[:-1])), own.end]


def test_a_model_that_does_not_tell_its_tokenizer(
    tradewind: Tradewind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEWIND_CACHE", str(tmp_path / "cache"))
    dense = GPT2(d_model=16, n_head=(2, 2), d_inner=(32, 32), vocab_size=256, context=16)
    write_huggingface(models.build(dense), tmp_path / "hf")
    words = ["supernet", "prune", "hf", "--data", SOURCES[1], "--length", 16, "--batches", 1, "--out", "pruned"]
    said = tradewind(*words)
    assert (said.status, "does not tell its tokenizer; name the one" in said.err) == (2, True)
    assert tradewind(*words, "--tokenizer", "bytes").status == 0


def test_wrong_use(tradewind: Tradewind, tmp_path: Path) -> None:
    said = tradewind("supernet", "evaluate", tmp_path)
    assert said.status == 2
    assert "holds no supernet.json" in said.err
    said = tradewind("supernet", "train", "--strategy", "sandwhich", "--out", tmp_path / "x")
    assert said.status == 2
    assert "did you mean 'sandwich'" in said.err
    for verb in ("train", "prune", "evaluate", "extract", "rank"):
        said = tradewind("supernet", verb, "--help")
        assert said.status == 0
        assert f"Example: tradewind supernet {verb}" in " ".join(said.out.split())

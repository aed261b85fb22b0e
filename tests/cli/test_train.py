from __future__ import annotations

import ast
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Tradewind
from tests.waiting import PATIENCE, wait_until

from tradewind.evaluators import sources
from tradewind.training import load_model

ARCH = {"d_model": 16, "n_head": [2], "d_inner": [32], "context": 16}
SPACE: dict[str, Any] = {
    "name": "tiny",
    "family": "gpt2",
    "dimensions": [
        {"name": "n_layer", "choices": [1, 2]},
        {"name": "d_model", "choices": [8, 16]},
        {"name": "n_head", "choices": [2], "per_layer": True},
        {"name": "d_inner", "choices": [16, 32], "per_layer": True},
    ],
    "constants": {"context": 16},
}
QUICK = ("--steps", 6, "--setting", "length=16", "--setting", "batch_size=2", "--data", ast.__file__)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_CACHE", str(tmp_path / "cache"))


def test_one_architecture_is_trained_and_the_same_command_goes_on(tradewind: Tradewind) -> None:
    Path("a.json").write_text(json.dumps(ARCH))
    words = ("train", "--arch", "a.json", *QUICK, "--out", "runs/t")
    first = tradewind(*words, "--json")
    assert first.status == 0
    assert first.json["steps"] == 6
    assert first.json["tokens"] == 6 * 2 * 16
    assert 0 < first.json["validation"]["loss"] < 6
    assert load_model("runs/t").arch.vocab_size == 256
    again = tradewind(*words)
    assert again.status == 0
    assert "runs/t holds 6 of 6 steps; finished already\n" in again.err
    figures = ["loss", "perplexity", "perplexity_per_byte", "perplexity_per_word", "bits_per_byte"]
    assert [line.split()[0] for line in again.out.splitlines()[2:]] == figures
    other = tradewind(*words, "--setting", "learning_rate=0.5")
    assert other.status == 2
    assert "holds another run" in other.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "nowhere.txt"), "there is no text 'nowhere.txt'"),
        (("--setting", "stepz=3"), "unknown setting of a recipe 'stepz': did you mean 'steps'"),
        (("--recipe", "hwgtp"), "unknown recipe 'hwgtp': did you mean 'hwgpt'"),
        (("--setting", "length=32", "--data", ast.__file__), "windows of 32 tokens exceed the 16 positions"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(tradewind: Tradewind, words: tuple[str, ...], message: str) -> None:
    Path("a.json").write_text(json.dumps(ARCH))
    said = tradewind("train", "--arch", "a.json", "--out", "t", *words)
    assert said.status == 2
    assert message in said.err


def test_training_that_diverges_fails(tradewind: Tradewind) -> None:
    Path("a.json").write_text(json.dumps(ARCH))
    wild = ("--setting", "learning_rate=1e30", "--setting", "clip=0", "--setting", "warmup=0")
    said = tradewind("train", "--arch", "a.json", *QUICK, *wild, "--out", "t")
    assert said.status == 1
    assert "training diverged at step" in said.err
    assert "smaller --setting learning_rate" in said.err
    said = tradewind("train", "--arch", "a.json", *QUICK, *wild, "--steps", 1, "--out", "last")
    assert (said.status, "training diverged at step 1: the validation loss is nan" in said.err) == (1, True)


def test_a_device_that_is_not_there_is_told(tradewind: Tradewind) -> None:
    Path("a.json").write_text(json.dumps(ARCH))
    said = tradewind("train", "--arch", "a.json", *QUICK, "--device", "bogus", "--out", "t")
    assert (said.status, "unknown device of this machine 'bogus'" in said.err) == (2, True)
    assert not Path("t").exists()


def test_ctrl_c_is_told_and_what_was_trained_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ARCH))
    words = [sys.executable, "-m", "tradewind", "train", "--arch", "a.json", *map(str, QUICK), "--steps", "100000"]
    child = subprocess.Popen([*words, "--out", "t"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    wait_until((tmp_path / "t" / "metrics.jsonl").is_file, child)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=PATIENCE)
    assert (child.returncode, err.strip().splitlines()[-1]) == (1, "tradewind: stopped; what had finished is kept")
    assert (tmp_path / "t" / "checkpoint.safetensors").is_file()


def test_proxies_are_judged_by_trained_truth(tradewind: Tradewind) -> None:
    Path("space.json").write_text(json.dumps(SPACE))
    words = ("proxies", "--space", "space.json", "--archs", 3, "--again", 2, *QUICK, "--low", 500, "--high", 4500)
    said = tradewind(*words, "--resamples", 20, "--out", "p", "--json")
    assert said.status == 0, said.err
    names = ["decoder_params", "quality", "grad_norm", "snip", "grasp", "fisher", "jacob_cov", "synflow"]
    assert list(said.json["proxies"]) == [*names, *(f"short_training_{share}%" for share in (5, 10, 25))]
    assert said.json["decoder_params"] == sorted(said.json["decoder_params"])
    assert said.json["noise"]["architectures"] == 2
    assert Path("p/proxies.png").read_bytes().startswith(b"\x89PNG")
    again = tradewind(*words, "--resamples", 20, "--out", "p")
    assert "Noise floor" in again.err
    assert json.loads(Path("p/proxies.json").read_text())["proxies"] == said.json["proxies"]
    whole = tradewind(*words[:-4], "--resamples", 2, "--out", "whole", "--json")
    assert whole.status == 0, whole.err
    assert min(whole.json["decoder_params"]) < 1500 < max(whole.json["decoder_params"])
    other = tradewind(*words[:-1], 4600, "--out", "p", "--archs", 2 + 2)
    assert other.status == 2
    assert "holds another experiment" in other.err


def test_a_search_trains_its_candidates(tradewind: Tradewind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_SOURCES", list(sources._SOURCES))
    Path("space.json").write_text(json.dumps(SPACE))
    words = ("search", "--space", "space.json", "--objectives", "perplexity,params", "--algorithm", "random")
    small = ("--training", "length=16", "--training", "batch_size=2", "--steps", 3)
    said = tradewind(*words, "--data", ast.__file__, *small, "--budget", 2, "--no-baseline", "--out", "s", "--json")
    assert said.status == 0, said.err
    assert (said.json["status"]["evaluations"], said.json["status"]["failed"]) == (2, 0)
    assert "perplexity" in json.dumps(said.json["frontier"])
    alone = tradewind(*words, "--steps", 3, "--out", "s2")
    assert alone.status == 2
    assert "belong to --data" in alone.err

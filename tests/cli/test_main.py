from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Tradewind

from tradewind import __version__, spaces
from tradewind.cli.main import app

VERBS = [
    "search", "report", "measure", "calibrate", "costs", "spaces", "bench", "export", "train", "proxies", "evolve",
    "speedup", "supernet", "evaluate",
]  # fmt: skip


def test_version_and_help(tradewind: Tradewind) -> None:
    assert tradewind("--version").out.strip() == f"tradewind {__version__}"
    said = tradewind("--help")
    assert said.status == 0
    assert all(verb in said.out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(tradewind: Tradewind, verb: str) -> None:
    said = tradewind(verb, "--help")
    assert said.status == 0
    assert "Example: tradewind" in " ".join(said.out.split())


def test_every_verb_is_listed_here() -> None:
    commands = {command.name for command in app.registered_commands} | {g.name for g in app.registered_groups}
    assert commands == set(VERBS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["serch"], "Did you mean 'search'"),
        (["spaces", "sample", "gtp2"], "unknown space 'gtp2': did you mean 'gpt2'?"),
        (["spaces", "sample", "gpt2", "--set", "n_layer=99"], "n_layer cannot be 99"),
        (["spaces", "sample", "gpt2", "-n", "0"], "Invalid value for '-n'"),
        (["spaces", "sample", "gpt2", "-n", "100000000000"], "Invalid value for '-n'"),
        (["spaces", "sample", "gpt2", "--out", "a.csv"], "--out a.csv must end in .parquet or .json"),
        (["costs", "--batch", "99999999999999999999", "--arch", "none.json"], "batch is 99999999999999999999; it must"),
        (["costs"], "give either --arch FILE.json"),
        (["costs", "--arch", "none.json"], "there is no file none.json"),
        (["measure", "--arch", "none.json"], "there is no file none.json"),
        (["search"], "Missing option '--out'"),
        (["search", "--out", "x", "--setting", "population"], "is not NAME=VALUE"),
        (["search", "--out", "x", "--algorithm", "lst"], "unknown algorithm 'lst': did you mean 'lts'?"),
        (["search", "--out", "x", "--where", "latency"], "is no constraint"),
        (["search", "--out", "x", "--objectives", "latency"], "did you mean 'latency_ms'?"),
        (["search", "--out", "x", "--device", "tpu"], "tpu"),
        (["report", "nowhere"], "nowhere"),
    ],
)
def test_wrong_use_is_one_sentence_and_status_2(tradewind: Tradewind, words: list[str], message: str) -> None:
    said = tradewind(*words)
    assert said.status == 2
    assert said.out == ""
    assert message in said.err
    assert said.err.startswith("tradewind: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["bench"]])
def test_a_bare_command_prints_its_help_as_laid_out(tradewind: Tradewind, words: list[str]) -> None:
    said = tradewind(*words)
    assert (said.status, said.out) == (2, "")
    assert said.err == tradewind(*words, "--help").out


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device", "x"), "tradewind: the system refused: [Errno 28] No space left"),
        (MemoryError("cannot allocate 9 TB"), "tradewind: out of memory (cannot allocate 9 TB)"),
    ],
)
def test_what_the_system_refuses_is_one_sentence(
    tradewind: Tradewind, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(spaces, "get", refuse)
    said = tradewind("spaces", "describe", "gpt2")
    assert said.status == 1
    assert said.err.startswith(message)
    assert said.err.count("\n") == 1


def test_a_file_where_a_folder_should_be_is_named(tradewind: Tradewind) -> None:
    Path("f").write_text("")
    for ending in ("json", "parquet"):
        said = tradewind("spaces", "sample", "gpt2", "--out", f"f/a.{ending}")
        assert said.status == 2
        assert said.err.startswith(f"tradewind: cannot write f/a.{ending} (")


def test_the_module_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "tradewind", "serch"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr

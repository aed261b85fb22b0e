"""`tradewind speedup` at the smallest scale: files, resuming, other experiments, wrong use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tradewind.core.files import read_json, write_json, write_text

pytest.importorskip("torch")
Tradewind = Callable[..., Any]


@pytest.fixture(autouse=True)
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(40):
        write_text(tmp_path / "text" / f"{index}.txt", f"{index} sails on the trade wind, and the wind blows. " * 20)
    monkeypatch.setenv("TRADEWIND_CACHE", str(tmp_path / "cache"))


SMALL = ("--data", "text", "--sizes", "16x1", "--steps", 6, "--batch", 2, "--length", 16, "--warmup", 1)
FEW = ("--evaluate-every", 2, "--batches", 1, "--seeds", 1)


def test_a_table_files_and_going_on(tradewind: Tradewind, tmp_path: Path) -> None:
    words = ("speedup", *SMALL, *FEW, "--rates", "1e-3,1e-2", "--out", "s")
    said = tradewind(*words, "--variants", "mdha", "--matrix", "none")
    assert said.status == 0
    lines = said.out.splitlines()
    factors = [line.split() for line in lines if " to " in line]
    assert [(words[0], words[1]) for words in factors[3:]] == [("mdha", "steps"), ("mdha", "FLOPs"), ("mdha", "CPU")]
    assert max(len(line) for line in lines if not line.startswith("written")) <= 80
    assert read_json(tmp_path / "s" / "speedup.json")["sizes"]["16x1"]["seeds"] == 1
    assert (tmp_path / "s" / "speedup.png").stat().st_size > 1000
    done = {path.parent.name: path.stat().st_mtime_ns for path in (tmp_path / "s").glob("*/result.json")}
    assert len(done) == 3
    more = tradewind(*words, "--variants", "mdha,transformer++", "--json").json
    assert set(more["sizes"]["16x1"]["blocks"]) == {"vanilla", "mdha", "transformer++"}
    after = {path.parent.name: path.stat().st_mtime_ns for path in (tmp_path / "s").glob("*/result.json")}
    assert done.items() < after.items()


def test_a_cut_run_goes_on_as_if_nothing_had_been(tradewind: Tradewind, tmp_path: Path) -> None:
    words = ("speedup", *SMALL, *FEW, "--rates", "1e-3", "--variants", "mdha", "--json", "--out")
    whole = tradewind(*words, "whole").json
    (tmp_path / "cut").mkdir()
    write_json(tmp_path / "cut" / "experiment.json", read_json(tmp_path / "whole" / "experiment.json"))
    name = "16x1-vanilla-seed0-rate0.001"
    (tmp_path / "whole" / name).rename(tmp_path / "cut" / name)
    cut = tradewind(*words, "cut").json

    def curves(found):  # type: ignore[no-untyped-def]
        return {block: row["curves"] for block, row in found["sizes"]["16x1"]["blocks"].items()}

    assert curves(cut) == curves(whole)


def test_another_experiment_is_refused(tradewind: Tradewind) -> None:
    words = ("speedup", *SMALL, *FEW, "--rates", "1e-3", "--variants", "mdha", "--out", "s")
    assert tradewind(*words).status == 0
    said = tradewind(*words, "--schedule", "constant")
    assert said.status == 2
    assert "its schedule is rsqrt, not constant" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--matrix", "insert"), "did you mean 'insertion'"),
        (("--rates", "fast"), "are no numbers"),
        (("--variants", "mdhaa"), "did you mean 'mdha'"),
        (("--schedule", "cosine"), "cooldown"),
    ],
)
def test_wrong_use(tradewind: Tradewind, words: tuple[str, ...], message: str) -> None:
    said = tradewind("speedup", "--out", "s", *words)
    assert said.status == 2
    assert message in said.err

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from tests.cli.conftest import Tradewind

from tradewind.cli.common import JsonOption, device_options, workload_options
from tradewind.core import Workload


@workload_options
@device_options
def command(
    *,
    name: str = "x",
    as_json: JsonOption = False,
    workload: Workload,
    device_options: dict[str, Any],
) -> tuple[Any, ...]:
    """Give back what was given."""
    return name, as_json, workload, device_options


def run(*words: str) -> Any:
    app = typer.Typer()
    app.command()(command)
    return app(args=list(words), standalone_mode=False)


def test_options_reach_a_command_joined() -> None:
    plain = {"threads": 1, "runtime": "torch", "time_limit_s": 120.0, "memory_limit_mb": None}
    assert run() == ("x", False, Workload(), plain)
    given = run("--name", "y", "--json", "--batch", "2", "--length", "8", "--logits", "last", "--memory-limit", "5.5")
    assert given == ("y", True, Workload(batch=2, seq_len=8, logits="last"), plain | {"memory_limit_mb": 5.5})
    words = ("--threads", "3", "--runtime", "onnxruntime", "--context", "4", "--dtype", "float16", "--time-limit", "9")
    assert run(*words) == (
        "x",
        False,
        Workload(context=4, dtype="float16"),
        plain | {"threads": 3, "runtime": "onnxruntime", "time_limit_s": 9.0},
    )


@pytest.mark.parametrize(
    ("option", "value", "least"), [("--batch", 0, 1), ("--length", 0, 1), ("--length", 2**31, 1), ("--context", -1, 0)]
)
def test_a_wrong_workload_is_told_by_its_option(tradewind: Tradewind, option: str, value: int, least: int) -> None:
    said = tradewind("costs", "--arch", "a.json", option, value)
    assert said.status == 2
    assert said.err == f"tradewind: {option} is {value}; it must be {least} or more, up to 2,147,483,647\n"


@pytest.mark.parametrize("verb", ["measure", "search", "calibrate"])
def test_every_verb_that_measures_has_the_same_options(tradewind: Tradewind, verb: str) -> None:
    shown = tradewind(verb, "--help").out
    for option in ("--threads", "--runtime", "--time-limit", "--memory-limit", "--batch", "--context", "--logits"):
        assert option in shown
    assert shown.index("--json") > shown.index("--logits")


def test_onnxruntime_refuses_what_it_is_not_measured_in(tradewind: Tradewind) -> None:
    words = ("--runtime", "onnxruntime", "--dtype", "bfloat16", "--objectives", "latency_ms", "--out", "runs/a")
    said = tradewind("search", "--space", "gpt2", *words)
    assert (said.status, "measured in float32 only" in said.err) == (2, True), said.err
    said = tradewind("search", "--runtime", "tensorrt", "--objectives", "latency_ms", "--out", "runs/a")
    assert (said.status, "unknown runtime 'tensorrt'" in said.err) == (2, True), said.err


@pytest.mark.parametrize("name", ["m[/x]", "m[red]z", "long" * 30])
def test_paths_are_told_as_they_were_given(tradewind: Tradewind, name: str) -> None:
    cheap = ("--objectives", "decoder_params,flops", "--algorithm", "lts", "--no-baseline", "--budget", 3)
    said = tradewind("search", *cheap, "--out", f"runs/{name}")
    assert (said.status, f"kept in runs/{name}." in said.err) == (0, True), said.err
    assert f"tradewind report runs/{name}\n" in said.err
    said = tradewind("report", f"runs/{name}")
    assert (said.status, f"Look at it: runs/{name}/report/" in said.err) == (0, True), said.err
    said = tradewind("spaces", "sample", "gpt2", "--out", f"{name}.parquet")
    assert (said.status, said.err) == (0, f"1 architecture written to {name}.parquet\n")
    said = tradewind("costs", "--archs", f"{name}.parquet", "--out", Path("costs") / f"{name}.parquet")
    assert (said.status, f"written to costs/{name}.parquet\n" in said.err) == (0, True), said.err


@pytest.mark.parametrize(
    ("words", "ending"),
    [
        (("spaces", "sample", "gpt2"), ".parquet or .json"),
        (("costs", "--archs", "a.parquet"), ".parquet"),
        (("bench", "query", "hwgpt-s", "--archs", "a.parquet"), ".parquet"),
        (("export", "onnx", "--arch", "a.json"), ".onnx"),
        (("calibrate",), ".json"),
    ],
)
def test_a_file_of_another_ending_is_not_written(tradewind: Tradewind, words: tuple[str, ...], ending: str) -> None:
    said = tradewind(*words, "--out", "a.txt")
    assert (said.status, said.err) == (2, f"tradewind: --out a.txt must end in {ending}\n")

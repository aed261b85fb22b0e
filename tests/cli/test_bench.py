"""`tradewind bench`: list, describe, query, evaluate and fit, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.cli.conftest import Said, Tradewind

from tradewind import spaces
from tradewind.benchmarks import forms
from tradewind.benchmarks.hwgpt import load
from tradewind.core.files import write_json, write_parquet


@pytest.fixture
def arch_file(tmp_path: Path) -> Path:
    return write_json(tmp_path / "a.json", spaces.get("hwgpt-s").sample(seed=0).to_dict())


def test_fit_without_its_table_is_one_line(tradewind: Tradewind) -> None:
    said = tradewind("bench", "fit", "nope")
    assert said.status == 2
    assert said.err == (
        "tradewind: there is no hwgpt_s.parquet in nope; it is not part of the package: give the folder that holds "
        "your copy\n"
    )


def test_an_unknown_metric_is_told_each_known_one_once(tradewind: Tradewind, arch_file: Path) -> None:
    said = tradewind("bench", "query", "hwgpt-s", "--arch", arch_file, "--metrics", "speed")
    assert said.err.count(" flops") == said.err.count(" params") == said.err.count(" decoder_params") == 1


def run_bench(tradewind: Tradewind, *words: object) -> Said:
    return tradewind("bench", *words)


def test_list_shows_every_benchmark(tradewind: Tradewind) -> None:
    rows = run_bench(tradewind, "list", "--json").json
    assert [row["benchmark"] for row in rows][:3] == ["hwgpt-s", "hwgpt-m", "hwgpt-l"]
    assert "1.90e+12" in rows[0]["what"]
    assert "hwgpt-l" in run_bench(tradewind, "list").out


def test_describe_shows_units_and_quality(tradewind: Tradewind) -> None:
    facts = run_bench(tradewind, "describe", "hwgpt-m", "--json").json
    assert {row["metric"]: row.get("batch") for row in facts["metrics"]}["latency_ms@a100"] == 4
    said = run_bench(tradewind, "describe", "hwgpt-m")
    assert said.status == 0
    assert "accuracy" in said.out


def test_query_of_one_architecture(tradewind: Tradewind, arch_file: Path) -> None:
    said = run_bench(
        tradewind, "query", "hwgpt-s", "--arch", arch_file, "--metrics", "latency_ms@a100,perplexity", "--json"
    )
    assert list(said.json["metrics"]) == ["latency_ms@a100", "perplexity"]
    answer = said.json["metrics"]["latency_ms@a100"]
    assert answer["unit"] == "ms"
    assert answer["predicted"] is True
    arch = spaces.get("hwgpt-s").sample(seed=0)
    assert answer == load("hwgpt-s").query(arch, "latency_ms@a100").to_dict()
    shown = run_bench(tradewind, "query", "hwgpt-s", "--arch", arch_file, "--metrics", "energy_wh@a100,params")
    assert "exact" in shown.out
    assert "Kendall tau" in shown.err


@pytest.mark.parametrize("form", ["columns", "string", "dictionary"])
def test_an_architecture_may_be_written_as_the_release_writes_it(
    tradewind: Tradewind, tmp_path: Path, form: str
) -> None:
    arch = spaces.get("hwgpt-s").sample(seed=3)
    written: dict[str, Any] = {
        "columns": {
            "embed_dim": arch.d_model, "n_layer": arch.n_layer, "n_head": list(arch.n_head),
            "mlp_ratio": list(arch.mlp_ratio), "bias": arch.bias,
        },
        "string": forms.to_released_string(arch),
        "dictionary": forms.to_released_dict(arch),
    }  # fmt: skip
    path = write_json(tmp_path / "b.json", written[form])
    said = run_bench(tradewind, "query", "hwgpt-s", "--arch", path, "--metrics", "params", "--json")
    assert said.json["id"] == arch.id


def test_query_of_a_table(tradewind: Tradewind, tmp_path: Path) -> None:
    batch = spaces.get("hwgpt-l").sample_many(30, seed=1)
    write_parquet(tmp_path / "archs.parquet", batch.to_arrow())
    said = run_bench(tradewind, "query", "hwgpt-l", "--archs", "archs.parquet", "--out", "p.parquet", "--json")
    assert said.json["rows"] == 30
    table = pq.read_table(tmp_path / "p.parquet")
    assert table.num_columns == 30 * 2 + 2
    assert np.allclose(table["perplexity"].to_numpy(), load("hwgpt-l").query_many(batch, "perplexity")["perplexity"])


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("query", "hwgpt-s"), "give either --arch FILE.json"),
        (("query", "hwgpt-s", "--archs", "x.parquet"), "--archs needs --out"),
        (("query", "hwgpt-s", "--arch", "a.json", "--out", "x.parquet"), "--out belongs to --archs"),
        (("query", "hwgpt-s", "--arch", "a.json", "--metrics", "latency_ms@a10"), "did you mean 'a100'"),
        (("query", "hwgpt-s-wide", "--arch", "a.json"), "no measurements of hwgpt-s-wide"),
        (("query", "hwgpt-x", "--arch", "a.json"), "did you mean"),
        (("query", "hwgpt-m", "--arch", "a.json"), "n_layer is"),
        (("query", "hwgpt-s", "--arch", "none.json"), "there is no file"),
        (("evaluate", "hwgpt-s", "--data", "."), "there is no hwgpt_s.parquet"),
        (("fit", "."), "there is no hwgpt_s.parquet"),
        (("fit", ".", "--scale", "xl"), "unknown scale 'xl'"),
    ],
)
def test_wrong_use_is_one_sentence_and_status_two(
    tradewind: Tradewind, arch_file: Path, words: tuple[str, ...], hint: str
) -> None:
    said = run_bench(tradewind, *words)
    assert said.status == 2
    assert hint in said.err
    assert len(said.err.strip().splitlines()) == 1


@pytest.mark.data
def test_fit_and_evaluate_on_published_measurements(tradewind: Tradewind, data_dir: Path) -> None:
    said = run_bench(
        tradewind, "fit", data_dir, "--scale", "s", "--metrics", "latency_ms@a40", "--keep-held-out",
        "--out", "p", "--json",
    )  # fmt: skip
    assert said.json["files"] == ["p/hwgpt-s/latency_ms.a40.json"]
    found = run_bench(
        tradewind, "evaluate", "hwgpt-s", "--data", data_dir, "--predictors", "p", "--rows", "held-out",
        "--metrics", "latency_ms@a40", "--json",
    ).json["metrics"]["latency_ms@a40"]  # fmt: skip
    assert found["seen"] is False
    assert found["kendall"] > 0.99
    assert 0.87 < found["coverage"] < 0.93
    kept = json.loads(Path("p/hwgpt-s/latency_ms.a40.json").read_text())["facts"]["held_out"]
    assert {key: found[key] for key in kept} == kept
    shown = run_bench(tradewind, "evaluate", "hwgpt-s", "--data", data_dir, "--metrics", "latency_ms@a40")
    assert "latency_ms@a40" in shown.out


def test_an_architecture_of_another_family_is_refused_by_name(tradewind: Tradewind, tmp_path: Path) -> None:
    path = write_json(tmp_path / "g.json", spaces.get("gpt2").sample(seed=0).to_dict())
    said = run_bench(tradewind, "query", "hwgpt-s", "--arch", path)
    assert said.status == 2
    assert "holds a gpt2 architecture, but hwgpt-s is of hwgpt; draw one with: tradewind spaces sample" in said.err

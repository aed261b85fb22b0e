from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.cli.conftest import Tradewind

from tradewind import costs, spaces
from tradewind.core import GPT2, Workload


def test_one_architecture(tradewind: Tradewind) -> None:
    arch = spaces.get("gpt2").sample(3)
    Path("a.json").write_text(arch.to_json())
    found = tradewind("costs", "--arch", "a.json", "--length", 64, "--batch", 2, "--json").json
    load = Workload(batch=2, seq_len=64)
    assert found["id"] == arch.id
    assert found["costs"] == {q: costs.evaluate(q, arch, load) for q in costs.quantities()}
    assert sum(found["components"].values()) == found["costs"]["params"]
    text = tradewind("costs", "--arch", "a.json").out
    assert "decoder_params" in text
    assert f"{costs.decoder_params(arch):,}" in text


def test_the_file_may_leave_out_what_the_space_fixes(tradewind: Tradewind) -> None:
    Path("a.json").write_text(json.dumps({"d_model": 128, "n_head": [2], "d_inner": [256]}))
    words = ("costs", "--arch", "a.json", "--json", "--set", "vocab_size=1000", "--set", "context=64")
    found = tradewind(*words).json
    assert found["architecture"]["vocab_size"] == 1000
    assert found["components"]["position_embedding"] == 64 * 128


def test_a_forward_beyond_the_learned_positions_is_noted(tradewind: Tradewind) -> None:
    Path("a.json").write_text(json.dumps({"d_model": 128, "n_head": [2], "d_inner": [256], "context": 64}))
    said = tradewind("costs", "--arch", "a.json", "--length", 65)
    assert said.status == 0
    assert said.err.startswith(
        "counted, but not to be measured: latency_ms takes 65 positions and these architectures "
    )
    assert tradewind("costs", "--arch", "a.json", "--length", 64).err == ""
    tradewind("spaces", "sample", "gpt2", "-n", 2, "--set", "context=64", "--out", "a.parquet")
    said = tradewind("costs", "--archs", "a.parquet", "--length", 65, "--out", "c.parquet", "--json")
    assert [note.partition(":")[0] for note in said.json["notes"]] == ["counted, but not to be measured"]


def test_a_number_beyond_all_machines_is_refused(tradewind: Tradewind) -> None:
    for field in ({"d_model": 10**20}, {"d_model": 128, "d_inner": [2**31]}):
        Path("a.json").write_text(json.dumps({"d_model": 128, "n_head": [2], "d_inner": [256]} | field))
        said = tradewind("costs", "--arch", "a.json")
        assert (said.status, "it must be at most 2,147,483,647" in said.err) == (2, True)


def test_another_familys_file_names_the_space_to_give(tradewind: Tradewind) -> None:
    tradewind("spaces", "sample", "gpt2", "--out", "a.json")
    said = tradewind("costs", "--space", "transformer-xl", "--arch", "a.json")
    assert said.status == 2
    assert "a.json holds a gpt2 architecture, but transformer-xl is of transformer-xl; give --space gpt2" in said.err
    Path("b.json").write_text('{"family": "gtp2"}')
    assert "did you mean 'gpt2'" in tradewind("costs", "--arch", "b.json").err
    Path("b.json").write_text('{"family": ["gpt2"]}')
    assert "unknown family" in tradewind("costs", "--arch", "b.json").err


@pytest.mark.parametrize("given", ["n_layer=2..4", "d_model=128", "vocab_size=100,200"])
def test_narrowing_a_dimension_of_a_file_is_refused(tradewind: Tradewind, given: str) -> None:
    tradewind("spaces", "sample", "gpt2", "--out", "a.json")
    said = tradewind("costs", "--arch", "a.json", "--set", given)
    assert (said.status, f"--set {given.partition('=')[0]} has no effect" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--arch", "a.json", "--out", "c.parquet"), "--out belongs to --archs"),
        (("--archs", "a.parquet", "--out", "c.csv"), "--out c.csv must end in .parquet"),
    ],
)
def test_an_output_without_effect_or_of_another_form_is_refused(
    tradewind: Tradewind, words: tuple[str, ...], message: str
) -> None:
    said = tradewind("costs", *words)
    assert (said.status, message in said.err) == (2, True)


def test_a_file_with_several_is_refused(tradewind: Tradewind) -> None:
    tradewind("spaces", "sample", "gpt2", "-n", 3, "--out", "a.json")
    said = tradewind("costs", "--arch", "a.json")
    assert (said.status, "holds 3 architectures" in said.err) == (2, True)


def test_a_table_gives_one_column_a_cost(tradewind: Tradewind) -> None:
    tradewind("spaces", "sample", "transformer-xl", "-n", 50, "--out", "a.parquet")
    assert tradewind("costs", "--space", "transformer-xl", "--archs", "a.parquet", "--out", "c.parquet").status == 0
    table = pq.read_table("c.parquet")
    archs = spaces.get("transformer-xl").sample_many(50, 0)
    assert table.column_names == ["id", *costs.quantities()]
    assert table.column("id").to_pylist() == [arch.id for arch in archs]
    assert np.array_equal(table.column("params").to_numpy(), costs.params(archs))


@pytest.mark.data
@pytest.mark.parametrize("backbone", ["gpt2", "transformer-xl"])
def test_published_tables_go_in_as_they_are(tradewind: Tradewind, data_dir: Path, backbone: str) -> None:
    table = pq.read_table(data_dir / "lts_random.parquet")
    rows = table.filter(pc.equal(table.column("backbone"), backbone))
    pq.write_table(rows, "in.parquet")
    assert tradewind("costs", "--space", backbone, "--archs", "in.parquet", "--out", "out.parquet").status == 0
    found = pq.read_table("out.parquet").column("decoder_params")
    assert found.to_pylist() == rows.column("decoder_params").to_pylist()


@pytest.mark.data
def test_what_the_release_fixed_by_vocabulary_gives_its_totals(tradewind: Tradewind, data_dir: Path) -> None:
    table = pq.read_table(data_dir / "lts_random.parquet")
    rows = table.filter(pc.equal(table.column("backbone"), "transformer-xl"))
    pq.write_table(rows, "in.parquet")
    words = ("costs", "--space", "transformer-xl", "--archs", "in.parquet", "--out", "out.parquet", "--json")
    said = tradewind(*words)
    assert pq.read_table("out.parquet").column("params").to_pylist() == rows["published_total_params"].to_pylist()
    assert [note.partition(":")[0] for note in said.json["notes"]] == ["vocab_size 793470"]
    assert "cutoffs [59997, 99997, 639997], context 32, mem_len 32, tie_projs False" in said.err
    said = tradewind(*words, "--set", "tie_projs=true", "--set", "context=64")
    assert "context" not in said.json["notes"][0]


def test_columns_without_effect_are_named(tradewind: Tradewind) -> None:
    row = {"n_head": [2], "d_inner": [256], "d_model": 128, "d_embed": 64, "div_val": 4, "colour": "blue"}
    pq.write_table(pa.Table.from_pylist([row]), "in.parquet")
    said = tradewind("costs", "--archs", "in.parquet", "--out", "out.parquet", "--json")
    assert said.json["unread"] == ["d_embed", "div_val", "colour"]
    assert "columns not read: d_embed, div_val, colour" in said.err
    assert "totals are for one plain embedding tied to the output" in said.err
    assert pq.read_table("out.parquet").column("params").to_pylist() == [
        costs.params(GPT2(d_model=128, n_head=(2,), d_inner=(256,)))
    ]
    tradewind("spaces", "sample", "gpt2", "-n", 2, "--out", "own.parquet")
    said = tradewind("costs", "--archs", "own.parquet", "--out", "out.parquet")
    assert said.err == f"2 architectures, {len(costs.quantities())} costs each, written to out.parquet\n"


@pytest.mark.data
@pytest.mark.parametrize("scale", ["s", "m", "l"])
def test_the_benchmarks_tables_too(tradewind: Tradewind, data_dir: Path, scale: str) -> None:
    columns = ["embed_dim", "n_layer", "n_head", "mlp_ratio", "bias", "params"]
    rows = pq.read_table(data_dir / f"hwgpt_{scale}.parquet", columns=columns).slice(0, 500)
    pq.write_table(rows, "in.parquet")
    words = ("costs", "--space", f"hwgpt-{scale}", "--archs", "in.parquet", "--out", "out.parquet")
    assert tradewind(*words).status == 0
    assert pq.read_table("out.parquet").column("params").to_pylist() == rows.column("params").to_pylist()


def test_a_table_of_another_family_is_refused(tradewind: Tradewind) -> None:
    tradewind("spaces", "sample", "hwgpt-s", "-n", 3, "--out", "a.parquet")
    said = tradewind("costs", "--space", "gpt2", "--archs", "a.parquet", "--out", "c.parquet")
    assert (said.status, "rows of hwgpt" in said.err) == (2, True)
    said = tradewind("costs", "--space", "gpt2", "--archs", "a.parquet")
    assert (said.status, "--archs needs --out" in said.err) == (2, True)

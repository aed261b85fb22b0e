from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from tests.cli.conftest import Tradewind

from tradewind import spaces
from tradewind.core import Architecture


def test_the_list_holds_every_space_with_its_exact_size(tradewind: Tradewind) -> None:
    rows = {row["name"]: row for row in tradewind("spaces", "--json").json}
    assert set(rows) == set(spaces.names())
    assert all(rows[name]["size"] == spaces.get(name).size() for name in rows)
    text = tradewind("spaces").out
    assert "gpt2" in text
    assert "1.87e34" in text


def test_describe_follows_the_narrowing(tradewind: Tradewind) -> None:
    facts = tradewind("spaces", "describe", "gpt2", "--set", "n_layer=2..4", "--set", "d_model=128", "--json").json
    assert facts["size"] == spaces.get("gpt2", n_layer="2..4", d_model=128).size()
    assert "d_model" in tradewind("spaces", "describe", "gpt2").out


def test_samples_are_architectures_and_depend_on_the_seed_only(tradewind: Tradewind) -> None:
    words = ("spaces", "sample", "transformer-xl", "-n", 3, "--seed", 5)
    rows = tradewind(*words, "--json").json
    archs = [Architecture.from_dict(row) for row in rows]
    assert [arch.id for arch in archs] == [row["id"] for row in rows]
    assert archs == list(spaces.get("transformer-xl").sample_many(3, 5))
    assert [json.loads(line) for line in tradewind(*words).out.splitlines()] == [arch.to_dict() for arch in archs]


def test_samples_go_to_files(tradewind: Tradewind) -> None:
    assert tradewind("spaces", "sample", "hwgpt-s", "-n", 4, "--out", "a.parquet").status == 0
    assert pq.read_table("a.parquet").num_rows == 4
    said = tradewind("spaces", "sample", "gpt2", "--out", "a.json")
    assert (said.status, said.err) == (0, "1 architecture written to a.json\n")
    with open("a.json") as file:
        assert Architecture.from_dict(json.load(file)) == spaces.get("gpt2").sample(0)
    said = tradewind("spaces", "sample", "gpt2", "--out", "a.txt")
    assert (said.status, "must end in .parquet or .json" in said.err) == (2, True)


@pytest.mark.parametrize("name", spaces.names())
def test_every_space_can_be_described_and_sampled(tradewind: Tradewind, name: str) -> None:
    assert tradewind("spaces", "describe", name).status == 0
    assert tradewind("spaces", "sample", name).status == 0

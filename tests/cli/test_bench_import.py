"""`tradewind bench import` stores what it was given and says what it found."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import typer
from tests.benchmarks.released import released_stats
from typer.testing import CliRunner

from tradewind.benchmarks.measured import MeasuredTable
from tradewind.cli.bench_import import import_
from tradewind.core import FileFormatError

app = typer.Typer()
app.command()(import_)


def test_a_released_pickle_becomes_a_table(tmp_path: Path) -> None:
    source = tmp_path / "stats.pkl"
    source.write_bytes(pickle.dumps(released_stats(n=2), 4))
    done = CliRunner().invoke(app, [str(source), "--out", str(tmp_path / "data"), "--json"])
    assert done.exit_code == 0
    facts = json.loads(done.stdout)
    assert (facts["scale"], facts["architectures"]) == ("s", 2)
    assert len(MeasuredTable.load("s", tmp_path / "data")) == 2


def test_notes_are_printed(tmp_path: Path) -> None:
    source = tmp_path / "stats.pkl"
    source.write_bytes(pickle.dumps(released_stats(n=2), 4))
    done = CliRunner().invoke(app, [str(source), "--out", str(tmp_path)])
    assert done.exit_code == 0
    assert "2 architectures of scale s" in " ".join(done.stdout.split())
    assert "note: params of 2 rows are not those" in " ".join(done.stdout.split())


def test_a_refusal_is_one_sentence(tmp_path: Path) -> None:
    source = tmp_path / "stats.pkl"
    source.write_bytes(pickle.dumps(print, 4))
    done = CliRunner().invoke(app, [str(source), "--out", str(tmp_path)])
    assert isinstance(done.exception, FileFormatError)
    assert "builtins.print" in str(done.exception)

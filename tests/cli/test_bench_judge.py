"""`tradewind bench judge` prints what the tables say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tradewind.cli.bench_judge import judge
from tradewind.core import UsageError

app = typer.Typer()
app.command()(judge)


@pytest.mark.data
def test_json_holds_every_metric_of_each_proxy(data_dir: Path) -> None:
    arguments = ["lts-xl-wt103", "--proxy", "decoder_params", "--proxy", "quality", "--resamples", "5", "--json"]
    done = CliRunner().invoke(app, [*arguments, "--data", str(data_dir)])
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert found["architectures"] == 153
    assert found["proxies"]["decoder_params"]["spearman"]["value"] == pytest.approx(0.9767, abs=6e-5)
    assert found["proxies"]["decoder_params"]["common_ratio@10%"]["value"] == pytest.approx(0.6)
    assert found["proxies"]["quality"]["spearman"]["value"] > 0.985


@pytest.mark.data
def test_table_names_the_proxies_and_the_rows(data_dir: Path) -> None:
    done = CliRunner().invoke(app, ["lts-pareto-xl-arm", "--resamples", "5", "--data", str(data_dir)])
    assert done.exit_code == 0
    assert "39 trained architectures" in done.stdout
    assert "quality" in done.stdout
    assert "0.9916" in done.stdout


def test_a_wrong_name_is_refused_in_words(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["lts-xl-wt104", "--data", str(tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert "did you mean 'lts-xl-wt103'" in str(done.exception)

"""The scripts that show the closed forms' speed and the proxies' correlations run and hold what they claim."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import PATIENCE

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


def run(script: str, *arguments: str) -> Any:
    command = [sys.executable, str(SCRIPTS / script), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.data
def test_published_rank_correlations_are_reproduced_to_the_printed_digit(data_dir: Path) -> None:
    found = run("proxy_correlation.py", "--data", str(data_dir))
    assert found["differing"] == []
    assert sum(len(cells) for cells in found["published"].values()) == 92
    assert found["figures"]["gpt2 lm1b"]["as filed"] > found["figures"]["gpt2 lm1b"]["decoder"]


def test_correlations_without_the_tables_say_what_to_give(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPTS / "proxy_correlation.py")]
    rest = {key: value for key, value in os.environ.items() if key != "TRADEWIND_DATA"}
    done = subprocess.run(
        command, env=rest | {"XDG_DATA_HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no lts_random.parquet in" in done.stderr
    assert "--data DIR, or the environment variable TRADEWIND_DATA" in done.stderr
    assert "Traceback" not in done.stderr


def test_speed_of_closed_forms_is_shown_beside_building_the_module() -> None:
    pytest.importorskip("torch")
    found = run("closed_forms.py", "--architectures", "2000")
    assert set(found["quantities"]) >= {"decoder_params", "flops", "activation_mb"}
    figures = [*found["ratios"].values(), *(figure for row in found["quantities"].values() for figure in row.values())]
    assert all(figure > 0 for figure in figures)

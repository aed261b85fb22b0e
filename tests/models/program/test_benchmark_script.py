from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "program_blocks.py"


def test_the_script_reports_every_block() -> None:
    size = ["--d-model", "64", "--seq-len", "16", "--batch", "1", "--rounds", "2", "--json"]
    done = subprocess.run([sys.executable, str(SCRIPT), *size], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    programs = {"hand-written", "seed", "faithful", "mdha", "primer-ez"}
    parts = {"block vanilla", "block mdha", "block primer-ez", "attention", "attention mdha"}
    assert set(found["step_ms"]) == programs | parts
    assert len(found["ratios"]) == 8
    for median, low, high in found["ratios"].values():
        assert 0 < low <= median <= high

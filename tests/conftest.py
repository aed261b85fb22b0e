"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("ci")

# A shell that starts the tests in the background, or nohup, hands down ignored signals; tests send them.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

DATA = Path(os.environ.get("TRADEWIND_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of published measurements; the test is skipped where it is absent."""
    if not (DATA / "lts_random.parquet").is_file():
        pytest.skip(f"no published measurements in {DATA}; set TRADEWIND_DATA to the folder that holds them")
    return DATA.resolve()

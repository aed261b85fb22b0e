"""Comparisons run the real algorithms, unlike the tests of the loop."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def drawing() -> None:
    """Takes the place of the fixture above, which puts a toy in the place of every algorithm."""

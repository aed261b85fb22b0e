"""Every test of this room may search with the simple algorithm, under the name `drawing`."""

from __future__ import annotations

from typing import Any

import pytest
from tests.studies.fakes import Drawing

from tradewind import search


@pytest.fixture(autouse=True)
def drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = search.create

    def create(name: str, problem: Any, **settings: Any) -> Any:
        return Drawing(problem) if name == "drawing" else real(name, problem, **settings)

    monkeypatch.setattr(search, "create", create)

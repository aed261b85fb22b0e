"""A small folder of real text and its tokens, made once."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tradewind.training import TokenData, prepare

SOURCES = [Path(ast.__file__), Path(json.__file__), Path(json.decoder.__file__), Path(json.encoder.__file__)]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four modules of the standard library as text files, about 90 kB."""
    folder = tmp_path_factory.mktemp("corpus")
    for number, source in enumerate(SOURCES):
        (folder / f"{number}.txt").write_bytes(source.read_bytes())
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def text(corpus: Path, cache: Path) -> TokenData:
    """The corpus as bytes."""
    return prepare(str(corpus), cache=cache)

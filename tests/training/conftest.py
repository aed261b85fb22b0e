"""A small folder of real text and its tokens, made once."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tradewind.core import GPT2, HWGPT, Architecture, TransformerXL
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


@pytest.fixture(scope="session")
def archs() -> dict[str, Architecture]:
    """A small architecture of every backbone for tokens that are bytes."""
    xl = {"d_model": 16, "n_head": (2, 4), "d_inner": (24, 40), "vocab_size": 256, "context": 12, "mem_len": 12}
    return {
        "gpt2": GPT2(d_model=24, n_head=(2, 4), d_inner=(40, 56), vocab_size=256, context=32),
        "hwgpt-profiled": HWGPT(d_model=32, n_head=(1, 2), mlp_ratio=(2, 3), bias=True, vocab_size=256),
        "hwgpt-intended": HWGPT(d_model=32, n_head=(2, 1), mlp_ratio=(2, 3), network="intended", vocab_size=256),
        "transformer-xl": TransformerXL(**xl, cutoffs=(10, 30, 60), div_val=2),
        "transformer-xl-plain": TransformerXL(**xl, cutoffs=()),
    }


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch's operations on one thread, until the test asks for more; as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

"""The benchmarks by name."""

from __future__ import annotations

import os

from tradewind.benchmarks import hwgpt, lts
from tradewind.core import unknown


def names() -> tuple[str, ...]:
    """Every benchmark.

    >>> {"hwgpt-s", "lts-gpt2-wt103"} <= set(names())
    True
    """
    return (*hwgpt.names(), *lts.names())


def get(name: str, data: str | os.PathLike[str] | None = None) -> hwgpt.HWGPTBenchmark | lts.RankingTable:
    """The benchmark of a name; `data` is the folder of the user's copy of published tables, by default TRADEWIND_DATA.

    The ``hwgpt-*`` benchmarks come whole and need none to predict. Raises `UsageError` for an unknown name, and for the
    ``lts-*`` studies where the tables are not there.
    """
    if name in lts.names():
        return lts.load(name, data)
    if name.startswith("hwgpt-"):
        return hwgpt.load(name, data=data)
    raise unknown("benchmark", name, names())

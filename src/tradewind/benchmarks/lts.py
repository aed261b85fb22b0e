"""LiteTransformerSearch's trained architectures as benchmarks of proxies: who ranks them as their perplexities do.

Source: the tabular results released with LiteTransformerSearch (Javaheripi et al. 2022, arXiv 2203.02094), read from
the user's copy: `lts_random.parquet` (five random studies) and `lts_pareto.parquet` (Pareto sets on LM1B, two devices).
Rows without a perplexity are left out. GPT-2 rows carry an adaptive embedding (`d_embed`, `div_val`) that our GPT-2
family does not have: it is kept beside the architectures. Perplexities of different tables are never compared (a word
against a byte pair, one data set against another).
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tradewind import costs
from tradewind.benchmarks import judging
from tradewind.benchmarks.data import published_file
from tradewind.core import ArchitectureBatch, FileFormatError, unknown
from tradewind.core.files import read_parquet
from tradewind.costs.quality import index
from tradewind.spaces.transformer_xl import LM1B, RELEASED

if TYPE_CHECKING:
    import pyarrow as pa

_STUDIES = {
    "lts-gpt2-wt103": {"backbone": "gpt2", "dataset": "wikitext-103", "study": "random"},
    "lts-gpt2-lm1b": {"backbone": "gpt2", "dataset": "lm1b", "study": "random"},
    "lts-xl-wt103": {"backbone": "transformer-xl", "dataset": "wikitext-103", "study": "random"},
    "lts-xl-lm1b": {"backbone": "transformer-xl", "dataset": "lm1b", "study": "random"},
    "lts-xl-wt103-homogeneous": {"backbone": "transformer-xl", "dataset": "wikitext-103", "study": "homogeneous"},
    "lts-pareto-gpt2-arm": {"backbone": "gpt2", "device": "arm"},
    "lts-pareto-gpt2-titanxp": {"backbone": "gpt2", "device": "titanxp"},
    "lts-pareto-xl-arm": {"backbone": "transformer-xl", "device": "arm"},
    "lts-pareto-xl-titanxp": {"backbone": "transformer-xl", "device": "titanxp"},
}
_XL_CONSTANTS: dict[int, dict[str, Any]] = RELEASED | {267735: {"cutoffs": (59997, 99997), **LM1B}}
"""What the tables leave out, by vocabulary; the Pareto sets on LM1B carry WikiText-103's vocabulary by mistake."""


@dataclasses.dataclass(frozen=True, eq=False)
class RankingTable:
    """Trained architectures of one study. Arrays have shape (N,), in the order of the released table."""

    name: str
    arch_ids: tuple[str, ...]
    architectures: ArchitectureBatch
    perplexity: np.ndarray
    d_embed: np.ndarray
    div_val: np.ndarray
    total_params: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """Minus the log of the validation perplexity: more is better."""
        return -np.log(self.perplexity)

    def scores(self, proxy: str) -> np.ndarray:
        """What a proxy of `PROXIES` says about each row, more is better; raises `UsageError` for an unknown name."""
        if proxy not in PROXIES:
            raise unknown("proxy", proxy, PROXIES)
        return np.asarray(PROXIES[proxy](self), dtype=np.float64)

    def judge(self, scores: str | ArrayLike, *, seed: int = 0, resamples: int = 1000) -> dict[str, judging.Estimate]:
        """Every metric of a named proxy, or of scores of shape (N,), with 95% intervals; see `judging.judge`."""
        return judging.judge(self.truth, self._resolved(scores), seed=seed, resamples=resamples)

    def compare(
        self,
        scores: str | ArrayLike,
        baseline: str | ArrayLike = "decoder_params",
        *,
        seed: int = 0,
        resamples: int = 1000,
    ) -> dict[str, judging.Estimate]:
        """Every metric's gain over a baseline, paired; see `judging.compare`."""
        pair = self._resolved(scores), self._resolved(baseline)
        return judging.compare(self.truth, *pair, seed=seed, resamples=resamples)

    def _resolved(self, scores: str | ArrayLike) -> np.ndarray:
        return self.scores(scores) if isinstance(scores, str) else np.asarray(scores, dtype=np.float64)


def _quality(table: RankingTable) -> np.ndarray:
    parts = costs.components(table.architectures)
    return index(parts["attention"], parts["ffn"], table.architectures.d_model, table.d_embed)


PROXIES: dict[str, Callable[[RankingTable], np.ndarray]] = {
    "decoder_params": lambda table: costs.decoder_params(table.architectures),
    "quality": _quality,
    "total_params": lambda table: table.total_params,
    "attention_params": lambda table: np.asarray(costs.components(table.architectures)["attention"]),
    "d_model": lambda table: table.architectures.d_model,
    "n_layer": lambda table: table.architectures.n_layer,
}
"""Training-free proxies by name. `quality` sees the rows' own d_embed, `total_params` is the released count."""


def names() -> tuple[str, ...]:
    """The studies, e.g. ``lts-gpt2-wt103``."""
    return tuple(_STUDIES)


def load(name: str, data: str | os.PathLike[str] | None = None) -> RankingTable:
    """One study from the user's copy: `data` is the folder, or the file, by default what TRADEWIND_DATA names.

    Raises `UsageError` for an unknown study or a missing file, `FileFormatError` for a table that is not the released
    one.
    """
    if name not in _STUDIES:
        raise unknown("study", name, _STUDIES)
    wanted = _STUDIES[name]
    path = published_file("lts_pareto.parquet" if "device" in wanted else "lts_random.parquet", data)
    return _table(name, _selected(read_parquet(path, max_rows=100_000), wanted, str(path)))


def _selected(table: pa.Table, wanted: dict[str, str], origin: str) -> pa.Table:
    import pyarrow.compute as pc

    needed = ("arch_id", "n_head", "d_inner", "d_model", "d_embed", "div_val", "vocab_size", "published_total_params")
    for column in (*wanted, *needed, "valid_ppl"):
        if column not in table.column_names:
            raise FileFormatError(
                f"{origin} has no column {column!r}; it is not the released table (columns: "
                f"{', '.join(table.column_names)})"
            )
    keep = pc.is_valid(table["valid_ppl"])
    for column, value in wanted.items():
        keep = pc.and_(keep, pc.equal(table[column], value))
    found = table.filter(keep)
    if not found.num_rows:
        raise FileFormatError(f"{origin} has no rows with {wanted}; is it the other released table?")
    return found


def _table(name: str, rows: pa.Table) -> RankingTable:
    column: Callable[[str], np.ndarray] = functools.partial(_numbers, rows)
    family = _STUDIES[name]["backbone"]
    constants = {}
    if family == "transformer-xl":
        vocab = int(column("vocab_size")[0])
        if vocab not in _XL_CONSTANTS:
            raise FileFormatError(f"{name}: no released vocabulary has {vocab:,} words (known: {list(_XL_CONSTANTS)})")
        constants = _XL_CONSTANTS[vocab]
    return RankingTable(
        name=name,
        arch_ids=tuple(rows["arch_id"].to_pylist()),
        architectures=ArchitectureBatch.from_arrow(rows, family, **constants),
        perplexity=column("valid_ppl"),
        d_embed=column("d_embed"),
        div_val=column("div_val"),
        total_params=column("published_total_params"),
    )


def _numbers(rows: pa.Table, column: str) -> np.ndarray:
    return np.asarray(rows[column].to_numpy())

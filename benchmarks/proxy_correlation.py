"""How well training-free proxies rank trained networks: the tables of LiteTransformerSearch's released results.

Source: Javaheripi et al. 2022, arXiv 2203.02094: decoder parameters as a proxy of perplexity, and its released
perplexities of GPT-2 and Transformer-XL networks (microsoft/archai, MIT). Networks without a published perplexity are
left out. The figures beside ours were computed from the same rows by another program and other libraries; a cell that
differs in a printed digit is marked and makes the exit status 1.

    python benchmarks/proxy_correlation.py [--data DIR] [--json]

Columns: Spearman's correlation of each proxy with minus the perplexity, Kendall's of the decoder parameters; then, at
the top, the common ratio (CR) of decoder and of total parameters and Spearman's correlation of decoder parameters among
the best networks by perplexity.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tradewind import costs
from tradewind.benchmarks.data import published_file
from tradewind.core import ArchitectureBatch, UsageError
from tradewind.core.files import read_parquet
from tradewind.core.ranking import common_ratio, fraction_to_k, kendall, spearman, top_k_spearman

SETS = {
    "gpt2 wt103": ("lts_random", {"backbone": "gpt2", "dataset": "wikitext-103"}),
    "gpt2 lm1b": ("lts_random", {"backbone": "gpt2", "dataset": "lm1b"}),
    "xl wt103": ("lts_random", {"backbone": "transformer-xl", "dataset": "wikitext-103", "study": "random"}),
    "xl lm1b": ("lts_random", {"backbone": "transformer-xl", "dataset": "lm1b"}),
    "xl wt103 homogeneous": ("lts_random", {"backbone": "transformer-xl", "study": "homogeneous"}),
    "Pareto gpt2 arm": ("lts_pareto", {"backbone": "gpt2", "device": "arm"}),
    "Pareto gpt2 titanxp": ("lts_pareto", {"backbone": "gpt2", "device": "titanxp"}),
    "Pareto xl arm": ("lts_pareto", {"backbone": "transformer-xl", "device": "arm"}),
    "Pareto xl titanxp": ("lts_pareto", {"backbone": "transformer-xl", "device": "titanxp"}),
}

RANKINGS = ("rows", "decoder", "as filed", "total", "attention", "L·d²", "d_model", "n_layer", "Kendall decoder")
TOPS = tuple(f"{kind} top {share:.0%}" for share in (0.1, 0.2, 0.5) for kind in ("CR decoder", "CR total", "decoder"))

# "As filed" uses the released count of non-embedding parameters, which on gpt2 lm1b is Transformer-XL's by mistake.
PUBLISHED = {
    "gpt2 wt103": "150 0.9666 - 0.7285 0.9776 0.9769 0.9010 0.4771 0.8481",
    "gpt2 lm1b": "158 0.9816 0.9831 0.9441 0.9779 0.9762 0.8239 0.3795 0.9020",
    "xl wt103": "153 0.9767 - 0.2093 0.9736 0.9736 0.9525 0.2685 0.8679",
    "xl lm1b": "142 0.9988 - 0.9988 0.9936 0.9936 0.9667 0.3134 0.9764",
    "xl wt103 homogeneous": "71 0.9494 - 0.2645 0.9384 0.9384 0.9378 0.2829 0.8133",
    "Pareto gpt2 arm": "45 0.9947 - 0.9794 - - - - 0.9469",
    "Pareto gpt2 titanxp": "38 0.9923 - 0.9716 - - - - 0.9459",
    "Pareto xl arm": "39 0.9916 - 0.9894 - - - - 0.9372",
    "Pareto xl titanxp": "40 0.9856 - 0.9771 - - - - 0.9077",
}
PUBLISHED_TOP = {
    "gpt2 wt103": "0.600 0.733 0.714 0.900 - 0.469 0.933 - 0.931",
    "gpt2 lm1b": "0.875 0.875 0.938 0.969 - 0.982 0.987 - 0.988",
    "xl wt103": "0.600 0.067 0.725 0.839 - 0.597 0.961 - 0.878",
    "xl lm1b": "0.857 0.857 0.921 1.000 - 0.955 1.000 - 0.996",
    "xl wt103 homogeneous": "0.714 0.286 0.607 0.786 - 0.820 0.889 - 0.919",
}


def correlations(data: Path | None, name: str) -> dict[str, float]:
    """Every figure of one set."""
    table, where = SETS[name]
    rows = read_parquet(published_file(f"{table}.parquet", data))
    keep = np.isfinite(np.array(rows.column("valid_ppl").to_pylist(), dtype=float))
    for column, value in where.items():
        keep &= np.array(rows.column(column).to_pylist()) == value
    rows = rows.filter(keep)
    # Only what the decoder needs: vocabularies and cutoffs of the tables play no part in it.
    shape = rows.select(["n_head", "d_inner", "d_model"])
    archs = ArchitectureBatch.from_arrow(shape, where["backbone"])
    truth = -rows.column("valid_ppl").to_numpy()
    decoder = costs.decoder_params(archs)
    total = rows.column("published_total_params").to_numpy()
    proxies = {
        "decoder": decoder,
        "as filed": rows.column("published_nonembedding_params").to_numpy(),
        "total": total,
        "attention": costs.components(archs)["attention"],
        "L·d²": archs.n_layer * archs.d_model**2,
        "d_model": archs.d_model,
        "n_layer": archs.n_layer,
    }
    found = {"rows": float(len(archs))} | {key: spearman(truth, score) for key, score in proxies.items()}
    found["Kendall decoder"] = kendall(truth, decoder)
    for share in (0.1, 0.2, 0.5):
        k = fraction_to_k(share, len(archs))
        found[f"CR decoder top {share:.0%}"] = common_ratio(truth, decoder, k)
        found[f"CR total top {share:.0%}"] = common_ratio(truth, total, k)
        found[f"decoder top {share:.0%}"] = top_k_spearman(truth, decoder, k)
    return found


def expected(name: str) -> dict[str, str]:
    """The published figures of one set, as printed."""
    cells = dict(zip(RANKINGS, PUBLISHED[name].split(), strict=True))
    if name in PUBLISHED_TOP:
        cells |= dict(zip(TOPS, PUBLISHED_TOP[name].split(), strict=True))
    return {key: text for key, text in cells.items() if text != "-"}


def as_printed(value: float, text: str) -> str:
    """The value with as many decimals as the text."""
    return f"{value:.{len(text.partition('.')[2])}f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the released tables (default: TRADEWIND_DATA)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    arguments = parser.parse_args()

    try:
        ours = {name: correlations(arguments.data, name) for name in SETS}
    except UsageError as error:
        parser.error(str(error))
    theirs = {name: expected(name) for name in SETS}
    differing = [
        {"set": name, "figure": key, "ours": ours[name][key], "published": float(text)}
        for name in SETS
        for key, text in theirs[name].items()
        if as_printed(ours[name][key], text) != text
    ]
    if arguments.json:
        print(json.dumps({"figures": ours, "published": theirs, "differing": differing}, indent=2, ensure_ascii=False))
        return 1 if differing else 0

    console = Console(width=max(150, Console().width))
    tables = {"Rank correlation with quality": (RANKINGS, SETS), "Agreement at the top": (TOPS, PUBLISHED_TOP)}
    for title, (columns, names) in tables.items():
        console.print(_table(title, columns, names, ours, theirs))
    compared = sum(map(len, theirs.values()))
    console.print(f"{compared - len(differing)} of {compared} published figures reproduced to the printed digit")
    return 1 if differing else 0


def _table(
    title: str,
    columns: tuple[str, ...],
    names: Any,
    ours: dict[str, dict[str, float]],
    theirs: dict[str, dict[str, str]],
) -> Table:
    table = Table(title=f"{title}: ours, and (published)")
    table.add_column("set")
    for column in columns:
        table.add_column(column, justify="right")
    for name in names:
        cells = []
        for column in columns:
            text = theirs[name].get(column)
            shown = as_printed(ours[name][column], text or ("0" if column == "rows" else "0.0000"))
            mark = "" if text is None else f" ({text})" if shown == text else f" [bold red]({text})[/]"
            cells.append(shown + mark)
        table.add_row(name, *cells)
    return table


if __name__ == "__main__":
    sys.exit(main())

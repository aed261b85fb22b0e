"""Validates the closed-form quality proxy (`tradewind.costs.quality`) against decoder parameters, table by table.

    python benchmarks/quality_proxy.py --data DIR [--json]

DIR holds the published tables (lts_random.parquet, lts_pareto.parquet, hwgpt_{s,m,l}.parquet). Four parts:

shipped    the shipped formula on every table, its two exponents rounded to ½ after all tables were seen
left_out   the same formula with both exponents fitted on the other groups of tables (a group is a backbone on a data
           set, so that no table is predicted with the help of one like it), by maximum rank correlation (Han 1987): the
           mean Kendall tau over tables, which no monotone change of a table's perplexities can alter
search     what is left when a machine chooses freely among 150 log-linear forms by the same rule, one level inside
external   HW-GPT's perplexities (weights inherited from a supernet), on which nothing was chosen or fitted

Every gain is against decoder parameters with a paired 95% bootstrap interval over architectures.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tradewind import costs
from tradewind.benchmarks import judging, lts
from tradewind.core import ArchitectureBatch
from tradewind.core.files import read_parquet
from tradewind.core.ranking import kendall
from tradewind.core.seeds import generator
from tradewind.costs.quality import index

GRID = np.round(np.arange(0, 1.01, 0.05), 2)
SHOWN = ("spearman", "kendall", "common_ratio@10%", "common_ratio@20%")
GROUPS = {
    name: ("gpt2" if "gpt2" in name else "xl") + ("-wt103" if "wt103" in name else "-lm1b") for name in lts.names()
}


class Table:
    """The logarithms that the forms are built from, each of shape (N,)."""

    def __init__(self, name: str, data: str | None) -> None:
        source = lts.load(name, data)
        archs, parts = source.architectures, costs.components(source.architectures)
        self.name, self.group, self.truth = name, GROUPS[name], source.truth
        self.decoder = np.log(source.scores("decoder_params"))
        self.attention, self.ffn = np.log(parts["attention"]), np.log(parts["ffn"])
        self.depth, self.width = np.log(archs.n_layer), np.log(archs.d_model)
        self.inner = np.log(archs.layer_sum("d_inner"))
        self.embed, self.tail = np.log(source.d_embed), np.log(source.div_val)

    def narrow(self) -> np.ndarray:
        return np.minimum(0, self.embed - self.width)

    def score(self, share: float, bottleneck: float) -> np.ndarray:
        return share * self.attention + (1 - share) * self.ffn + bottleneck * self.narrow()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the published tables (default: TRADEWIND_DATA)")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    parser.add_argument("--resamples", type=int, default=2000, help="bootstrap resamples an interval")
    options = parser.parse_args()
    tables = [Table(name, options.data) for name in lts.names()]
    left_out, fits = leave_group_out(tables)
    result = {
        "resamples": options.resamples,
        "estimates": estimates(tables),
        "fits_without_group": fits,
        "shipped": gains(tables, {t.name: t.score(0.5, 0.5) for t in tables}, options.resamples),
        "left_out": gains(tables, left_out, options.resamples),
        "search": search(tables, options.resamples),
        "external": external(options.data, options.resamples),
    }
    print(json.dumps(result, indent=2) if options.json else report(result))


def gains(tables: list[Table], scores: Mapping[str, np.ndarray], resamples: int) -> dict[str, Any]:
    """Gain over decoder parameters of each table, and the mean over tables with its own interval."""
    found = {
        t.name: {
            k: v.to_dict()
            for k, v in judging.compare(t.truth, scores[t.name], t.decoder, resamples=resamples).items()
            if k in SHOWN
        }
        for t in tables
    }
    rng = generator(0, "mean gain")
    draws = []
    for _ in range(resamples // 4):
        rows = [rng.integers(len(t.truth), size=len(t.truth)) for t in tables]
        cases = [(t.truth[r], scores[t.name][r], t.decoder[r]) for t, r in zip(tables, rows, strict=True)]
        draws.append([np.nanmean([_gain(name, *case) for case in cases]) for name in SHOWN])
    mean = {}
    for name, (low, high) in zip(SHOWN, np.quantile(draws, [0.025, 0.975], axis=0).T, strict=True):
        value = float(np.mean([found[t.name][name]["value"] for t in tables]))
        mean[name] = {"value": value, "low": float(low), "high": float(high)}
    return {**found, "mean over tables": mean}


def _gain(name: str, truth: np.ndarray, score: np.ndarray, baseline: np.ndarray) -> float:
    metric = judging.metrics(len(truth))[name]
    return metric(truth, score) - metric(truth, baseline)


def leave_group_out(tables: list[Table]) -> tuple[dict[str, np.ndarray], dict[str, dict[str, float]]]:
    """Scores of each table under the exponents fitted on the other groups, and those exponents."""
    taus = {t.name: _surface(t.truth, t) for t in tables}
    scores, fits = {}, {}
    for group in sorted(set(GROUPS.values())):
        share, bottleneck = _best(taus[t.name] for t in tables if t.group != group)
        fits[group] = {"share": share, "bottleneck": bottleneck}
        scores |= {t.name: t.score(share, bottleneck) for t in tables if t.group == group}
    return scores, fits


def estimates(tables: list[Table], resamples: int = 60) -> dict[str, dict[str, float]]:
    """The exponents fitted on all tables with bootstrap standard errors, and the slope in nats of each table."""
    share, bottleneck = _best(_surface(t.truth, t) for t in tables)
    rng = generator(0, "estimates")
    draws = []
    for _ in range(resamples):
        rows = [rng.integers(len(t.truth), size=len(t.truth)) for t in tables]
        draws.append(_best(_surface(t.truth, t, r, step=2) for t, r in zip(tables, rows, strict=True)))
    errors = np.std(draws, axis=0)
    slopes = {}
    for t in tables:
        x = index(np.exp(t.attention), np.exp(t.ffn), np.exp(t.width), np.exp(t.embed))
        x, y = x - x.mean(), t.truth - t.truth.mean()
        slopes[t.name] = float(x @ y / (x @ x))
    values = np.array(list(slopes.values()))
    return {
        "share": {"value": share, "standard error": float(errors[0])},
        "bottleneck": {"value": bottleneck, "standard error": float(errors[1])},
        "nats": {
            "value": float(values.mean()),
            "standard error": float(values.std(ddof=1) / math.sqrt(len(values))),
            **slopes,
        },
    }


def _surface(truth: np.ndarray, table: Table, rows: np.ndarray | None = None, step: int = 1) -> np.ndarray:
    """Kendall's tau of the formula at each pair of exponents of the grid, shape (shares, bottlenecks)."""
    rows = np.arange(len(truth)) if rows is None else rows
    grid = GRID[::step]
    return np.array([[kendall(truth[rows], table.score(a, b)[rows]) for b in grid] for a in grid])


def _best(surfaces: Iterable[np.ndarray]) -> tuple[float, float]:
    mean = np.mean(list(surfaces), axis=0)
    grid = GRID[:: (len(GRID) - 1) // (len(mean) - 1)]
    share, bottleneck = np.unravel_index(int(mean.argmax()), mean.shape)
    return float(grid[share]), float(grid[bottleneck])


def forms() -> dict[str, Any]:
    """150 log-linear forms: size x embedding x shape x tail of the vocabulary, as functions of a table to columns."""
    size = {
        "N": lambda t: [t.decoder],
        "A, F": lambda t: [t.attention, t.ffn],
        "A": lambda t: [t.attention],
    }
    embedding = {
        "": lambda t: [],
        "min(0, log e/d)": lambda t: [t.narrow()],
        "-log(1 + d/e)": lambda t: [-np.logaddexp(0, t.width - t.embed)],
        "-log(1 + (d/e)^2)": lambda t: [-np.logaddexp(0, 2 * (t.width - t.embed))],
        "log e/d": lambda t: [t.embed - t.width],
    }
    shape = {
        "": lambda t: [],
        "d": lambda t: [t.width],
        "L": lambda t: [t.depth],
        "d/L and its square": lambda t: [t.width - t.depth, (t.width - t.depth) ** 2],
        "f/d and its square": lambda t: [t.inner - t.depth - t.width, (t.inner - t.depth - t.width) ** 2],
    }
    tail = {"": lambda t: [], "div_val": lambda t: [t.tail]}
    found = {}
    for choice in itertools.product(*(kind.items() for kind in (size, embedding, shape, tail))):
        name = " + ".join(label for label, _ in choice if label)
        found[name] = lambda t, choice=choice: np.stack([column for _, part in choice for column in part(t)], axis=1)
    return found


def search(tables: list[Table], resamples: int) -> dict[str, Any]:
    """Nested: without a group, take the form with the best mean Spearman gain on the other groups, each left out."""
    columns = {name: {t.name: form(t) for t in tables} for name, form in forms().items()}

    def held_out(name: str, group: str, among: list[Table]) -> dict[str, np.ndarray]:
        weights = fit([(columns[name][t.name], t.truth) for t in among if t.group != group])
        return {t.name: columns[name][t.name] @ weights for t in among if t.group == group}

    chosen, scores = {}, {}
    for group in sorted(set(GROUPS.values())):
        inner = [t for t in tables if t.group != group]
        inner_groups = sorted({t.group for t in inner})

        def gain(name: str, inner: list[Table] = inner, inner_groups: list[str] = inner_groups) -> float:
            found: dict[str, np.ndarray] = {}
            for g in inner_groups:
                found |= held_out(name, g, inner)
            return float(np.mean([_gain("spearman", t.truth, found[t.name], t.decoder) for t in inner]))

        chosen[group] = max(columns, key=gain)
        scores |= held_out(chosen[group], group, tables)
    return {"forms": len(columns), "chosen without group": chosen, "gains": gains(tables, scores, resamples)}


def fit(parts: list[tuple[np.ndarray, np.ndarray]], rounds: int = 60) -> np.ndarray:
    """One direction for all tables by alternating least squares; each table has its own intercept and scale."""
    xs = [x - x.mean(0) for x, _ in parts]
    ys = [(y - y.mean()) / y.std() for _, y in parts]
    if xs[0].shape[1] == 1:
        return np.ones(1)
    roots, scales = [math.sqrt(len(y)) for y in ys], np.ones(len(xs))
    weights = np.zeros(xs[0].shape[1])
    for _ in range(rounds):
        stacked = np.concatenate([s * x / r for x, s, r in zip(xs, scales, roots, strict=True)])
        weights = np.linalg.lstsq(stacked, np.concatenate([y / r for y, r in zip(ys, roots, strict=True)]), rcond=None)[
            0
        ]
        lines = [x @ weights for x in xs]
        scales = np.array([line @ y / max(line @ line, 1e-12) for line, y in zip(lines, ys, strict=True)])
        scales /= scales.mean()
    return weights


def external(data: str | None, resamples: int) -> dict[str, Any]:
    """Gain on HW-GPT-Bench's perplexities, of the network that they were measured on."""
    found = {}
    for scale in "sml":
        table = read_parquet(lts.published_file(f"hwgpt_{scale}.parquet", data))
        table = table.select(["embed_dim", "n_head", "mlp_ratio", "bias", "perplexity"]).drop_null()
        archs = ArchitectureBatch.from_arrow(table, "hwgpt", network="intended")
        pair = costs.quality(archs), costs.decoder_params(archs)
        result = judging.compare(-table["perplexity"].to_numpy(), *pair, resamples=resamples // 8)
        found[f"hwgpt-{scale}"] = {k: v.to_dict() for k, v in result.items() if k in SHOWN}
    return found


def report(result: dict[str, Any]) -> str:
    lines = [f"{k}: {v['value']:.3f} ± {v['standard error']:.3f}" for k, v in result["estimates"].items()]
    for part, rows in (
        ("shipped formula", result["shipped"]),
        ("exponents fitted without the table's group", result["left_out"]),
        (f"free choice among {result['search']['forms']} forms, nested", result["search"]["gains"]),
        ("external: HW-GPT", result["external"]),
    ):
        lines += [
            "",
            f"{part}: gain over decoder_params [95% interval]",
            f"{'':26}" + "".join(f"{s:>27}" for s in SHOWN),
        ]
        for table, row in rows.items():
            cells = [f"{c['value']:+.4f} [{c['low']:+.4f}, {c['high']:+.4f}]" for c in (row[s] for s in SHOWN)]
            lines.append(f"{table:26}" + "".join(f"{cell:>27}" for cell in cells))
    lines += ["", f"chosen forms: {result['search']['chosen without group']}", f"fits: {result['fits_without_group']}"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

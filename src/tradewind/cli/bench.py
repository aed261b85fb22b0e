"""`tradewind bench`: benchmarks whose measurements are known or predicted, so that asking costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.bench_compare import compare
from tradewind.cli.bench_import import import_
from tradewind.cli.bench_judge import judge
from tradewind.cli.bench_metrics import with_devices
from tradewind.cli.common import JsonOption, check_ending, complete, note, print_json, print_rows, say
from tradewind.core import UsageError
from tradewind.core.counting import count
from tradewind.core.terminal import console

if TYPE_CHECKING:
    from tradewind.benchmarks.hwgpt import HWGPTBenchmark
    from tradewind.core import Architecture, Measurement

app = typer.Typer(
    help="Ask benchmarks: query, describe, evaluate, fit. "
    "Example: tradewind bench query hwgpt-s --arch a.json --metrics latency_ms@a100,perplexity",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("compare")(compare)
app.command("import")(import_)
app.command("judge")(judge)

MOST_WARNED = 4
"""Metrics in one answer up to which warnings are printed in full."""

NameArgument = Annotated[str, typer.Argument(help="A benchmark: hwgpt-s, hwgpt-m or hwgpt-l.")]
MetricsOption = Annotated[
    str, typer.Option("--metrics", help="Comma-separated, e.g. perplexity,latency_ms@a100; or all.")
]
PredictorsOption = Annotated[
    Path | None, typer.Option("--predictors", help="Folder that `bench fit` wrote (default: those of the package).")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of the published tables (default: TRADEWIND_DATA).")
]


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the benchmarks, and the calibrated devices that answer beside the published ones.

    Example: tradewind bench list
    """
    from tradewind import benchmarks, spaces
    from tradewind.benchmarks import hwgpt
    from tradewind.predictors import calibrated_devices

    rows: list[dict[str, Any]] = []
    for name in benchmarks.names():
        if name in hwgpt.names():
            found = hwgpt.load(name)
            size = spaces.get(name).size()
            what = f"{len(found.metrics())} metrics, {len(found.devices)} devices, {size:.2e} architectures"
        else:
            what = "trained architectures, to judge proxies (your copy)"
        rows.append({"benchmark": name, "what": what})
    own = [device for device in calibrated_devices.known() if calibrated_devices.family(device) == "hwgpt"]
    if as_json:
        print_json([row | {"calibrated_devices": own if row["benchmark"] in hwgpt.names() else []} for row in rows])
        return
    print_rows(rows)
    if own:
        say(f"Calibrated devices, for every hwgpt benchmark: {', '.join(own)}")


@app.command()
def describe(name: NameArgument, predictors: PredictorsOption = None, as_json: JsonOption = False) -> None:
    """Show what a benchmark knows: metrics, units, workloads, bounds, quality on unseen architectures, warnings.

    Example: tradewind bench describe hwgpt-s --json
    """
    from tradewind.benchmarks.hwgpt import load

    facts = load(name, predictors).describe()
    if as_json:
        print_json(facts)
        return
    say(f"{facts['name']}: {facts['space']['summary']}\n{facts['source']}\n{facts['networks']}")
    rows = []
    for metric in facts["metrics"]:
        quality = metric.get("held_out") or {}
        rows.append(
            {
                "metric": metric["metric"],
                "unit": metric["unit"],
                "from": f"{metric['min']:.4g}",
                "to": f"{metric['max']:.4g}",
                "tau": f"{quality['kendall']:.3f}" if quality else "",
                "90%": f"±{quality['half_width']:.1%}" if quality else "exact",
                "note": "weak" if metric.get("warnings") else "",
            }
        )
    print_rows(rows)


@app.command()
def query(
    name: NameArgument,
    arch: Annotated[Path | None, typer.Option("--arch", help="JSON file of one architecture.")] = None,
    archs: Annotated[Path | None, typer.Option("--archs", help="Parquet table, one architecture a row.")] = None,
    metrics: MetricsOption = "all",
    out: Annotated[Path | None, typer.Option("--out", help="Parquet file to write, a column a metric.")] = None,
    predictors: PredictorsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the measurements of one architecture, with their uncertainty, or of a whole table.

    Example: tradewind bench query hwgpt-s --arch a.json --metrics latency_ms@a100,perplexity --json

    Example: tradewind bench query hwgpt-s --archs archs.parquet --metrics all --out predictions.parquet

    A device that you calibrated answers under its name or file: --metrics latency_ms@laptop,perplexity
    """
    from tradewind.benchmarks.hwgpt import load

    if (arch is None) == (archs is None):
        raise UsageError("give either --arch FILE.json for one architecture or --archs FILE.parquet for a table")
    bench, metrics = load(name, predictors), with_devices(metrics)
    if archs is not None:
        if out is None:
            raise UsageError("--archs needs --out FILE.parquet, where the predictions of the table are written")
        check_ending(out, ".parquet")
        _write_predictions(bench, archs, metrics, out, as_json)
        return
    if out is not None:
        raise UsageError("--out belongs to --archs; the answer for one architecture is printed (--json for machines)")
    one = _architecture(arch, bench)  # type: ignore[arg-type]
    answers = {metric: bench.query(one, metric) for metric in bench.wanted(metrics)}
    if as_json:
        print_json({"benchmark": name, "id": one.id, "metrics": {m: a.to_dict() for m, a in answers.items()}})
        return
    print_rows([_row(metric, answer) for metric, answer in answers.items()], f"{name}, architecture {one.id}")
    weak = {metric: answer.details.get("warnings") for metric, answer in answers.items()}
    for metric, warnings in weak.items():
        if warnings and len(answers) <= MOST_WARNED:
            note(f"{metric}: {'; '.join(warnings)}")
    if len(answers) > MOST_WARNED and any(weak.values()):
        note("weak: the data support the metric badly; ask for it alone, or with --json, to read why")


@app.command()
def evaluate(
    name: NameArgument,
    data: DataOption = None,
    metrics: MetricsOption = "all",
    rows: Annotated[
        str, typer.Option("--rows", help="all, or held-out: the fifth that fits may be kept from.")
    ] = "all",
    predictors: PredictorsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare predictions with a table of measurements: rank correlation, errors and coverage of intervals.

    Example: tradewind bench evaluate hwgpt-s --data DIR --json

    For architectures that no fit has seen: tradewind bench fit DIR --keep-held-out --out P, and then
    tradewind bench evaluate hwgpt-s --data DIR --predictors P --rows held-out
    """
    from tradewind.benchmarks.hwgpt import load
    from tradewind.benchmarks.hwgpt.fidelity import evaluate as compare

    table = compare(load(name, predictors, data), metrics, rows)
    if as_json:
        print_json({"benchmark": name, "rows": rows, "metrics": table})
        return
    print_rows(
        [
            {"metric": metric, **{title: show(found) for title, show in _FIDELITY.items()}}
            for metric, found in table.items()
        ],
        f"{name}: predictions against measured medians, {rows} rows. tau: Kendall; job: times the profiling job's "
        "level, known from other rows; own: job divided out of the measurement; ape, p90: % error, median and 90th "
        "percentile; in 90%: share within nominal 90% intervals",
    )
    if any(found["seen"] for found in table.values()):
        note("these rows were part of the fit; --help shows how to score rows that were not")


@app.command()
def fit(
    data: Annotated[Path, typer.Argument(help="Folder with hwgpt_s.parquet, hwgpt_m.parquet and hwgpt_l.parquet.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write the predictors to.")] = Path("predictors"),
    scale: Annotated[list[str] | None, typer.Option("--scale", help="s, m or l. Repeat; all if left out.")] = None,
    metrics: MetricsOption = "all",
    keep_held_out: Annotated[
        bool, typer.Option("--keep-held-out", help="Write the fits that never saw the held-out fifth.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fit the predictors of the benchmark to the published measurements, and judge each on a fifth kept out.

    Example: tradewind bench fit DIR --out predictors --scale s --metrics perplexity,latency_ms@a100
    """
    from rich.progress import Progress

    from tradewind.benchmarks.hwgpt.fitting import fit_all
    from tradewind.benchmarks.hwgpt.targets import PREDICTED, SCALES, column_of
    from tradewind.core import unknown

    for given in scale or ():
        if given not in SCALES:
            raise unknown("scale", given, SCALES)
    columns = PREDICTED if metrics == "all" else tuple(column_of(part.strip()) for part in metrics.split(","))
    scales = scale or list(SCALES)
    screen = console(err=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("fitting", total=len(scales) * len(columns))

        def done(at: str, column: str) -> None:
            bar.update(task, advance=1, description=f"hwgpt-{at} {column}")

        written = fit_all(data, out, scales, columns, keep_held_out, done)
    if as_json:
        print_json({"out": str(out), "files": [str(path) for path in written]})
    else:
        say(f"{count(len(written), 'predictor')} written to {out}")


_FIDELITY: dict[str, Callable[[dict[str, Any]], str]] = {
    "tau": lambda found: f"{found['kendall']:.3f}",
    "job": lambda found: f"{found['kendall_known_job']:.3f}",
    "own": lambda found: f"{found['kendall_corrected']:.3f}",
    "R2": lambda found: f"{found['r2']:.3f}",
    "ape": lambda found: f"{found['median_ape']:.2f}",
    "p90": lambda found: f"{found['p90_ape']:.1f}",
    "in 90%": lambda found: f"{found['coverage']:.1%}",
}
"""Columns of the fidelity table on a terminal; JSON has them all."""


def _architecture(path: Path, bench: HWGPTBenchmark) -> Architecture:
    """The architecture of a JSON file: our form, the published tables' names, or the released string or dictionary."""
    from tradewind.benchmarks import forms
    from tradewind.core import Architecture
    from tradewind.core.batch import ALIASES
    from tradewind.core.files import read_json

    data = read_json(path)
    if isinstance(data, str):
        return forms.from_released_string(data)
    if not isinstance(data, dict):
        raise UsageError(f"{path} holds no architecture; give one JSON object (for a table use --archs)")
    if "sample_embed_dim" in data:
        return forms.from_released_dict(data)
    named: dict[str, Any] = {ALIASES.get(str(key), str(key)): value for key, value in data.items()}
    remedy = f"draw one with: tradewind spaces sample {bench.space.name} --out {path}"
    return Architecture.from_dict(complete(named, path, bench.space, remedy))


def _write_predictions(bench: HWGPTBenchmark, archs: Path, metrics: str, out: Path, as_json: bool) -> None:
    from tradewind.core.files import read_parquet, write_parquet

    table = bench.query_many(read_parquet(archs), metrics).to_arrow()
    write_parquet(out, table)
    if as_json:
        print_json({"rows": table.num_rows, "columns": table.column_names, "out": str(out)})
    else:
        note(f"{count(table.num_rows, 'architecture')}, {count(table.num_columns, 'column')}, written to {out}")


def _row(metric: str, answer: Measurement) -> dict[str, Any]:
    low, high = answer.details.get("interval_90") or (None, None)
    return {
        "metric": metric,
        "value": answer.value,
        "unit": answer.unit,
        "5%": "" if low is None else f"{low:,.4g}",
        "95%": "" if high is None else f"{high:,.4g}",
        "note": "exact" if not answer.predicted else "weak" if answer.details["warnings"] else "",
    }

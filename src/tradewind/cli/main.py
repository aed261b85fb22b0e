"""The `tradewind` command: collects the verbs and turns errors into one sentence and an exit status.

Exit status: 0 done, 1 failed, 2 wrong use. Verb modules import what they need inside their functions, so that every
verb starts at once and only those that build a model load torch.
"""

from __future__ import annotations

import os
import sys

import typer

from tradewind.cli import (
    bench,
    calibrate,
    costs,
    evaluate,
    evolve,
    export,
    measure,
    proxies,
    report,
    search,
    spaces,
    speedup,
    supernet,
    train,
)
from tradewind.core import TradewindError, UsageError

INTERRUPTED = 130
"""What typer makes of Ctrl-C."""
STOPPED = "stopped; what had finished is kept"

app = typer.Typer(
    name="tradewind",
    help="Find language-model architectures that sail best on your hardware.",
    epilog="Example: tradewind search --space gpt2 --device cpu --budget 60 --out runs/a && tradewind report runs/a",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command("search")(search.search)
app.command("report")(report.report)
app.command("measure")(measure.measure)
app.command("calibrate")(calibrate.calibrate)
app.command("evaluate")(evaluate.evaluate)
app.command("costs")(costs.costs)
app.command("train")(train.train)
app.command("proxies")(proxies.proxies)
app.command("evolve")(evolve.evolve)
app.command("speedup")(speedup.speedup)
app.add_typer(spaces.app, name="spaces")
app.add_typer(bench.app, name="bench")
app.add_typer(export.app, name="export")
app.add_typer(supernet.app, name="supernet")


def _version(shown: bool) -> None:
    if shown:
        from tradewind import __version__

        typer.echo(f"tradewind {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Find language-model architectures that sail best on your hardware."""


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and leave the process with its exit status."""
    sys.exit(main(arguments))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; errors made on purpose become one line on standard error."""
    usage_error = typer.BadParameter.__mro__[1]
    try:
        status = app(args=arguments, standalone_mode=False)
        if status == INTERRUPTED:
            return _fail(STOPPED, 1)
        return status if isinstance(status, int) else 0
    except UsageError as error:
        return _fail(str(error), 2)
    except TradewindError as error:
        return _fail(str(error), 1)
    except usage_error as error:  # type: ignore[misc]
        if type(error).__name__ == "NoArgsIsHelpError":  # the whole help, laid out, and no sentence
            error.show()
            return 2
        return _fail(error.format_message(), 2)
    except (KeyboardInterrupt, typer.Abort):
        return _fail(STOPPED, 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError as error:
        return _fail(f"out of memory ({error}); ask for fewer or smaller architectures", 1)
    except OSError as error:
        return _fail(f"the system refused: {error}", 1)


def _fail(message: str, status: int) -> int:
    typer.echo(f"tradewind: {' '.join(message.split())}", err=True)
    return status


if __name__ == "__main__":
    run()

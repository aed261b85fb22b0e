"""Whether what a search of programs found stays better when trained for longer than the search did.

    python benchmarks/evolution_transfer.py runs/e [--times 8] [--seeds 2] [--top 1] [--json]

Trains the start of a run and the best of its fresh trainings with the run's own recipe and text, with fresh seeds, and
reads the validation loss at 1, 2, 4... times the budget of the search: equal amounts of its unit for all, equal batches
for equal seeds. Prints the mean loss in nats per token at each.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from tradewind import training  # noqa: E402
from tradewind.programs import Program, ProgramSpace  # noqa: E402
from tradewind.reports.evolution import retrained  # noqa: E402
from tradewind.studies import StoredStudy  # noqa: E402
from tradewind.training.programs import run  # noqa: E402

FIRST_SEED = 1000
"""Seeds that neither the search nor its fresh trainings used."""


def losses(space: ProgramSpace, facts: dict, text: training.TokenData, program: Program, times: int, seed: int) -> list:
    """Validation loss at 1, 2, 4... up to `times` the budget."""
    marks = [facts["budget"]["amount"] * 2.0**i for i in range(int(np.log2(times)) + 1)]
    job = {
        "program": program.to_dict(),
        "sizes": dataclasses.asdict(space.sizes),
        "text": str(text.folder),
        "recipe": training.Recipe(**{**facts["recipe"], "seed": seed, "steps": 10**9}).to_dict(),
        "unit": facts["budget"]["unit"],
        "marks": marks,
        "limits": [None] * len(marks),
        "batches": facts["batches"],
        "seed": seed,
        "init_std": facts.get("init_std"),
    }
    found = [loss for _, _, loss in run(job)["curve"]]
    return found + [None] * (len(marks) - len(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--times", type=int, default=8, help="longest training, in budgets of the search")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--top", type=int, default=1, help="programs of the run's fresh trainings, best first")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()

    study = StoredStudy(arguments.run)
    space = study.space
    assert isinstance(space, ProgramSpace)
    facts = study.config["evaluator"]
    text = training.prepare(facts["text"]["source"], facts["tokenizer"])
    rows = retrained(study.evaluations("retrain"), space.start)
    programs = {"start": space.start} | {r.program.id[:8]: r.program for r in rows[1 : 1 + arguments.top]}
    found = {
        name: [
            losses(space, facts, text, program, arguments.times, FIRST_SEED + seed) for seed in range(arguments.seeds)
        ]
        for name, program in programs.items()
    }
    times = [2**i for i in range(int(np.log2(arguments.times)) + 1)]
    if arguments.json:
        print(json.dumps({"times": times, "losses": found}))
        return
    table = Table(title=f"validation loss (nats per token), mean of {arguments.seeds} seeds")
    table.add_column("program")
    for n in times:
        table.add_column(f"{n}x budget", justify="right")
    for name, values in found.items():
        means = np.nanmean(np.array(values, dtype=float), axis=0)
        table.add_row(name, *(f"{mean:.3f}" for mean in means))
    Console().print(table)


if __name__ == "__main__":
    main()

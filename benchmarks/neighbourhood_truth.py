"""Trains what a guided walk ranked for longer and with fresh seeds: the truth that its ranking is to be judged by.

    python benchmarks/neighbourhood_truth.py runs/n --out truth.jsonl [--times 2] [--seeds 3] [--share 1]

The run is one of `tradewind evolve --guided --hurdles 0`. Of its programs that trained, those that compute the same
function counted once, `--share` are drawn at random, and Primer's edits and the start added; each is trained for
`--times` its budget with the run's own recipe and text, equal batches for equal seeds. Writes a line a training with
the losses (nats per token) at 1, 2, ... times the budget; seed by seed, so that a run that was cut compares programs on
the seeds that it finished. The same command goes on from there; `neighbourhood_ranking.py --truth` reads it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from evolution_transfer import FIRST_SEED, losses
from neighbourhood_ranking import published, ranked_once
from rich.progress import track

from tradewind import training
from tradewind.core.seeds import generator
from tradewind.programs import Program, ProgramSpace, fingerprint, resolve
from tradewind.studies import StoredStudy


def chosen(study: StoredStudy, share: float) -> list[Program]:
    """The start, Primer's edits, and a share of the rest that does not depend on how they did."""
    programs = [e.candidate for e in ranked_once(study)]
    draws = generator(0, "truth").permutation(len(programs))[: round(share * len(programs))]
    known = published()
    start: Program = study.space.start  # type: ignore[attr-defined]
    kept = [p for i, p in enumerate(programs) if i in set(draws.tolist()) or fingerprint(resolve(p)) in known]
    return [start, *(p for p in kept if p.id != start.id)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--times", type=int, default=2, help="length of a training, in budgets of the walk")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="share of the programs to train")
    arguments = parser.parse_args()

    study = StoredStudy(arguments.run)
    assert isinstance(study.space, ProgramSpace)
    facts = study.config["evaluator"]
    text = training.prepare(facts["text"]["source"], facts["tokenizer"])
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    done = {(row["id"], row["seed"]) for row in map(json.loads, lines)}
    programs = chosen(study, arguments.share)
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.seeds)
    waiting = [(p, seed) for seed in seeds for p in programs if (p.id, seed) not in done]
    with arguments.out.open("a") as file:
        for program, seed in track(waiting, description="training"):
            found = losses(study.space, facts, text, program, arguments.times, seed)
            file.write(json.dumps({"id": program.id, "seed": seed, "losses": found}) + "\n")
            file.flush()


if __name__ == "__main__":
    main()

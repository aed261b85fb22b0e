"""Proxies against trained truth: a sample of a space, every proxy and the perplexity after training of each, resumable.

A folder keeps what is done: ``experiment.json`` (what is asked), in ``truth/`` one file an architecture and seed, in
``proxies/`` one an architecture. Rows are joined from them.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from tradewind import costs, models
from tradewind.core import Architecture, UsageError
from tradewind.core.files import read_json, write_json
from tradewind.core.ranking import spearman
from tradewind.proxies.truth import SHARES, train_to_truth
from tradewind.proxies.zero_cost import PROXIES, score
from tradewind.training.data import TokenData
from tradewind.training.fit import check_fit, for_text
from tradewind.training.recipe import Recipe

CLOSED_FORMS = ("decoder_params", "quality")
SEQUENCES = 16
"""Sequences that the zero-cost proxies look at, as in LiteTransformerSearch."""
Report = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What is asked: these architectures on this text by this recipe, every `again`-th with a second seed (0: none)."""

    archs: tuple[Architecture, ...]
    text: TokenData
    recipe: Recipe
    again: int = 3

    def to_dict(self) -> dict[str, Any]:
        """Plain data that names it; the text by its hash."""
        return {
            "architectures": [for_text(arch, self.text).to_dict() for arch in self.archs],
            "text": {"hash": self.text.hash, **{k: self.text.manifest[k] for k in ("source", "tokenizer")}},
            "recipe": self.recipe.to_dict(),
            "again": self.again,
        }

    def run(self, folder: Path, report: Report = lambda _: None) -> list[dict[str, Any]]:
        """Do what is not done yet and give the rows, one an architecture; `report` hears of each step.

        A row has ``id``, ``architecture``, ``decoder_params``, ``losses`` (nats per token, one a seed, None where
        training diverged), ``truth_cpu_seconds`` and ``proxies``: for each its ``value`` (more is better) and
        ``cpu_seconds``. Raises `UsageError` where the folder holds another experiment.
        """
        for arch in self.archs:
            check_fit(models.build(for_text(arch, self.text), init="meta"), self.text, self.recipe.length)
        self._claim(folder)
        rows = []
        for index, arch in enumerate(self.archs):
            report(f"proxies of architecture {index + 1} of {len(self.archs)}")
            rows.append(self._row(arch, folder))
        pairs = list(zip(rows, self.archs, strict=True))
        first = self.recipe.seed
        trainings = [(first, *pair) for pair in pairs]
        if self.again:
            trainings += [(first + 1, *pair) for pair in pairs[:: self.again]]
        for index, (seed, row, arch) in enumerate(trainings):
            report(f"training {index + 1} of {len(trainings)}: {row['decoder_params']:,} decoder parameters")
            found = train_to_truth(arch, self.text, self.recipe, folder / "truth", seed)
            row["losses"].append(found["loss"])
            row["truth_cpu_seconds"] = row.get("truth_cpu_seconds", found["cpu_seconds"])
            if seed == first:
                row["proxies"] |= _short_training(found)
        return rows

    def _row(self, arch: Architecture, folder: Path) -> dict[str, Any]:
        fitted = for_text(arch, self.text)
        file = folder / "proxies" / f"{fitted.id}.json"
        if not file.is_file():
            write_json(file, self._proxies(fitted))
        found = read_json(file)
        return {
            "id": fitted.id,
            "architecture": fitted.to_dict(),
            "decoder_params": costs.decoder_params(fitted),
            "losses": [],
            "proxies": {name: found[name] for name in (*CLOSED_FORMS, *PROXIES)},
        }

    def _proxies(self, arch: Architecture) -> dict[str, dict[str, float]]:
        """Every proxy that needs no step of training."""
        found = {}
        for name in CLOSED_FORMS:
            started = time.process_time()
            value = costs.evaluate(name, arch)
            found[name] = {"value": float(value), "cpu_seconds": time.process_time() - started}
        model = models.build(arch, seed=self.recipe.seed)
        batch = self.text.batch("train", 0, batch_size=SEQUENCES, length=self.recipe.length, seed=self.recipe.seed)
        inputs, targets = (torch.from_numpy(tokens.copy()) for tokens in batch)
        scores = score(model, inputs, targets, tuple(PROXIES))
        return found | {name: dataclasses.asdict(found) for name, found in scores.items()}

    def _claim(self, folder: Path) -> None:
        mine, file = self.to_dict(), folder / "experiment.json"
        if not file.is_file():
            write_json(file, mine)
            return
        found = read_json(file)
        for name, value in mine.items():
            if found.get(name) != value:
                raise UsageError(f"{folder} holds another experiment: its {name} differ; give another --out")


def noise(rows: Sequence[dict[str, Any]]) -> dict[str, float] | None:
    """How far two seeds of one architecture lie apart, over the rows that have two.

    ``architectures``, ``median_difference`` and ``deviation`` of one training (nats), and the ``spearman`` correlation
    of the two seeds: what a perfect proxy could reach. None with fewer than two such rows.
    """
    pairs = [row["losses"][:2] for row in rows if len(row["losses"]) > 1 and None not in row["losses"][:2]]
    if len(pairs) < 2:
        return None
    gaps = [a - b for a, b in pairs]
    first, second = zip(*pairs, strict=True)
    return {
        "architectures": len(pairs),
        "median_difference": statistics.median(abs(gap) for gap in gaps),
        "deviation": (sum(gap * gap for gap in gaps) / len(gaps) / 2) ** 0.5,
        "spearman": spearman(first, second),
    }


def _short_training(truth: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The losses after parts of the training as proxies; what had diverged by then is the worst there is."""
    return {
        f"short_training_{share:.0%}": {
            "value": -part["loss"] if part["loss"] is not None else -1e9,
            "cpu_seconds": part["cpu_seconds"],
        }
        for share, part in zip(SHARES, truth["short"], strict=True)
    }

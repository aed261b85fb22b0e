from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import PATIENCE

from tradewind import models
from tradewind.core import Architecture, UsageError
from tradewind.training import Recipe, TokenData, Trainer
from tradewind.training.parallel import Place

CHILD = """
import json, sys, torch, tradewind as tw
from tradewind import training
from tradewind.core import Architecture
from tradewind.training.parallel import processes
torch.set_num_threads(1)
job = json.loads(sys.argv[1])
with processes() as (place, device):
    assert place.size == 2
    text = training.prepare(job["corpus"], cache=job["cache"])
    for name, arch in job["archs"].items():
        for strategy in job["strategies"]:
            def make():
                model = tw.models.build(Architecture.from_dict(arch))
                out = f"{job['out']}/{name}-{strategy}"
                return training.Trainer(model, text, training.Recipe(**job["recipe"]), out, strategy=strategy)
            make().run(until=2)
            again = make()
            assert len(again.history) == 2, "every process must know when to stop"
            again.run()
"""
RECIPE: dict[str, Any] = {"steps": 4, "batch_size": 8, "length": 12, "accumulation": 2, "learning_rate": 1e-2}


def test_two_processes_train_as_one_does(
    corpus: Path, cache: Path, text: TokenData, archs: dict[str, Architecture], tmp_path: Path
) -> None:
    """Replicas and shards, stopped and resumed in between, by torchrun with gloo on the CPU."""
    chosen = {name: archs[name] for name in ("gpt2", "transformer-xl")}
    job = {
        "corpus": str(corpus),
        "cache": str(cache),
        "out": str(tmp_path),
        "recipe": RECIPE,
        "archs": {name: arch.to_dict() for name, arch in chosen.items()},
        "strategies": ["ddp", "fsdp"],
    }
    (tmp_path / "child.py").write_text(CHILD)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, str(tmp_path / "child.py"), json.dumps(job)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name, arch in chosen.items():
        alone = Trainer(models.build(arch), text, Recipe(**RECIPE)).run()
        for strategy in job["strategies"]:
            # The folder of two processes is one that a single process can go on in.
            both = Trainer(models.build(arch), text, Recipe(**RECIPE), tmp_path / f"{name}-{strategy}")
            assert both.step == 4
            assert [r["loss"] for r in both.history] == pytest.approx([r["loss"] for r in alone.history], rel=1e-5)
            assert [r["gradient_norm"] for r in both.history] == pytest.approx(
                [r["gradient_norm"] for r in alone.history], rel=1e-4
            )
            assert both.evaluations[-1]["validation"]["loss"] == pytest.approx(
                alone.evaluations[-1]["validation"]["loss"], rel=1e-5
            )
            weights = zip(alone.model.parameters(), both.model.parameters(), strict=True)
            assert max(float((a - b).abs().max()) for a, b in weights) < 2e-4


def test_rows_are_shared_out_equally() -> None:
    assert [Place(rank, 3).rows(9) for rank in range(3)] == [slice(0, 3), slice(3, 6), slice(6, 9)]
    with pytest.raises(UsageError, match="a batch of 8 cannot be shared by 3 processes"):
        Place(0, 3).rows(8)


def test_an_unknown_strategy_is_refused(text: TokenData, archs: dict[str, Architecture]) -> None:
    model = models.build(archs["gpt2"])
    with pytest.raises(UsageError, match="unknown strategy 'dpp': did you mean 'ddp'"):
        Trainer(model, text, Recipe(**RECIPE), strategy="dpp")

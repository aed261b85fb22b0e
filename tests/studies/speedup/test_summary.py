"""Figures of speed-up experiments from curves whose truth is known."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tradewind.core import StudyError
from tradewind.core.files import write_json
from tradewind.reports.speedup import write_figure
from tradewind.studies.speedup import Experiment, Size, Task, summarise
from tradewind.studies.speedup.summary import factor, interval, smooth, steps_to

STEPS = list(range(10, 1001, 10))
SIZE = Size(64, 2)


def curve(speed: float, diverged: bool = False, flops: float = 1.0, seconds: float = 1.0, noise: float = 0.0) -> Any:
    """A run that is at step t where one of speed 1 is at step t · speed; loss 5 - 0.3 log t."""
    rng = np.random.default_rng(0)
    losses = [5 - 0.3 * math.log(step * speed) + noise * rng.normal() for step in STEPS]
    return {
        "steps": STEPS, "losses": losses, "diverged": diverged, "params": 10, "flops_per_step": flops,
        "cpu_seconds_per_step": seconds, "seed": 0,
    }  # fmt: skip


@pytest.mark.parametrize("speed", [0.5, 1.0, 1.3, 2.0])
def test_a_block_that_is_faster_by_a_factor_has_that_factor(speed: float) -> None:
    found, beyond = factor(curve(1.0), curve(speed))
    assert found == pytest.approx(speed, rel=0.02)
    assert beyond == (speed < 1)


def test_compute_is_counted_in_what_was_asked() -> None:
    baseline, variant = curve(1.0, flops=3.0, seconds=2.0), curve(2.0, flops=6.0, seconds=1.0)
    assert factor(baseline, variant, "flops")[0] == pytest.approx(1.0, rel=0.02)
    assert factor(baseline, variant, "cpu_seconds")[0] == pytest.approx(4.0, rel=0.02)


def test_noise_hardly_moves_a_factor() -> None:
    assert factor(curve(1.0), curve(1.5, noise=0.005))[0] == pytest.approx(1.5, rel=0.1)


def test_what_never_gets_there_counts_nothing() -> None:
    flat = curve(1.0) | {"losses": [5.0] * len(STEPS)}
    assert steps_to(3.0, flat) == (math.inf, True)
    assert factor(curve(1.0), flat) == (0.0, True)
    assert factor(curve(1.0), curve(0.5, diverged=True)) == (0.0, True)
    assert interval([0.0, 1.0])[0] == 0.0


def test_a_single_outlier_neither_makes_nor_breaks_a_crossing() -> None:
    losses = [4.0, 3.5, 1.0, 3.0, 2.9]
    assert smooth(losses).tolist() == [4.0, 3.5, 3.0, 2.9, 2.9]


def test_the_interval_covers_the_geometric_mean_and_narrows_with_more_seeds() -> None:
    rng = np.random.default_rng(1)
    values = np.exp(0.2 + 0.1 * rng.normal(size=60)).tolist()
    few, many = interval(values[:4]), interval(values)
    assert few[1] <= few[0] <= few[2]
    assert many[0] == pytest.approx(math.exp(0.2), rel=0.05)
    assert many[2] - many[1] < few[2] - few[1]


def test_a_folder_of_finished_runs(tmp_path: Path) -> None:
    experiment = Experiment(
        baseline="vanilla",
        variants=("squared-relu", "mdha"),
        sizes=(SIZE, Size(128, 2)),
        seeds=3,
        steps=1000,
        rates=(1e-3, 3e-3),
        evaluate_every=10,
    )
    with pytest.raises(StudyError, match="holds no speed-up experiment"):
        summarise(tmp_path)
    write_json(tmp_path / "experiment.json", experiment.to_dict())
    for size, scale in zip(experiment.sizes, (1.0, 4.0), strict=True):
        write(tmp_path, Task(size, "vanilla", 0, 1e-3), curve(0.5))
        for seed in range(2 if scale > 1 else 3):
            for block, speed in (("vanilla", 1.0), ("squared-relu", 1.5), ("mdha", 0.8)):
                run = curve(speed * scale, flops=scale)
                write(tmp_path, Task(size, block, seed, 3e-3), run | {"seed": seed})
    found = summarise(tmp_path)
    table = found["sizes"]["64x2"]
    assert table["learning_rate"] == 3e-3
    assert table["seeds"] == 3
    assert found["sizes"]["128x2"]["seeds"] == 2
    assert table["blocks"]["squared-relu"]["factor_steps"]["value"] == pytest.approx(1.5, rel=0.02)
    assert table["blocks"]["mdha"]["factor_steps"]["extrapolated"] == 3
    assert table["blocks"]["squared-relu"]["gap"] == pytest.approx(-0.3 * math.log(1.5), rel=0.02)
    gains = {row["part"]: row["gain"] for row in found["matrices"]["insertion"]}
    assert gains["squared-relu"] == pytest.approx(1 - 1.5**-0.3, rel=0.02)
    assert gains["mdha"] == pytest.approx(1 - 0.8**-0.3, rel=0.02)
    assert found["power_law"]["k"]["value"] > 0
    assert found["power_law"]["factor of squared-relu"]["value"] > 1 > found["power_law"]["factor of mdha"]["value"]


def test_a_run_that_diverged_before_its_first_score_counts_as_one_that_never_gets_there(tmp_path: Path) -> None:
    experiment = Experiment(
        variants=("squared-relu", "mdha"), sizes=(SIZE, Size(128, 2)), seeds=3, rates=(1e-3,), evaluate_every=10
    )
    write_json(tmp_path / "experiment.json", experiment.to_dict())
    none = {"steps": [], "losses": [], "diverged": True, "cpu_seconds_per_step": 0.0}
    lost = {("squared-relu", 0), ("mdha", 0), ("mdha", 1), ("mdha", 2), ("vanilla", 2)}
    for size in experiment.sizes:
        for seed in range(3):
            for block, speed in (("vanilla", 1.0), ("squared-relu", 1.5), ("mdha", 0.8)):
                run = curve(speed) | {"seed": seed} | (none if (block, seed) in lost else {})
                write(tmp_path, Task(size, block, seed, 1e-3), run)
    found = summarise(tmp_path)
    table = found["sizes"]["64x2"]
    assert table["seeds"] == 2, "the baseline of the third has no end to reach"
    some, all_ = table["blocks"]["squared-relu"], table["blocks"]["mdha"]
    assert some["factor_steps"]["seeds"] == [0.0, pytest.approx(1.5, rel=0.02)]
    assert some["gap"] == pytest.approx(-0.3 * math.log(1.5), rel=0.02)
    assert (some["diverged"], all_["diverged"]) == (1, 2)
    assert (all_["final_loss"], all_["gap"], all_["factor_steps"]["value"]) == (None, None, 0.0)
    assert [(row["part"], row["seeds"]) for row in found["matrices"]["insertion"]] == [("squared-relu", 1)]
    assert "power_law" not in found
    write_figure(found, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_the_power_law_finds_exponent_and_factor(tmp_path: Path) -> None:
    experiment = Experiment(
        variants=("mdha",), sizes=(SIZE, Size(128, 2)), seeds=1, steps=1000, rates=(1e-3,), evaluate_every=10
    )
    write_json(tmp_path / "experiment.json", experiment.to_dict())
    for size, flops in zip(experiment.sizes, (1.0, 2.0), strict=True):
        for block, speed in (("vanilla", 1.0), ("mdha", 1.7)):
            losses = [9.0 * (step * flops * speed) ** -0.1 for step in STEPS]
            run = curve(1.0, flops=flops) | {"losses": losses}
            write(tmp_path, Task(size, block, 0, 1e-3), run)
    law = summarise(tmp_path)["power_law"]
    assert law["k"]["value"] == pytest.approx(0.1, rel=0.01)
    assert law["factor of mdha"]["value"] == pytest.approx(1.7, rel=0.02)


def test_without_a_whole_seed_there_is_no_table(tmp_path: Path) -> None:
    experiment = Experiment(variants=("mdha",), sizes=(SIZE,), seeds=1, steps=1000, rates=(1e-3,), evaluate_every=10)
    write_json(tmp_path / "experiment.json", experiment.to_dict())
    write(tmp_path, Task(SIZE, "vanilla", 0, 1e-3), curve(1.0))
    with pytest.raises(StudyError, match="no seed"):
        summarise(tmp_path)


def write(folder: Path, task: Task, run: Any) -> None:
    write_json(folder / task.name / "result.json", run)

"""What a speed-up experiment is made of, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tradewind import costs
from tradewind.core import UsageError
from tradewind.studies.speedup import Experiment, Size
from tradewind.studies.speedup.experiment import MATRICES


def test_plain_data_and_back() -> None:
    experiment = Experiment(sizes=(Size(64, 2), Size(128, 4)), variants=("primer-ez",), rates=(1e-3,))
    assert Experiment.from_dict(experiment.to_dict()) == experiment


def test_a_gated_feed_forward_has_the_weights_of_a_plain_one() -> None:
    plain, gated = (Size(192, 3).arch(block, 256, 64) for block in ("vanilla", "transformer++"))
    assert costs.params(gated) == pytest.approx(costs.params(plain), rel=0.01)


def test_arms_of_a_seed_follow_each_other() -> None:
    tasks = list(Experiment(variants=("mdha", "primer"), seeds=2).tasks(lambda size: 1e-3))
    assert [(task.seed, task.block) for task in tasks] == [
        (seed, block) for seed in (0, 1) for block in ("vanilla", "mdha", "primer")
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variants": ("primer-es",)}, "did you mean 'primer-ez'"),
        ({"variants": ()}, "at least one"),
        ({"variants": ("vanilla",)}, "without the baseline"),
        ({"schedule": "cosine"}, "cooldown"),
        ({"steps": 40}, "too short a curve"),
        ({"seeds": 0}, "at least one seed"),
    ],
)
def test_what_makes_no_experiment(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Experiment(**changes)


@pytest.mark.parametrize("text", ["128", "x4", "127x4", "128x0", "4x2"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        Size.parse(text)


def test_the_matrices_are_experiments() -> None:
    for baseline, variants in MATRICES.values():
        assert Experiment(baseline=baseline, variants=variants).blocks[0] == baseline

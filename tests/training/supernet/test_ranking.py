"""Inherited against stand-alone: trained once, kept, compared against scipy."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from tests.training.supernet.conftest import RECIPE

from tradewind import models
from tradewind.core import UsageError
from tradewind.models.supernet import Supernet
from tradewind.spaces import ArchitectureSpace
from tradewind.training import TokenData, Trainer, evaluate
from tradewind.training.supernet import Examination, compare, train_alone

OPTIONS = {"batches": 3, "batch_size": 4, "length": 16}


def test_stand_alone_training_is_the_trainers_and_kept(
    supernet: Supernet, space: ArchitectureSpace, text: TokenData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arch, examination = space.sample(seed=1), Examination(supernet, text, **OPTIONS)
    loss = train_alone(arch, examination, text, RECIPE, tmp_path)
    model = models.build(arch, seed=RECIPE.seed)
    Trainer(model, text, RECIPE).run()
    assert loss == pytest.approx(evaluate(model, text, **OPTIONS).loss, rel=1e-6)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run", lambda *_, **__: pytest.fail("trained again"))
        assert train_alone(arch, examination, text, RECIPE, tmp_path) == loss
    with pytest.raises(UsageError, match="another recipe"):
        train_alone(arch, examination, text, RECIPE.replace(seed=9), tmp_path)


def test_correlations_against_scipy() -> None:
    rng = np.random.default_rng(0)
    alone = rng.normal(size=20)
    inherited = alone + rng.normal(size=20)
    found = compare([*inherited, 1.0], [*alone, math.nan])
    assert found["n"] == 20
    assert found["spearman"].value == pytest.approx(scipy.stats.spearmanr(inherited, alone).statistic)
    assert found["kendall"].value == pytest.approx(scipy.stats.kendalltau(inherited, alone).statistic)
    for agreement in (found["spearman"], found["kendall"]):
        assert agreement.low < agreement.value < agreement.high


def test_too_few() -> None:
    with pytest.raises(UsageError, match="2 architectures have a loss"):
        compare([1.0, 2.0, 3.0], [1.0, math.nan, 2.0])

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.predictors.layers import GRID, random_codes

from tradewind.core import HWGPT, ArchitectureBatch, FileFormatError
from tradewind.predictors.cost_fit import fit_cost
from tradewind.predictors.layer_model import LayerModel
from tradewind.predictors.layer_predictor import LayerPredictor


def truth(codes) -> np.ndarray:
    coefficients = np.array([[10, 1, 2, 0.1, 0.0, 0.5, 1.0, 0.8, 0.02, 0.03, 0.01]]) * np.array([[1.0], [3.0]])
    return LayerModel.of_coefficients(GRID, "identity", coefficients).value(codes)


@pytest.fixture(scope="module")
def predictor() -> LayerPredictor:
    codes, rng = random_codes(1500, seed=1), np.random.default_rng(2)
    observations = truth(codes)[:, None] * np.exp(0.01 * rng.normal(size=(1500, 1)) + 0.03 * rng.normal(size=(1500, 9)))
    folds = rng.integers(0, 5, 1500)
    fit = fit_cost(codes, np.median(observations, axis=1), np.arange(1500), folds)
    return LayerPredictor.of_fit("latency_ms.toy", "ms", codes, observations, fit, {"rows": 1500})


def test_intervals_cover_unseen_architectures(predictor: LayerPredictor) -> None:
    codes, rng = random_codes(3000, seed=3), np.random.default_rng(4)
    fresh = truth(codes)[:, None] * np.exp(0.01 * rng.normal(size=(3000, 1)) + 0.03 * rng.normal(size=(3000, 9)))
    found = predictor.predict(codes)
    low, high = found.interval(0.9)
    medians = np.median(fresh, axis=1)
    assert np.mean((medians >= low) & (medians <= high)) == pytest.approx(0.9, abs=0.02)
    low, high = found.interval(0.9, "observation")
    assert np.mean((fresh >= low[:, None]) & (fresh <= high[:, None])) == pytest.approx(0.9, abs=0.02)


def test_doubt_covers_the_true_cost_and_grows_to_the_corners(predictor: LayerPredictor) -> None:
    codes = random_codes(2000, seed=5)
    found = predictor.predict(codes)
    assert np.mean(np.abs(np.log(truth(codes) / found.mean)) < 2.6 * found.doubt) > 0.9
    corner = ArchitectureBatch.of([HWGPT(d_model=64, n_head=(4,) * 4, mlp_ratio=(3,) * 4)])
    assert predictor.predict(GRID.codes(corner)).doubt[0] > np.median(found.doubt[found.group == 0])


def test_a_file_gives_the_same_predictions_and_is_the_same_again(predictor: LayerPredictor, tmp_path: Path) -> None:
    path = predictor.save(tmp_path / "p.json")
    back, codes = LayerPredictor.load(path), random_codes(50, seed=6)
    assert np.allclose(back.predict(codes).mean, predictor.predict(codes).mean, rtol=1e-6)
    assert np.allclose(back.predict(codes).doubt, predictor.predict(codes).doubt, rtol=1e-2)
    assert back.save(tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_a_changed_file_is_refused(predictor: LayerPredictor, tmp_path: Path) -> None:
    data = predictor.to_dict()
    path = tmp_path / "p.json"
    path.write_text(json.dumps(data | {"unit": "s"}))
    with pytest.raises(FileFormatError, match=r"p.json: the content does not match its hash"):
        LayerPredictor.load(path)
    path.write_text(json.dumps(data | {"schema": 2}))
    with pytest.raises(FileFormatError, match="schema 2 is not read here"):
        LayerPredictor.load(path)
    path.write_text("[]")
    with pytest.raises(FileFormatError, match="not a predictor"):
        LayerPredictor.load(path)

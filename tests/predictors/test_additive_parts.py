from __future__ import annotations

import numpy as np
import pytest

from tradewind import spaces
from tradewind.predictors.additive_features import LayerFeatures
from tradewind.predictors.additive_fit import Gram, LayerSum
from tradewind.predictors.additive_parts import parts_of

SPACE = spaces.get("hwgpt-s")
FEATURES = LayerFeatures.of_space(SPACE)


def written(n, seed):
    return FEATURES.write([SPACE.tables.place(arch) for arch in SPACE.sample_many(n, seed)])


def test_what_a_part_explains_is_its_covariance_times_the_weights():
    at = written(30, 0)
    gram = Gram(FEATURES, at)
    alpha = np.random.default_rng(1).normal(size=30)
    for part, block in zip(gram.parts, gram.blocks, strict=True):
        found = gram.empty()
        part.put(found, part.explained(at, alpha))
        function = LayerSum(FEATURES, "identity", found["level"], found["slopes"], found["profiles"])
        assert function.linear(at) == pytest.approx(block @ alpha, rel=1e-8, abs=1e-9)


def test_what_is_drawn_from_a_part_has_its_covariance():
    at = written(4, 2)
    gram = Gram(FEATURES, at)
    rng = np.random.default_rng(3)
    for part, block in zip(gram.parts, gram.blocks, strict=True):
        draws = []
        for _ in range(300):
            found = gram.empty()
            part.put(found, part.drawn(rng, at.placed.shape[1]))
            function = LayerSum(FEATURES, "identity", found["level"], found["slopes"], found["profiles"])
            draws.append(function.linear(at))
        scale = np.sqrt(np.outer(np.diag(block), np.diag(block))) + 1e-12
        assert np.abs(np.cov(np.array(draws).T, bias=True) - block).max() < 0.35 * scale.max()


def test_one_gene_alone_comes_before_what_genes_do_together():
    orders = [part.order for part in parts_of(FEATURES)]
    assert {1, 2, 3} == set(orders)
    alone = spaces.get("hwgpt-s", n_layer=10, d_model=384, bias=False)
    features = LayerFeatures.of_space(alone)
    assert {part.what for part in parts_of(features)} == {"slopes", "profiles"}  # nothing else is left to choose
    assert max(part.order for part in parts_of(features)) == 2


def test_bias_is_shared_between_widths():
    """What is learnt of the flag at one width holds for the others, unlike under a covariance of whole rows."""
    along = [part for part in parts_of(FEATURES) if part.what == "slopes" and part.order == 2]
    assert any(len(part.rows.covariance) == 2 and len(part.rows.kind) == len(FEATURES.outer) for part in along)

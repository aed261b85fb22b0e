"""A closed-form proxy of quality that needs no training: what attention, feed-forward and embedding allow together.

    quality = 0.20 · ½ · log(A · F · min(1, d_embed / d_model))        [nats of log perplexity, up to a constant]

A attention parameters, F feed-forward parameters (all layers together), d_model the width of the residual stream,
d_embed the width in which tokens enter and leave it.

Decoder parameters (Javaheripi et al. 2022, arXiv 2203.02094) rank by the sum A + F, as if one feed-forward weight were
worth one attention weight whatever the balance, and never see the embedding. Here the two are complements: a
Cobb-Douglas product with equal shares, in which an exchange rate between the two kinds of weight drops out. And a
stream wider than the embedding is fed and read through d_embed dimensions only, the bottleneck of Yang et al. 2018
(arXiv 1711.03953), so one of the three factors of width in A · F ∝ d_model³ counts as min(d_model, d_embed). With
d_embed = d_model, as in GPT-2 and HW-GPT, only the balance of A and F differs from decoder parameters.

Where the figures come from: the architectures that LiteTransformerSearch trained to completion, five random studies
and four Pareto sets (GPT-2 and Transformer-XL on WikiText-103 and LM1B, 836 rows). The exponents are fitted by maximum
rank correlation (Han 1987), which needs no calibration of one table to another. `benchmarks/quality_proxy.py`
reproduces the estimates, and their validation with both exponents fitted without the backbone and data set predicted.

coefficient                               estimate ± standard error             taken
share of A in log(A^share · F^(1-share))  0.55 ± 0.05 (0.50 to 0.55 left out)   ½
exponent of min(1, d_embed / d_model)     0.50 ± 0.07 (0.45 to 0.60 left out)   ½
nats a unit of `index`                    0.208 ± 0.017 over the nine tables    0.20

What it does not know: other vocabularies and tokenizers, other data, other lengths of training, dropout, depth that
does not train, the number of heads, what a block is made of beyond its number of weights. Differences within one
family, vocabulary and data set have a meaning; levels have none. The nats are an average: from table to table a unit of
`index` was worth 0.15 to 0.29.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from tradewind.core import Architecture, ArchitectureBatch
from tradewind.costs.formulas import components
from tradewind.costs.statistics import Count, Shapes

NATS = 0.20
"""Nats of log perplexity that a unit of `index` is worth."""


def index(
    attention: np.ndarray | float, ffn: np.ndarray | float, d_model: np.ndarray | float, d_embed: np.ndarray | float
) -> np.ndarray:
    """½ · log(A · F · min(1, d_embed / d_model)) from the parts, elementwise; for networks that no family describes.

    >>> round(float(index(1e6, 4e6, 512, 128) - index(1e6, 4e6, 512, 512)), 4)
    -0.6931
    """
    narrow = np.minimum(0.0, np.log(d_embed) - np.log(d_model))
    return np.asarray((np.log(attention) + np.log(ffn) + narrow) / 2)


@overload
def quality(archs: Architecture, /) -> float: ...
@overload
def quality(archs: Sequence[Architecture], /) -> np.ndarray: ...
def quality(archs: Architecture | Sequence[Architecture], /) -> float | np.ndarray:
    """Minus the expected log perplexity in nats, up to a constant: more is better, only differences mean something.

    A Python number for one architecture, float64 of shape (N,) for several of one family. Monotone in every width and
    in depth, free of the number of heads where the head size is d_model / n_head. The file's docstring has the formula,
    its sources and what it does not know.

    >>> from tradewind.core import GPT2
    >>> small, large = (GPT2(d_model=d, n_head=(2,) * 4, d_inner=(4 * d,) * 4) for d in (128, 256))
    >>> round(quality(large) - quality(small), 3)
    0.277
    """
    one = isinstance(archs, Architecture)
    shapes: Any = archs if one else ArchitectureBatch.of(archs)  # type: ignore[arg-type]
    parts = components(shapes)
    values = of_parts(shapes, parts["attention"], parts["ffn"])
    return float(values) if one else values


def of_parts(shapes: Shapes, attention: Count, ffn: Count) -> np.ndarray:
    """`quality` from the values of `PARTS`."""
    d_model = shapes.d_model
    return np.asarray(NATS * index(attention, ffn, d_model, getattr(shapes, "d_embed", d_model)))


PARTS: tuple[Callable[[Any], Any], ...] = (
    lambda shapes: components(shapes)["attention"],
    lambda shapes: components(shapes)["ffn"],
)
"""The totals that `quality` is made from, functions of shapes."""

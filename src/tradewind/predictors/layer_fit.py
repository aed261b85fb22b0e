"""LayerFit: what the fits of layer models hand on, to costs and to quality alike.

Symbols: N rows, G groups (widths), F features.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tradewind.predictors.jobs import Windows
from tradewind.predictors.layer_model import LayerModel


@dataclasses.dataclass(frozen=True, eq=False)
class LayerFit:
    """A fitted model and what is known about its errors.

    `unseen` (N,) are predictions by fits blind to each row's fold; `drift` (N,) is the log level of each row's job over
    that of a typical job; `covariance` (G, F, F) is that of the coefficients, in the model's link.
    """

    model: LayerModel
    unseen: np.ndarray
    drift: np.ndarray
    windows: Windows
    covariance: np.ndarray

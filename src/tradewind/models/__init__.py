"""PyTorch models built from an Architecture; torch is imported when the first name is used.

>>> import torch, tradewind as tw
>>> arch = tw.core.GPT2(d_model=64, n_head=(2, 4), d_inner=(128, 256), vocab_size=100)
>>> model = tw.models.build(arch)
>>> tuple(model(torch.zeros(1, 8, dtype=torch.int64)).shape)
(1, 8, 100)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind._lazy import lazily

if TYPE_CHECKING:
    from tradewind.models.base import LanguageModel as LanguageModel
    from tradewind.models.cache import Cache as Cache
    from tradewind.models.factory import build as build

_NAMES = {
    "Cache": "tradewind.models.cache",
    "LanguageModel": "tradewind.models.base",
    "build": "tradewind.models.factory",
}

__all__ = [*_NAMES]  # noqa: PLE0604


__getattr__ = lazily(__name__, _NAMES)

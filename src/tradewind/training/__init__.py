"""Training and scoring language models: text as tokens, recipes, one loop for every backbone, checkpoints, evaluation.

torch is imported when the first name that needs it is used.

>>> from tradewind import training
>>> training.Recipe(steps=10, batch_size=2, length=32).tokens
640
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind._lazy import lazily

if TYPE_CHECKING:
    from tradewind.training.checkpoint import load_model as load_model
    from tradewind.training.checkpoint import save_model as save_model
    from tradewind.training.data import TokenData as TokenData
    from tradewind.training.data import prepare as prepare
    from tradewind.training.evaluation import Validation as Validation
    from tradewind.training.evaluation import evaluate as evaluate
    from tradewind.training.evaluation import validation_loss as validation_loss
    from tradewind.training.fit import for_text as for_text
    from tradewind.training.loop import Trainer as Trainer
    from tradewind.training.progress import bar as bar
    from tradewind.training.recipe import Recipe as Recipe
    from tradewind.training.recipe import preset as preset
    from tradewind.training.saved import open_saved as open_saved
    from tradewind.training.saved import tokenizer_json as tokenizer_json
    from tradewind.training.saved import tokenizer_of as tokenizer_of

_NAMES = {
    "Recipe": "tradewind.training.recipe",
    "TokenData": "tradewind.training.data",
    "Trainer": "tradewind.training.loop",
    "Validation": "tradewind.training.evaluation",
    "bar": "tradewind.training.progress",
    "evaluate": "tradewind.training.evaluation",
    "for_text": "tradewind.training.fit",
    "load_model": "tradewind.training.checkpoint",
    "open_saved": "tradewind.training.saved",
    "prepare": "tradewind.training.data",
    "preset": "tradewind.training.recipe",
    "save_model": "tradewind.training.checkpoint",
    "tokenizer_json": "tradewind.training.saved",
    "tokenizer_of": "tradewind.training.saved",
    "validation_loss": "tradewind.training.evaluation",
}

__all__ = [*_NAMES]  # noqa: PLE0604


__getattr__ = lazily(__name__, _NAMES)

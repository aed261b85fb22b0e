"""Supernets: which networks a step trains, the training, scoring many sub-networks, and what is kept in files.

>>> from tradewind import spaces
>>> Sampling(spaces.get("hwgpt-s"), "sandwich").extremes[0].n_layer
10
"""

from tradewind.training.supernet.evaluation import Examination, examine, fingerprint
from tradewind.training.supernet.loop import SupernetTrainer
from tradewind.training.supernet.pruning import choose_tokenizer, open_model, order_units, pruning_space
from tradewind.training.supernet.ranking import Agreement, compare, train_alone
from tradewind.training.supernet.sampling import Sampling, covering, extremes, spread
from tradewind.training.supernet.store import StoredSupernet, load_supernet, save_supernet, text_facts

__all__ = [
    "Agreement",
    "Examination",
    "Sampling",
    "StoredSupernet",
    "SupernetTrainer",
    "choose_tokenizer",
    "compare",
    "covering",
    "examine",
    "extremes",
    "fingerprint",
    "load_supernet",
    "open_model",
    "order_units",
    "pruning_space",
    "save_supernet",
    "spread",
    "text_facts",
    "train_alone",
]

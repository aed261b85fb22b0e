"""Proxies of quality, what they cost, and how well they order architectures by trained truth.

torch is imported when the first name that needs it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind._lazy import lazily

if TYPE_CHECKING:
    from tradewind.proxies.experiment import Experiment as Experiment
    from tradewind.proxies.sample import stratified as stratified
    from tradewind.proxies.truth import train_to_truth as train_to_truth
    from tradewind.proxies.zero_cost import score as score

_NAMES = {
    "Experiment": "tradewind.proxies.experiment",
    "score": "tradewind.proxies.zero_cost",
    "stratified": "tradewind.proxies.sample",
    "train_to_truth": "tradewind.proxies.truth",
}

__all__ = [*_NAMES]  # noqa: PLE0604


__getattr__ = lazily(__name__, _NAMES)

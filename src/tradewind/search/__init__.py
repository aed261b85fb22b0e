"""Search algorithms: ask for candidates, tell what was measured. None of them holds an evaluator or hidden state."""

from tradewind.search.base import AskTell
from tradewind.search.registry import create, default, describe, get, names, split
from tradewind.search.settings import Settings, setting

__all__ = ["AskTell", "Settings", "create", "default", "describe", "get", "names", "setting", "split"]

"""Candidates in, measurements out: closed forms, devices and whatever is registered, alone or combined."""

from tradewind.evaluators.combined import CombinedEvaluator
from tradewind.evaluators.formula import FormulaEvaluator
from tradewind.evaluators.limits import Limits
from tradewind.evaluators.sources import Source, for_objectives, register

__all__ = ["CombinedEvaluator", "FormulaEvaluator", "Limits", "Source", "for_objectives", "register"]

"""Why a program cannot be used: one class a reason, so that a search can count them."""

from __future__ import annotations

from tradewind.core import UsageError


class InvalidProgramError(UsageError):
    """A program breaks a rule of its format: an index, a slot, an operation or a call out of range."""


class ProgramShapeError(InvalidProgramError):
    """Two widths do not fit, and no dimension can be changed to make them fit."""


class ProgramCausalityError(InvalidProgramError):
    """An output may depend on tokens after its own."""


class ProgramTooLargeError(InvalidProgramError):
    """A program grows beyond what is built: too many operations, parallel copies or parameters."""

"""Every error that Tradewind raises on purpose: what was given, what is allowed, what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class TradewindError(Exception):
    """Base of all errors raised on purpose; the command line prints it as one sentence."""


class UsageError(TradewindError, ValueError):
    """The caller gave something that is not allowed (exit status 2)."""


class InvalidArchitectureError(UsageError):
    """An architecture breaks a rule of its family or lies outside a space."""


class FileFormatError(UsageError):
    """A file is missing, damaged, too large, not what it claims to be, or cannot be written."""


class StudyError(TradewindError):
    """A stored study cannot be created, opened, resumed or continued."""


class OtherStudyError(StudyError, UsageError):
    """A study was asked to go on as another one than it is (exit status 2)."""


class SpaceExhaustedError(TradewindError):
    """No new candidate that satisfies the constraints could be found."""


class DeviceError(TradewindError):
    """A device is absent or cannot measure what was asked."""


def unknown(kind: str, given: object, allowed: Iterable[object]) -> UsageError:
    """The error for a name that is not in a list, with the nearest name that is.

    >>> print(unknown("space", "gtp2", ["gpt2", "transformer-xl"]))
    unknown space 'gtp2': did you mean 'gpt2'? (known: gpt2, transformer-xl)
    """
    names = [str(name) for name in allowed]
    near = get_close_matches(str(given), names, n=1)
    hint = f": did you mean {near[0]!r}?" if near else ""
    return UsageError(f"unknown {kind} {str(given)!r}{hint} (known: {', '.join(names)})")

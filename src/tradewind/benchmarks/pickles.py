"""Reads plain data out of a foreign pickle without importing or calling anything that the pickle names.

A pickle is a program. This reader scans its instructions first and refuses all but those that make containers,
numbers and text; it knows a handful of names, exact (module, name) pairs that numpy writes for numeric arrays, and
gives each an inert stand-in that decodes bytes, so that numpy's own constructors never see the file. Dotted names,
`getattr`, classes, extensions and persistent ids do not exist here. Run it in a child process all the same (see
`importer.py`): a deep structure can still exhaust the stack or the memory of its process.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

from tradewind.core import FileFormatError

MAX_INSTRUCTIONS = 200_000_000

_MEMO = frozenset({"BINPUT", "LONG_BINPUT", "MEMOIZE"})
_FRAME = {"PROTO", "FRAME", "STOP", "MARK", "BINGET", "LONG_BINGET"}
_CONTAINERS = {"EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_FILLING = {"APPEND", "APPENDS", "SETITEM", "SETITEMS"}
_PLAIN = {"NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
_TEXT = {"SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES", "BINBYTES", "BYTEARRAY8"}
_NAMED = {"GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"}
_INSTRUCTIONS = _MEMO | _FRAME | _CONTAINERS | _FILLING | _PLAIN | _TEXT | _NAMED
_NUMBERS = {kind + size for kind in "iu" for size in "1248"} | {"f2", "f4", "f8", "b1"}


class Numbers:
    """A one-dimensional numeric array of a pickle; `values` is None until its content has been read."""

    __slots__ = ("values",)

    def __init__(self, values: np.ndarray | None = None) -> None:
        self.values = values

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, _fortran, raw = state
        self.values = _decode(dtype, raw, shape)


class _Dtype:
    """A numeric dtype of a pickle: its code, completed by the byte order that follows."""

    __slots__ = ("code",)

    def __init__(self, code: str) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        version, order, *rest = state
        if version != 3 or order not in ("<", ">", "|", "=") or rest != [None, None, None, -1, -1, 0]:
            raise _refused(f"the dtype state {str(state)[:60]}")
        self.code = order + self.code.lstrip("<>|=")


class _Name:
    """The stand-in of an allowed name: callable as numpy calls it, and without attributes."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[..., Any]) -> None:
        self._read = read

    def __call__(self, *arguments: Any) -> Any:
        return self._read(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise _refused("a state for a name")


def load(data: bytes) -> Any:
    """The plain data of a pickle: dict, list, tuple, str, bytes, int, float, bool, None and `Numbers`.

    Raises `FileFormatError`, which names what was found, for anything else and for a damaged file.

    >>> load(pickle.dumps({"a": [1, 2.5, "x"]}))
    {'a': [1, 2.5, 'x']}
    >>> load(pickle.dumps([np.float32(0.5), np.array([1, 2])]))[1].values
    array([1, 2])
    >>> load(pickle.dumps(print))
    Traceback (most recent call last):
    ...
    tradewind.core.errors.FileFormatError: the pickle holds the name builtins.print, which plain measurements do not
    """
    scan(data)
    try:
        return _Reader(io.BytesIO(data)).load()
    except (FileFormatError, MemoryError):
        raise
    except Exception as error:
        raise FileFormatError(f"the pickle is damaged: {type(error).__name__}: {str(error)[:200]}") from error


def scan(data: bytes) -> None:
    """Read every instruction without carrying any out; raises `FileFormatError` at the first that is not allowed.

    The memo may only grow by one at a time, as picklers write it: a far index would allocate all before it.
    """
    count = memo = end = 0
    try:
        for instruction, argument, position in pickletools.genops(data):
            count += 1
            name = instruction.name
            if name not in _INSTRUCTIONS:
                raise _refused(f"the instruction {name} at byte {position}")
            if name in _MEMO:
                if argument is not None and argument > memo:
                    raise _refused(f"memo index {argument} at byte {position}, where {memo} is the next")
                memo += 1
            elif name == "GLOBAL":
                _stand_in(*str(argument).split(" ", 1))
            if count > MAX_INSTRUCTIONS:
                raise _refused(f"more than {MAX_INSTRUCTIONS:,} instructions")
            end = position or 0
    except (FileFormatError, MemoryError):
        raise
    except Exception as error:
        raise FileFormatError(f"the file is no pickle, or a damaged one: {str(error)[:200]}") from error
    if end + 1 != len(data):
        raise _refused(f"{len(data) - end - 1:,} bytes after its end")


class _Reader(pickle.Unpickler):
    """The standard library's reader with our stand-ins in place of imports."""

    def find_class(self, module: str, name: str) -> Any:
        return _stand_in(module, name)

    def persistent_load(self, pid: Any) -> Any:
        raise _refused("a persistent id")


def _stand_in(module: str, name: str) -> _Name:
    if (module, name) not in _STAND_INS:
        raise _refused(f"the name {module[:60]}.{name[:60]}")
    return _STAND_INS[module, name]


def _refused(what: str) -> FileFormatError:
    return FileFormatError(f"the pickle holds {what}, which plain measurements do not")


def _dtype(code: Any, align: Any = False, copy: Any = True) -> _Dtype:
    if not isinstance(code, str) or code.lstrip("<>|=") not in _NUMBERS or (align, copy) != (False, True):
        raise _refused(f"the dtype {str(code)[:40]}")
    return _Dtype(code)


def _scalar(dtype: Any, raw: Any) -> int | float | bool:
    values = _decode(dtype, raw, (1,))
    number: int | float | bool = values[0].item()
    return number


def _reconstruct(kind: Any, shape: Any, code: Any) -> Numbers:
    if kind is not _NDARRAY or shape != (0,) or code != b"b":
        raise _refused("an array of an unknown kind")
    return Numbers()


def _frombuffer(raw: Any, dtype: Any, shape: Any, order: Any) -> Numbers:
    return Numbers(_decode(dtype, raw, shape))


def _decode(dtype: Any, raw: Any, shape: Any) -> np.ndarray:
    if not isinstance(dtype, _Dtype) or not isinstance(raw, (bytes, bytearray)):
        raise _refused("an array that is not numeric")
    kind = np.dtype(dtype.code)
    if not isinstance(shape, tuple) or len(shape) != 1 or shape[0] * kind.itemsize != len(raw):
        raise _refused(f"an array of shape {str(shape)[:40]} in {len(raw):,} bytes")
    return np.frombuffer(raw, kind)


def _not_callable(*_: Any) -> Any:
    raise _refused("a call of numpy.ndarray")


_NDARRAY = _Name(_not_callable)
_STAND_INS: dict[tuple[str, str], _Name] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Name(_dtype),
}
for _package in ("numpy.core", "numpy._core"):
    _STAND_INS[f"{_package}.multiarray", "scalar"] = _Name(_scalar)
    _STAND_INS[f"{_package}.multiarray", "_reconstruct"] = _Name(_reconstruct)
    _STAND_INS[f"{_package}.numeric", "_frombuffer"] = _Name(_frombuffer)

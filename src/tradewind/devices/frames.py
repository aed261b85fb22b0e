"""Messages between processes: length-prefixed JSON with a size cap, so that no sender can exhaust or confuse a reader.

A frame is four bytes (big-endian length) and that many bytes of strict JSON: bounded, no NaN, no key twice. Never
pickle: what comes back from a worker is read as data only.
"""

from __future__ import annotations

import os
import struct
from typing import Any

from tradewind.core.errors import FileFormatError, TradewindError
from tradewind.core.files import canonical_json, parse_json

MAX_BYTES = 2**20
"""Largest message that is sent or read."""

_HEADER = struct.Struct(">I")


class ProtocolError(TradewindError):
    """A message is too long, is not JSON or does not have the fields it must have."""


def pack(message: Any) -> bytes:
    r"""The frame of a message; raises `ProtocolError` where it is too long and ValueError where it is no strict JSON.

    >>> pack({"a": 1})
    b'\x00\x00\x00\x07{"a":1}'
    """
    payload = canonical_json(message).encode()
    if len(payload) > MAX_BYTES:
        raise ProtocolError(f"a message of {len(payload):,} bytes; at most {MAX_BYTES:,} are sent")
    return _HEADER.pack(len(payload)) + payload


def send(fd: int, message: Any) -> None:
    """Write one frame whole."""
    view = memoryview(pack(message))
    while view:
        view = view[os.write(fd, view) :]


class Inbox:
    """Puts frames together from whatever pieces arrive; it does no reading itself and never waits.

    >>> inbox = Inbox()
    >>> inbox.feed(pack([1, 2])[:6]), inbox.feed(pack([1, 2])[6:])
    (None, [1, 2])
    """

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Any | None:
        """Add bytes; returns the next message once it is whole, else None.

        Raises `ProtocolError` as soon as the announced length is over the cap, before any of it is kept.
        """
        self._data += data
        if len(self._data) < _HEADER.size:
            return None
        (length,) = _HEADER.unpack_from(self._data)
        if length > MAX_BYTES:
            raise ProtocolError(f"a message of {length:,} bytes is announced; at most {MAX_BYTES:,} are read")
        end = _HEADER.size + length
        if len(self._data) < end:
            return None
        payload = bytes(self._data[_HEADER.size : end])
        del self._data[:end]
        try:
            return parse_json(payload, "a message")
        except (FileFormatError, UnicodeDecodeError) as error:
            raise ProtocolError(str(error)) from error

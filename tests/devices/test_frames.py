from __future__ import annotations

import contextlib
import os
import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.devices.frames import MAX_BYTES, Inbox, ProtocolError, pack, send

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(plain.map(lambda v: [v]), max_size=3), st.integers(1, 50))
def test_frames_come_whole_out_of_any_pieces(messages: list, size: int) -> None:
    stream = b"".join(map(pack, messages))
    inbox, found = Inbox(), []
    for start in range(0, len(stream), size):
        piece: bytes = stream[start : start + size]
        while (message := inbox.feed(piece)) is not None:
            found.append(message)
            piece = b""
    assert found == messages


@given(st.binary(max_size=200))
def test_noise_is_waited_on_or_refused_but_never_else(noise: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        Inbox().feed(noise)


def test_a_length_over_the_cap_is_refused_before_anything_is_kept() -> None:
    with pytest.raises(ProtocolError, match=r"4,294,967,295 bytes is announced; at most 1,048,576"):
        Inbox().feed(b"\xff" * 4)


def test_a_message_over_the_cap_is_not_sent() -> None:
    assert len(pack("x" * (MAX_BYTES - 2))) == MAX_BYTES + 4
    with pytest.raises(ProtocolError, match="at most 1,048,576 are sent"):
        pack("x" * (MAX_BYTES - 1))


@pytest.mark.parametrize("text", [b"NaN", b"1e999", b'{"a":1,"a":2}', b"{", b"\xff", b"[" * 100 + b"]" * 100])
def test_what_is_not_strict_json_is_refused(text: bytes) -> None:
    with pytest.raises(ProtocolError):
        Inbox().feed(struct.pack(">I", len(text)) + text)


def test_a_number_that_json_cannot_hold_is_not_sent() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        pack(float("nan"))


def test_a_frame_larger_than_a_pipe_is_written_whole() -> None:
    read, write = os.pipe()
    message = "y" * 500_000
    sender = threading.Thread(target=send, args=(write, message))
    sender.start()
    inbox, found = Inbox(), None
    while found is None:
        found = inbox.feed(os.read(read, 65536))
    sender.join()
    os.close(read)
    os.close(write)
    assert found == message

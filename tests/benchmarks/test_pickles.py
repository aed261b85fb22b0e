"""No pickle runs anything: a corpus of hostile files, each of which must leave a canary alone, and mutated ones."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import pickletools
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.benchmarks.released import released_stats

from tradewind.benchmarks import pickles
from tradewind.core import FileFormatError

PROTO = b"\x80\x04"
CANARY = "tradewind-canary"


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def named(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def call(module: str, name: str, *arguments: bytes) -> bytes:
    return named(module, name) + b"(" + b"".join(arguments) + b"tR"


class Runs:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def hostile(canary: Path) -> dict[str, bytes]:
    """Pickles by name; those that could run something would write the canary."""
    touch = f"touch {canary}"
    source = f"open({str(canary)!r}, 'w')"
    calls = {
        "posix.system": call("posix", "system", text(touch)),
        "os.popen": call("os", "popen", text(touch)),
        "subprocess.check_output": call(
            "subprocess", "check_output", b"]" + text("touch") + b"a" + text(str(canary)) + b"a"
        ),
        "builtins.exec": call("builtins", "exec", text(source)),
        "__builtin__.eval": call("__builtin__", "eval", text(source)),
        "builtins.__import__": call("builtins", "__import__", text("os")),
        "builtins.compile": call("builtins", "compile", text(source), text("x"), text("exec")),
        "builtins.getattr": call("builtins", "getattr", named("numpy", "dtype"), text("__class__")),
        "builtins.open": call("builtins", "open", text(str(canary)), text("w")),
        "_io.open": call("_io", "open", text(str(canary)), text("w")),
        "_io.FileIO": call("_io", "FileIO", text(str(canary)), text("w")),
        "pathlib.Path.write_text": call("pathlib", "Path.write_text", text(str(canary)), text("x")),
        "importlib.import_module": call("importlib", "import_module", text("os")),
        "marshal.loads": call("marshal", "loads", b"C\x01N"),
        "types.FunctionType": call("types", "FunctionType", named("marshal", "loads")),
        "pickle.loads": call("pickle", "loads", b"C" + bytes([len(b"cos\n")]) + b"cos\n"),
        "runpy._run_code": call("runpy", "_run_code", text(source), b"}", b"N", text("x")),
        "timeit.timeit": call("timeit", "timeit", text(source), b"K\x01"),
        "code.InteractiveInterpreter": call("code", "InteractiveInterpreter"),
        "ctypes.CDLL": call("ctypes", "CDLL", b"N"),
        "socket.create_connection": call("socket", "create_connection", text("localhost"), b"K\x50"),
        "shutil.rmtree": call("shutil", "rmtree", text(str(canary))),
        "logging.config.dictConfig": call("logging.config", "dictConfig", b"}"),
        "operator.attrgetter": call("operator", "attrgetter", text("system")),
        "functools.partial": call("functools", "partial", named("os", "system")),
        "copyreg._reconstructor": call("copyreg", "_reconstructor", named("builtins", "object")),
        "numpy.load": call("numpy", "load", text(str(canary))),
        "numpy.memmap": call("numpy", "memmap", text(str(canary))),
        "numpy.fromfile": call("numpy.core.multiarray", "fromfile", text(str(canary))),
        "runstring": call("numpy.testing._private.utils", "runstring", text(source), b"}"),
        "torch rebuild": call("torch._utils", "_rebuild_tensor_v2"),
        "dotted sys.modules": call("collections", "_sys.modules.get", text("os")),
        "dotted dtype": call("numpy", "dtype.__class__", text("f8")),
        "dotted ndarray": call("numpy", "ndarray.tofile", text(str(canary))),
        "dunder of an allowed module": named("numpy", "__builtins__"),
        "name with a blank": call("numpy", "dtype dtype", text("f8")),
        "empty name": call("numpy", ""),
        "call of ndarray": call("numpy", "ndarray", b"K\x01"),
        "object dtype": call("numpy", "dtype", text("O8"), b"\x89", b"\x88"),
        "void dtype": call("numpy", "dtype", text("V8"), b"\x89", b"\x88"),
        "text dtype": call("numpy", "dtype", text("U8"), b"\x89", b"\x88"),
        "dtype of a list": call("numpy", "dtype", b"]", b"\x89", b"\x88"),
        "scalar of an object": call("numpy.core.multiarray", "scalar", b"N", b"C\x01N"),
        "array of a foreign kind": call("numpy.core.multiarray", "_reconstruct", text("x"), b")", b"C\x01b"),
        "array of another length": call(
            "numpy.core.numeric",
            "_frombuffer",
            b"C\x01N",
            call("numpy", "dtype", text("f8"), b"\x89", b"\x88"),
            b"J\xff\xff\xff\x7f\x85",
            text("C"),
        ),
        "two-dimensional array": call(
            "numpy.core.numeric",
            "_frombuffer",
            b"C\x01N",
            call("numpy", "dtype", text("i1"), b"\x89", b"\x88"),
            b"K\x01K\x01\x86",
            text("C"),
        ),
        "state of a name": named("numpy", "dtype") + b"}" + text("_read") + named("numpy", "ndarray") + b"sb",
        "slot state of a name": named("numpy", "dtype") + b"N}" + text("_read") + b"Ns\x86b",
        "state of a dict": b"}}" + text("__class__") + b"Nsb",
        "state of a list": b"]}" + text("append") + b"Nsb",
        "state of a text": text("x") + b"}b",
        "dtype with fields": call("numpy", "dtype", text("f8"), b"\x89", b"\x88")
        + b"(K\x03"
        + text("<")
        + b"N"
        + text("a")
        + b"}"
        + b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
        "call of a text": text("x") + b")R",
        "call of a number": b"K\x01)R",
        "append to a name": named("numpy", "dtype") + b"Na",
        "item of a name": named("numpy", "dtype") + b"NNs",
    }
    instructions = {
        "INST": b"(S'" + touch.encode() + b"'\nios\nsystem\n",
        "OBJ": b"(" + named("os", "system") + text(touch) + b"o",
        "NEWOBJ": named("numpy", "dtype") + b")\x81",
        "NEWOBJ_EX": named("numpy", "dtype") + b")}\x92",
        "EXT1": b"\x82\x01",
        "EXT2": b"\x83\x01\x00",
        "EXT4": b"\x84\x01\x00\x00\x00",
        "PERSID": b"Pos\n",
        "BINPERSID": text("os") + b"Q",
        "PUT far away": b"Np2147483647\n",
        "LONG_BINPUT far away": b"Nr\xff\xff\xff\x7f",
        "BINPUT ahead of the memo": b"Nq\x05",
        "BINGET of nothing": b"h\x05",
        "huge BINUNICODE8": b"\x8d" + struct.pack("<Q", 2**62) + b"x",
        "huge BYTEARRAY8": b"\x96" + struct.pack("<Q", 2**62) + b"x",
        "huge FRAME": b"\x95" + struct.pack("<Q", 2**62) + b"N",
        "huge LONG4": b"\x8b" + struct.pack("<i", 2**31 - 1) + b"x",
        "negative LONG4": b"\x8b" + struct.pack("<i", -1),
        "text LONG": b"L" + b"9" * 5000 + b"L\n",
        "STRING": b"S'x'\n",
        "DUP": b"]2",
        "POP": b"]0N",
        "set": b"\x8f(K\x01\x90",
        "NEXT_BUFFER": b"\x97",
        "unhashable key": b"}]Ns",
        "no mark": b"t",
        "empty": b"",
    }
    whole = {
        "os.system, old": b"cos\nsystem\n(S'" + touch.encode() + b"'\ntR.",
        "a second pickle behind": pickle.dumps({}, 4) + pickle.dumps(Runs(os.system, touch), 4),
        "protocol 255": b"\x80\xffN.",
        "no end": PROTO + b"N",
        "deep in a list": pickle.dumps([[{"gpt-s": {"a100": Runs(os.system, touch)}}]], 4),
        "as a key": pickle.dumps({(1, Runs(builtins.print, "x")): 1}, 4),
    }
    for protocol in range(6):
        whole[f"os.system, protocol {protocol}"] = pickle.dumps(Runs(os.system, touch), protocol)
        whole[f"builtins.eval, protocol {protocol}"] = pickle.dumps(Runs(eval, source), protocol)
        whole[f"subprocess.Popen, protocol {protocol}"] = pickle.dumps(
            Runs(subprocess.Popen, ["touch", str(canary)]), protocol
        )
    return whole | {name: PROTO + body + b"." for name, body in (calls | instructions).items()}


NAMES = sorted(hostile(Path(CANARY)))


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_pickle_is_refused_and_runs_nothing(name: str, tmp_path: Path) -> None:
    canary = tmp_path / CANARY
    with pytest.raises(FileFormatError, match=r"pickle|damaged"):
        pickles.load(hostile(canary)[name])
    assert not canary.exists()


def test_the_corpus_is_large_and_alive(tmp_path: Path) -> None:
    assert len(NAMES) >= 100
    for number, name in enumerate(
        ("os.system, old", "os.system, protocol 4", "posix.system", "builtins.exec", "_io.open")
    ):
        canary = tmp_path / str(number)
        pickle.loads(hostile(canary)[name])
        assert canary.exists(), f"{name} proves nothing: elsewhere it would not run either"


def test_what_was_found_is_named() -> None:
    with pytest.raises(FileFormatError, match=r"the name collections\._sys\.modules\.get"):
        pickles.load(hostile(Path("x"))["dotted sys.modules"])
    with pytest.raises(FileFormatError, match="the instruction BINPERSID at byte 9"):
        pickles.load(hostile(Path("x"))["BINPERSID"])
    with pytest.raises(FileFormatError, match="memo index 2147483647"):
        pickles.load(hostile(Path("x"))["LONG_BINPUT far away"])


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(PLAIN, st.integers(3, 5))
def test_plain_data_comes_back(value: Any, protocol: int) -> None:
    assert repr(pickles.load(pickle.dumps(value, protocol))) == repr(value)


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("kind", ["<f8", ">f4", "<f2", "<i8", ">u2", "i1", "?"])
def test_numpy_numbers_come_back(kind: str, protocol: int) -> None:
    array = np.array([0, 1, 1, 0, 1], dtype=kind)
    scalar, numbers, twice = pickles.load(pickle.dumps([array[1], array, array], protocol))
    assert scalar == 1
    assert type(scalar) in (int, float, bool)
    assert numbers.values.tolist() == array.tolist()
    assert twice is numbers


def test_names_of_both_numpy_generations_are_known() -> None:
    new = pickle.dumps([np.float64(1.5), np.arange(3)], 3)
    old = new.replace(b"numpy._core", b"numpy.core")
    assert old != new
    for data in (old, new):
        assert pickles.load(data)[0] == 1.5


BENIGN = pickle.dumps(released_stats(n=2, devices=("a100", "cpu_amd_7452")), 4)
ARRAYS = pickle.dumps({"a": [np.float64(0.5), np.arange(4.0)], "b": (1, "x", True)}, 4)


def only_plain(value: Any) -> Iterator[bool]:
    """Whether each node of what came back is plain; names and half-read arrays are inert and allowed."""
    seen: set[int] = set()
    stack = [value]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield (
            type(node) in (dict, list, tuple, str, bytes, bytearray, int, float, bool, type(None))
            or type(node).__module__ == pickles.__name__
        )
        if isinstance(node, dict):
            stack += [*node.keys(), *node.values()]
        elif isinstance(node, (list, tuple)):
            stack += node


def survives(data: bytes) -> None:
    try:
        value = pickles.load(data)
    except FileFormatError:
        return
    assert all(only_plain(value))


@settings(max_examples=300)
@given(
    st.sampled_from([BENIGN, ARRAYS]),
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=3), st.integers(0, 4)), min_size=1, max_size=6
    ),
)
def test_mutated_pickles_give_plain_data_or_a_documented_error(data: bytes, edits: list) -> None:
    for place, new, cut in edits:
        at = int(place * len(data))
        data = data[:at] + new + data[at + cut :]
    survives(data)


OPCODES = [code.code.encode("latin1") for code in pickletools.opcodes]
PIECES = st.sampled_from(OPCODES) | st.sampled_from(
    [text("numpy"), text("dtype"), text("f8"), named("numpy", "dtype"), named("numpy", "ndarray"), b"K\x01", b"C\x01N"]
    + [named("numpy.core.multiarray", n) for n in ("scalar", "_reconstruct")]
)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=25))
def test_random_programs_give_plain_data_or_a_documented_error(pieces: list[bytes]) -> None:
    survives(PROTO + b"".join(pieces) + b".")


def test_every_truncation_is_refused() -> None:
    for end in range(len(ARRAYS)):
        with pytest.raises(FileFormatError):
            pickles.load(ARRAYS[:end])


def test_an_optimised_pickle_is_read() -> None:
    optimised = pickletools.optimize(BENIGN)
    assert pickles.load(optimised) == pickle.load(io.BytesIO(BENIGN))

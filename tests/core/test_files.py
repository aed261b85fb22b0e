from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import FileFormatError
from tradewind.core import files as f

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(plain)
def test_canonical_json_is_stable_under_parsing(value: object) -> None:
    text = f.canonical_json(value)
    assert f.canonical_json(f.parse_json(text)) == text
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"a": 1e999}', "too large"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ("[" * 70 + "]" * 70, "deeper than 64"),
        ("[" * 200_000, "not valid JSON"),
        ("{", "not valid JSON"),
        ("1" * 5000, "not valid JSON"),
    ],
)
def test_hostile_json_is_refused_with_its_fault(text: str, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        f.parse_json(text)


def test_oversized_json_is_refused_before_it_is_read(tmp_path: Path) -> None:
    big = tmp_path / "big.json"
    with big.open("wb") as file:
        file.truncate(f.MAX_JSON_BYTES + 1)
    with pytest.raises(FileFormatError, match="at most"):
        f.read_json(big)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"there is no file .*a\.json"):
        f.read_json(tmp_path / "a.json")
    with pytest.raises(FileFormatError, match="there is no file"):
        f.read_parquet(tmp_path)


def test_write_and_read_back(tmp_path: Path) -> None:
    path = f.write_json(tmp_path / "deep" / "a.json", {"b": [1, 2.5]})
    assert f.read_json(path) == {"b": [1, 2.5]}
    assert os.listdir(path.parent) == ["a.json"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        f.write_json(path, float("nan"))
    assert f.read_json(path) == {"b": [1, 2.5]}


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f.write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(FileFormatError, match=r"cannot write .*a\.txt \(disk full\); name a file"):
        f.write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_parquet_round_trip_and_damage(tmp_path: Path) -> None:
    table = pa.table({"x": [1, 2, 3]})
    path = f.write_parquet(tmp_path / "t.parquet", table)
    assert f.read_parquet(path).equals(table)
    with pytest.raises(FileFormatError, match="3 rows; at most 2"):
        f.read_parquet(path, max_rows=2)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(FileFormatError, match="not a readable Parquet file"):
        f.read_parquet(path)


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    inside = f.write_text(tmp_path / "f", "") / "a"
    for write, value in ((f.write_json, {}), (f.write_parquet, pa.table({"x": [1]}))):
        with pytest.raises(FileFormatError, match=r"cannot write .*/f/a \(.*\); name a file in a folder"):
            write(inside, value)  # type: ignore[operator]


def test_kill_during_writing_never_leaves_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    f.write_json(path, {"i": -1})
    program = (
        "import sys; from tradewind.core.files import write_json\n"
        "i = 0\n"
        "while True: write_json(sys.argv[1], {'i': i, 'pad': 'x' * 20000}); print(i, flush=True); i += 1"
    )
    for _ in range(5):
        child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        said = [int(child.stdout.readline()) for _ in range(3)]
        child.kill()
        child.wait()
        child.stdout.close()
        assert f.read_json(path)["i"] >= said[-1]

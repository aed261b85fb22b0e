from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import UsageError
from tradewind.training import TokenData, data, prepare


def test_the_tokens_of_bytes_are_the_documents_each_ended_by_nul(text: TokenData, corpus: Path) -> None:
    whole = {file.read_bytes() for file in corpus.iterdir()}
    both = [bytes(text.tokens(split).astype(np.uint8)) for split in ("train", "validation")]
    parts = [part for joined in both for part in joined.split(b"\0")[:-1]]
    assert set(parts) == whole
    assert len(parts) == len(whole)
    assert text.length("train") == len(both[0])
    counted = sum(len(part) for part in both[0].split(b"\0"))
    assert text.bytes_per_token("train") == pytest.approx(counted / len(both[0]))
    assert text.words_per_token("train") == pytest.approx(len(both[0].replace(b"\0", b" ").split()) / len(both[0]))


def test_a_batch_is_text_and_the_text_one_token_on(text: TokenData) -> None:
    inputs, targets = text.batch("train", 7, batch_size=5, length=33, seed=3)
    assert inputs.shape == targets.shape == (5, 33)
    assert inputs.dtype == targets.dtype == np.int64
    assert np.array_equal(inputs[:, 1:], targets[:, :-1])
    joined = bytes(text.tokens("train").astype(np.uint8))
    for row, last in zip(inputs, targets[:, -1], strict=True):
        assert bytes(row.astype(np.uint8)) + bytes([last]) in joined


def test_batches_are_a_pure_function_of_seed_and_step(text: TokenData) -> None:
    def starts(step: int, seed: int) -> list[bytes]:
        return [row.tobytes() for row in text.batch("train", step, batch_size=4, length=24, seed=seed)[0]]

    again = TokenData(text.folder)
    assert np.array_equal(
        again.batch("train", 5, batch_size=4, length=24)[1], text.batch("train", 5, batch_size=4, length=24)[1]
    )
    drawn = [tuple(starts(step, seed)) for step, seed in itertools.product(range(3), range(3))]
    assert len(set(drawn)) == len(drawn)


def test_batches_reach_every_place(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(map(chr, range(33, 127))) * 2)
    small = prepare(str(tmp_path / "a.txt"), cache=tmp_path / "cache")
    length = small.length("train") - 4
    seen = {row.tobytes() for step in range(20) for row in small.batch("train", step, batch_size=4, length=length)[0]}
    assert len(seen) == 4


@given(batch_size=st.integers(1, 5), length=st.integers(1, 700), limit=st.none() | st.integers(1, 4))
def test_windows_do_not_overlap_and_follow_the_text(
    text: TokenData, batch_size: int, length: int, limit: int | None
) -> None:
    rows = [
        (tuple(x), tuple(y))
        for inputs, targets in text.windows("validation", batch_size=batch_size, length=length, limit=limit)
        for x, y in zip(inputs.tolist(), targets.tolist(), strict=True)
    ]
    tokens = text.tokens("validation").astype(np.int64)
    every = [
        (tuple(tokens[i : i + length].tolist()), tuple(tokens[i + 1 : i + length + 1].tolist()))
        for i in range(0, len(tokens) - length, length)
    ]
    if limit is None:
        assert rows == every
    else:
        assert len(rows) == min(len(every), limit * batch_size)
        position = -1
        for row in rows:  # in order, none twice
            position = every.index(row, position + 1)


def test_lanes_go_on_where_the_step_before_ended(text: TokenData) -> None:
    def lanes(step: int) -> tuple[np.ndarray, np.ndarray]:
        return text.lanes("train", step, batch_size=3, length=50, seed=1)

    windows = (text.length("train") - 1) // 50
    joins = 0
    for step in range(windows):
        joins += int(sum(lanes(step)[1][:, -1] == lanes(step + 1)[0][:, 0]))
    assert joins >= 3 * windows - 3  # each row jumps once, from the end to the front
    assert np.array_equal(lanes(0)[0], lanes(windows)[0])
    read = {row.tobytes() for step in range(windows) for row in lanes(step)[0][:1]}
    assert read == {text.tokens("train")[i * 50 : i * 50 + 50].astype(np.int64).tobytes() for i in range(windows)}


@pytest.mark.parametrize("call", ["batch", "lanes", "windows"])
def test_too_little_text_for_a_window_is_refused(text: TokenData, call: str) -> None:
    step = () if call == "windows" else (0,)
    with pytest.raises(UsageError, match=r"too few for a window of 1000000 .* use a shorter length"):
        list(getattr(text, call)("train", *step, batch_size=1, length=1_000_000))
    with pytest.raises(UsageError, match="unknown split 'valid': did you mean 'validation'"):
        text.length("valid")


def test_made_once_and_the_same_whatever_the_names(corpus: Path, tmp_path: Path) -> None:
    first = prepare(str(corpus), cache=tmp_path)
    written = (first.folder / "manifest.json").stat().st_mtime_ns
    assert (prepare(str(corpus), cache=tmp_path).folder / "manifest.json").stat().st_mtime_ns == written
    renamed = tmp_path / "renamed"
    (renamed / "deep").mkdir(parents=True)
    for file in corpus.iterdir():
        (renamed / "deep" / f"{len(file.name)}{file.name}").write_bytes(file.read_bytes())
    assert prepare(str(renamed), cache=tmp_path).hash == first.hash
    (renamed / "more.txt").write_text("one line more\n")
    assert prepare(str(renamed), cache=tmp_path).hash != first.hash


def test_a_torn_file_is_noticed_and_unfinished_work_leaves_nothing(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_room(path: Path, *_: object) -> dict[str, int]:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(data, "_write", out_of_room)
        with pytest.raises(UsageError, match=r"No space left.*TRADEWIND_CACHE"):
            prepare(str(corpus), cache=tmp_path)
    assert list((tmp_path / "tokens").iterdir()) == []
    made = prepare(str(corpus), cache=tmp_path)
    with (made.folder / "train.bin").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(UsageError, match=r"not whole; delete .*it is made again"):
        prepare(str(corpus), cache=tmp_path)

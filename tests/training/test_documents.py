from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import UsageError
from tradewind.training.documents import Chosen, Document, choose, documents


def of(texts: list[bytes]) -> list[Document]:
    return [Document(str(i), lambda text=text: text) for i, text in enumerate(texts)]  # type: ignore[misc]


def read(chosen: list[Chosen], split: str) -> list[bytes]:
    return [c.document.read() for c in chosen if c.split == split]


@given(st.lists(st.integers(1, 400), min_size=2, max_size=60, unique=True), st.randoms())
def test_every_document_is_in_one_split_by_its_content(sizes: list[int], random: object) -> None:
    texts = [b"x" * size for size in sizes]
    chosen = choose(of(texts), "t")
    assert sorted(c.document.read() for c in chosen) == sorted(texts)
    train, held = read(chosen, "train"), read(chosen, "validation")
    assert train
    assert held
    smallest = min(map(len, texts))
    assert sum(map(len, held)) <= max(0.05 * sum(sizes), smallest)
    random.shuffle(texts)  # type: ignore[attr-defined]
    assert sorted(read(choose(of(texts), "t"), "validation")) == sorted(held)
    assert all(c.digest == hashlib.sha256(c.document.read()).hexdigest() and c.size > 0 for c in chosen)


def test_equal_documents_count_once_and_held_out_text_never_trains() -> None:
    train, held = b"the same text\n", b"held out by the source\n"
    chosen = choose(
        [
            Document("a", lambda: train),
            Document("b", lambda: train),
            Document("c", lambda: held),
            Document("d", lambda: held, "validation"),
        ],
        "t",
    )
    assert read(chosen, "train") == [train]
    assert read(chosen, "validation") == [held]


def test_one_document_is_cut_at_a_line() -> None:
    text = b"".join(b"line %d\n" % i for i in range(100))
    chosen = choose(of([text]), "t")
    (train,), (held,) = read(chosen, "train"), read(chosen, "validation")
    assert train + held == text
    assert train.endswith(b"\n")
    assert 0.03 < len(held) / len(text) < 0.08
    unbroken = choose(of([b"y" * 1000]), "t")
    assert [len(part) for part in read(unbroken, "validation")] == [50]
    far = choose(of([b"y" * 600 + b"\n" + b"y" * 400]), "t")
    assert [len(part) for part in read(far, "validation")] == [51], "a line's end far away does not count"


@pytest.mark.parametrize("text", ["\u00e9" * 501, "\u20ac" * 501, "\U0001f600" * 501, "a" + "\U0001f600" * 77])
def test_no_character_is_cut(text: str) -> None:
    chosen = choose(of([text.encode()]), "t")
    assert "".join(read(chosen, split)[0].decode() for split in ("train", "validation")) == text


def test_a_source_without_text_to_train_on_is_told() -> None:
    held = [Document("a", lambda: b"held out", "validation"), Document("b", lambda: b"held out", "train")]
    with pytest.raises(UsageError, match="'t' has no text to train on"):
        choose(held, "t")


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(f"{name}: some text\n")
    found = documents(str(tmp_path))
    (tmp_path / "b.txt").unlink()
    with pytest.raises(UsageError, match=r"b\.txt cannot be read \(No such file"):
        choose(found, "t")


def test_what_is_no_text_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("plain\n" * 9)
    (tmp_path / "b.bin").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "c.bin").write_bytes(b"zero \0 inside")
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("hidden\n")
    found = documents(str(tmp_path))
    assert [d.name for d in found] == ["a.txt", "b.bin", "c.bin", "empty"]
    assert {c.document.name.split()[0] for c in choose(found, "t")} == {"a.txt"}
    with pytest.raises(UsageError, match="holds no UTF-8 text"):
        choose(documents(str(tmp_path / "b.bin")), str(tmp_path / "b.bin"))


def test_the_standard_library() -> None:
    names = {d.name for d in documents("stdlib")}
    assert {"json/decoder.py", "ast.py", "asyncio/tasks.py"} <= names
    assert not any("site-packages" in n or "/test/" in n or n.startswith("_sysconfigdata") for n in names)
    by_name = {d.name: d for d in documents("stdlib")}
    assert by_name["json/decoder.py"].read() == Path(json.decoder.__file__).read_bytes()


def test_a_source_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match=r"no text 'nowhere.txt'; give a text file, .* stdlib .* hf:NAME"):
        documents("nowhere.txt")


def test_a_dataset_with_its_own_validation_text(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {"train": ["one", "two", "held"], "validation": ["held"], "test": ["three"]}
    made = {k: datasets.Dataset.from_dict({"title": ["t"] * len(v), "text": v}) for k, v in rows.items()}
    asked: list[object] = []

    def load(*name: object) -> object:
        asked.append(name)
        return datasets.DatasetDict(made)

    monkeypatch.setattr(datasets, "load_dataset", load)
    chosen = choose(documents("hf:some/text:small"), "hf")
    assert asked == [("some/text", "small")]
    assert sorted(read(chosen, "train")) == [b"one", b"two"]
    assert read(chosen, "validation") == [b"held"]

    def fail(*_: object) -> object:
        raise RuntimeError("not on the hub")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(UsageError, match=r"dataset 'no/such' cannot be loaded \(not on the hub\); check the name"):
        documents("hf:no/such")


def test_the_extra_for_datasets_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r"pip install 'tradewind\[hf\]'"):
        documents("hf:any")

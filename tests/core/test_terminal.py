from __future__ import annotations

import pytest

from tradewind.core.terminal import console


def test_text_is_printed_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    text = "runs/m[/x] [red]z [enforce fail at alloc_cpu.cpp:127] :smile:"
    console().print(text)
    console(err=True).print(text)
    assert capsys.readouterr() == (f"{text}\n", f"{text}\n")

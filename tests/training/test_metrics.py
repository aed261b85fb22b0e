from __future__ import annotations

from pathlib import Path

import pytest

from tradewind.core import UsageError
from tradewind.training.divergence import WINDOW, Watch
from tradewind.training.metrics import FILE, Metrics, read


def test_rows_come_back_up_to_a_step_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    log = Metrics(tmp_path)
    rows = [{"step": step, "loss": 0.1 + step / 3} for step in range(1, 6)]
    for row in rows:
        log.add(row)
    log.sync()
    log.close()
    with (tmp_path / FILE).open("a") as file:
        file.write('{"step": 6, "lo')
    assert read(tmp_path / FILE) == rows
    again = Metrics(tmp_path)
    again.restore(3)
    again.add({"step": 4, "loss": 9.0})
    again.close()
    assert read(tmp_path / FILE) == [*rows[:3], {"step": 4, "loss": 9.0}] == again.rows
    silent = Metrics(tmp_path, writes=False)
    silent.restore(2)
    silent.add({"step": 3, "loss": 8.0})
    assert silent.rows == [*rows[:2], {"step": 3, "loss": 8.0}]
    assert read(tmp_path / FILE) == again.rows


def test_what_is_no_row_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"loss": 1}\n')
    with pytest.raises(UsageError, match=r"line 1 of .* is no row of metrics"):
        read(tmp_path / FILE)
    Metrics(None).restore(3)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_at_once(loss: float) -> None:
    assert Watch(0).add(loss) == f"the loss is {loss}"


def test_a_lasting_rise_stops_and_one_bad_batch_does_not() -> None:
    watch = Watch(1.0)
    assert not any(watch.add(5.0 - step / 100) for step in range(50))
    assert not watch.add(12.0)
    assert not any(watch.add(4.5) for _ in range(50))
    assert any(watch.add(6.0) for _ in range(WINDOW))
    never = Watch(0.0)
    assert not any(never.add(loss) for loss in [1.0] * 20 + [1e9] * 20)

from __future__ import annotations

import re
from pathlib import Path

from tradewind import studies
from tradewind.studies.clock import now_text, seconds

CLOCKS = re.compile(r"\btime\.(time|monotonic|perf_counter|process_time)\b|datetime\.(now|utcnow|today)|\bdate\.today")


def test_clocks_are_read_in_one_file_only() -> None:
    readers = {p.name for p in Path(studies.__file__).parent.glob("*.py") if CLOCKS.search(p.read_text())}
    assert readers == {"clock.py"}


def test_durations_do_not_run_backwards_and_times_have_a_zone() -> None:
    assert seconds() <= seconds()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", now_text())

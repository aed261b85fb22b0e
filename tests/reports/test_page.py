from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from tests.reports.payloads import PAYLOAD, hostile_study
from tests.reports.synthetic import study
from tests.reports.test_markup import Reader
from tests.waiting import PATIENCE

from tradewind.reports.machine import document
from tradewind.reports.page import ASSETS, render
from tradewind.reports.sections import study_sections

DATA = study(60)
PAGE = render(DATA.name, DATA.lead, study_sections(DATA), document(DATA))
SCRIPTS = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def without_library(page: str) -> str:
    return SCRIPTS.sub("", page)


def embedded(page: str, identifier: str) -> object:
    match = re.search(rf'<script type="application/json" id="{identifier}">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    return json.loads(match[1])


def test_it_loads_nothing() -> None:
    reader = Reader(without_library(PAGE))
    for tag, attributes in reader.tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttpRequest|WebSocket", without_library(PAGE))
    script = (ASSETS / "page.js").read_text()
    assert not re.search(r"https?:|fetch|XMLHttpRequest|WebSocket|import\(|eval|innerHTML", script)
    assert "showSendToCloud: false" in script


def test_the_policy_allows_the_two_scripts_and_nothing_else() -> None:
    policy = next(a["content"] for t, a in Reader(without_library(PAGE)).tags if a.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy
    hashes = re.findall(r"'sha256-([^']+)'", policy)
    scripts = SCRIPTS.findall(PAGE)
    assert len(scripts) == 2
    assert [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts] == hashes
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")


def test_tags_are_closed_and_ids_are_unique() -> None:
    page = without_library(PAGE)
    reader = Reader(page)
    opened = Counter(tag for tag, _ in reader.tags if tag not in {"meta", "br", "input"})
    assert opened == Counter(re.findall(r"</([a-z0-9]+)>", page))
    ids = [a["id"] for _, a in reader.tags if "id" in a]
    assert len(ids) == len(set(ids))
    targets = {(a.get("href") or "")[1:] for t, a in reader.tags if t == "a"}
    assert targets <= set(ids)


def test_json_on_the_page_is_the_report() -> None:
    assert embedded(PAGE, "report") == json.loads(json.dumps(document(DATA)))
    charts = embedded(PAGE, "charts")
    assert isinstance(charts, list)
    places = [a["data-chart"] for _, a in Reader(without_library(PAGE)).tags if "data-chart" in a]
    assert [chart["id"] for chart in charts] == places


def test_the_table_has_every_architecture_with_its_buttons() -> None:
    tags = Reader(without_library(PAGE)).tags
    for action in ("copy", "save"):
        ranks = [a[f"data-{action}"] for _, a in tags if f"data-{action}" in a and a[f"data-{action}"] != "all"]
        assert ranks == [str(rank) for rank in range(1, len(DATA.frontier) + 1)]


def test_hostile_text_stays_text() -> None:
    data = hostile_study()
    page = without_library(render(data.name, data.lead, study_sections(data), document(data)))
    reader, honest = Reader(page), Reader(without_library(PAGE))
    assert {tag for tag, _ in reader.tags} <= {tag for tag, _ in honest.tags}
    assert reader.comments == 0
    for _, attributes in reader.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert not {"src", "srcset", "xlink:href"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert PAYLOAD in reader.text
    report = embedded(page, "report")
    assert isinstance(report, dict)
    assert report["run"] == PAYLOAD


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_browser_draws_every_chart_under_the_policy(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(PAGE)
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--enable-logging=stderr",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=8000", "--dump-dom",
        f"file://{tmp_path / 'report.html'}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert "Content Security Policy" not in done.stderr
    assert "Uncaught" not in done.stderr
    drawn = re.findall(r'<figure data-chart="([^"]+)">.*?class="plot js-plotly-plot"', done.stdout, re.DOTALL)
    charts = embedded(PAGE, "charts")
    assert isinstance(charts, list)
    assert drawn == [chart["id"] for chart in charts]

from __future__ import annotations

import json
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from tests.reports.payloads import PAYLOAD

from tradewind.reports.markup import Markup, el, join, json_script


class Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.comments = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments += 1


@given(st.text() | st.just(PAYLOAD))
def test_text_and_attributes_come_back_as_they_went_in(text: str) -> None:
    text = text.replace("\r", "").replace("\x00", "")
    reader = Reader(el("p", text, title=text))
    assert reader.tags == [("p", {"title": text})]
    assert reader.text == text
    assert reader.comments == 0


@given(st.text() | st.just(PAYLOAD))
def test_json_blocks_hold_their_value_and_nothing_else(text: str) -> None:
    block = json_script("data", {"key": text, text: [text]})
    reader = Reader(block + el("p", "after"))
    assert [tag for tag, _ in reader.tags] == ["script", "p"]
    inside = block.removeprefix('<script type="application/json" id="data">').removesuffix("</script>")
    assert not set("<>&\u2028\u2029") & set(inside)
    assert json.loads(inside) == {"key": text, text: [text]}


def test_markup_is_not_escaped_twice_and_attributes_follow_their_rules() -> None:
    assert el("p", el("b", "<"), Markup("<i>x</i>"), None) == "<p><b>&lt;</b><i>x</i></p>"
    assert (
        el("input", hidden=True, value=None, class_="a", data_x_y="1", disabled=False)
        == '<input hidden class="a" data-x-y="1">'
    )
    assert join("<", Markup("<br>")) == "&lt;<br>"

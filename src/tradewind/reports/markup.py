"""HTML built from elements, so that text is escaped unless it was built here, and JSON no HTML parser can misread."""

from __future__ import annotations

import html
from typing import Any

from tradewind.core.files import canonical_json

VOID = frozenset({"meta", "br", "hr", "img", "input", "link"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def el(tag: str, *children: str | Markup | None, **attributes: str | bool | None) -> Markup:
    """An element. Children and attribute values that are not `Markup` are escaped; None is left out.

    A trailing underscore in an attribute's name is dropped and others become hyphens: ``class_``, ``data_chart``.

    >>> el("p", "a < b", el("br"), title='"', hidden=True)
    '<p title="&quot;" hidden>a &lt; b<br></p>'
    """
    parts = []
    for name, value in attributes.items():
        name = name.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(f" {name}")
        elif value is not None and value is not False:
            parts.append(f' {name}="{html.escape(value)}"')
    inside = join(*children)
    return Markup(f"<{tag}{''.join(parts)}>" + ("" if tag in VOID else f"{inside}</{tag}>"))


def join(*children: str | Markup | None) -> Markup:
    """Children side by side, escaped like those of `el`."""
    texts = (c if isinstance(c, Markup) else html.escape(c, quote=False) for c in children if c is not None)
    return Markup("".join(texts))


def json_script(identifier: str, value: Any) -> Markup:
    """A data block that cannot end early or open a comment: every <, >, &, U+2028 and U+2029 is a JSON escape.

    >>> "<" in json_script("x", "</script>")[:-9].partition(">")[2]
    False
    """
    text = canonical_json(value)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" id="{html.escape(identifier)}">{text}</script>')

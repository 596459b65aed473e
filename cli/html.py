"""A page of HTML, built so that nothing that came in can become markup."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from .render import as_text, visible

VOID: Final = frozenset({"meta", "line", "rect", "path", "col"})
"""Elements without content, of HTML and of SVG."""

_TURNING: Final = {
    code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
"""Signs that turn the direction of text, so that it reads as something else than it is."""


class Html(str):
    """Markup that is made already; any other text is escaped wherever it is put."""

    __slots__ = ()


Content = str | int | Iterable["str | int | Html"]


def tag(name: str, /, *content: Content, **attributes: object) -> Html:
    """An element.

    Args:
        name: of the element.
        content: text, which is escaped, or elements.
        attributes: those that are None are left out; ``class_`` is ``class``, ``_`` is a hyphen.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Html(f"<{name}{written}>" if name in ("meta", "col") else f"<{name}{written}/>")
    return Html(f"<{name}{written}>{joined(content)}</{name}>")


def joined(content: Iterable[Content]) -> Html:
    """Contents one after the other."""
    return Html("".join(_one(each) for each in content))


def escaped(text: str) -> str:
    """Text as it stands in a page, also between quotes; what cannot be seen is spelled out."""
    return html.escape(visible(text).translate(_TURNING))


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[Content]],
    *,
    numbers: Collection[int] = (),
    short: Collection[int] = (),
    dense: bool = False,
) -> Html:
    """A table whose head is repeated on every printed page.

    Args:
        head: the columns' names.
        rows: what stands in them.
        numbers: the columns with numbers, from 0; they are set to the right.
        short: those that stay on one line, as numbers do; text in the others may be of any length.
        dense: whether it needs smaller letters to fit on paper.
    """
    classes = ["number" if i in numbers else "short" if i in short else None
               for i in range(len(head))]  # fmt: skip

    def line(element: str, cells: Sequence[Content]) -> Html:
        pairs = zip(cells, classes, strict=True)
        return tag("tr", [tag(element, cell, class_=name) for cell, name in pairs])

    body = tag("tbody", [line("td", row) for row in rows])
    made = tag("table", tag("thead", line("th", head)), body, class_="dense" if dense else None)
    return tag("div", made, class_="wide")


def facts(pairs: Iterable[tuple[str, Content | None]]) -> Html:
    """Names and values; those without a value are left out."""
    shown = [(name, value) for name, value in pairs if value not in (None, "")]
    return tag("dl", [joined((tag("dt", name), tag("dd", value or ""))) for name, value in shown])


def pairs(values: Mapping[str, Any]) -> str:
    """Names and JSON values on one line."""
    return ", ".join(f"{name}={as_text(value)}" for name, value in values.items())


def state_tag(state: str) -> Html:
    """A state, in its colour."""
    return tag("span", state, class_=f"state {state}")


def _one(content: Content) -> str:
    if isinstance(content, Html):
        return content
    if isinstance(content, str | int):
        return escaped(str(content))
    return joined(content)

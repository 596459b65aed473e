"""How a command's help looks: titles, and two columns that line up."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

MAX_WIDTH = 100
MAX_LABEL = 28


class Formatter:
    """Renders the parts of a help page; cyclopts calls it for each."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """One titled list of commands, arguments or options."""
        entries = [(_label(entry), _description(entry)) for entry in panel.entries]
        if not entries:
            return
        _write(console, f"\n{panel.title}:", style="bold")
        width = min(MAX_LABEL, max(len(label) for label, _ in entries))
        for label, description in entries:
            _write(console, _columns(label, description, width, min(options.max_width, MAX_WIDTH)))

    def render_usage(self, console: Console, _options: ConsoleOptions, usage: Any) -> None:
        """The line that says how the command is typed."""
        line = _plain(usage).strip().removeprefix("Usage:").strip()
        _write(console, f"Usage: {line}\n")

    def render_description(
        self, console: Console, options: ConsoleOptions, description: Any
    ) -> None:
        """What the command does."""
        width = min(options.max_width, MAX_WIDTH)
        paragraphs = _plain(description).strip().split("\n\n")
        filled = (textwrap.fill(" ".join(each.split()), width) for each in paragraphs)
        _write(console, "\n\n".join(filled))


def _columns(label: str, description: str, width: int, total: int) -> str:
    if not description:
        return f"  {label}"
    indent = " " * (width + 4)
    first = f"  {label:<{width}}  " if len(label) <= width else f"  {label}\n{indent}"
    lines = textwrap.wrap(description, max(total - len(indent), 20))
    return first + f"\n{indent}".join(lines)


def _label(entry: HelpEntry) -> str:
    labels = entry.display_labels_with_metavar
    return ", ".join(sorted(labels, key=lambda label: not label.startswith("--")))


def _description(entry: HelpEntry) -> str:
    parts = [_plain(entry.description).strip()]
    if entry.choices:
        parts.append(f"[{', '.join(entry.choices)}]")
    if entry.required and not entry.positional_label:
        parts.append("(required)")
    return " ".join(part for part in parts if part)


def _plain(renderable: Any) -> str:
    """The text of whatever cyclopts hands over."""
    if renderable is None:
        return ""
    for attribute in ("plain", "primary_renderable"):
        inner = getattr(renderable, attribute, None)
        if inner is not None:
            return inner if isinstance(inner, str) else _plain(inner)
    return str(renderable)


def _write(console: Console, text: str, style: str | None = None) -> None:
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

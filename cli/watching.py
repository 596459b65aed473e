"""Following runs: a picture on a terminal, else a line for each change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .render import for_people, say, stdout, write_json_line, write_line
from .standing import unfinished
from .status import states_table
from .tables import table

if TYPE_CHECKING:
    from ..storage.store import Store


def follow(store: Store, word: str | None, *, every_seconds: float, json: bool) -> None:
    """Show how the runs stand until none of them is running."""
    followed = [word] if word else _running(store)
    if not followed:
        say("No run is running.")
        return
    looks = _looks(store, followed, every_seconds)
    if for_people() and not json:
        _picture(looks)
        return
    seen: dict[str, dict[str, Any]] = {}
    for states in looks:
        for state in states:
            if seen.get(state["run"]) != state:
                seen[state["run"]] = state
                write_json_line(state) if json else write_line(_line(state))


def _looks(
    store: Store, followed: list[str], every_seconds: float
) -> Iterator[list[dict[str, Any]]]:
    """One look after the other; the last one shows how the runs ended."""
    while True:
        states = [state for name in followed for state in unfinished(store, name)]
        yield states
        if all(state["state"] != "running" or state["alive"] is False for state in states):
            return
        time.sleep(every_seconds)


def _running(store: Store) -> list[str]:
    return [state["run"] for state in unfinished(store, None) if state["state"] == "running"]


def _picture(looks: Iterator[list[dict[str, Any]]]) -> None:
    from rich.live import Live

    with Live(console=stdout(), auto_refresh=False) as live:
        for states in looks:
            live.update(table(*states_table(states)), refresh=True)


def _line(state: dict[str, Any]) -> str:
    percent = f" {state['percent']:.0f}%" if state["percent"] is not None else ""
    return (
        f"{state['run']} {state['state']}{percent}: {state['read']} read, {state['failed']} failed"
    )

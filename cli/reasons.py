"""Why a run stands still, in words. Events and documents hold a code; people read a sentence."""

from __future__ import annotations

from typing import Final

_CODES: Final = {
    "limit": "it worked on as many records as --limit allows",
    "SIGINT": "SIGINT (Ctrl-C) interrupted it",
    "SIGTERM": "SIGTERM asked its process to end",
}
_BEGINNINGS: Final = {
    "requested: ": "somebody asked it to stop: ",
    "keys: ": "it worked on the chosen keys alone: ",
}


def why(state: str, message: str | None) -> str:
    """Why a run stopped, also if it was reversed since, or the error of one that failed.

    Empty where there is nothing to say.

    Args:
        state: the run's.
        message: as its document has it.
    """
    if message is None or state in ("failed", "abandoned"):
        return message or ""
    for beginning, words in _BEGINNINGS.items():
        if message.startswith(beginning):
            return words + message.removeprefix(beginning)
    return _CODES.get(message, message)

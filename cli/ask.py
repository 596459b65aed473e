"""Questions. They are asked on a terminal only: a script must say --yes beforehand."""

from __future__ import annotations

import sys

from ..domain.errors import NotAllowedError, UsageError


def confirm(question: str, *, yes: bool) -> None:
    """Go on if the answer is yes.

    Raises:
        UsageError: there is no terminal to ask at, and no ``--yes``.
        NotAllowedError: the answer is no.
    """
    from .render import stderr

    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{question} There is no terminal to ask at: add --yes to mean it.")
    answer = stderr().input(f"{question} [y/N] ", markup=False)
    if answer.strip().lower() not in ("y", "yes"):
        raise NotAllowedError("nothing was done.")

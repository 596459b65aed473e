"""``storno stop`` and ``storno abandon``."""

from __future__ import annotations

from typing import Annotated

from .errors import DONE
from .options import ACTING, Acting, command, note

RunWord = Annotated[str, note("A run as 'storno runs' prints it, the start of one, or last")]


@command("stop", "storno stop payments/2026-01 --reason 'wrong file delivered'")
def stop(
    run: RunWord,
    /,
    *,
    reason: Annotated[str, note("Why; it is recorded", metavar="TEXT")],
    acting: Acting = ACTING,
) -> int:
    """Ask a running run to stop at the end of its chunk.

    What it committed stays; storno resume goes on from there.
    """
    from ..execution.runner import stop_run
    from .find import find_run
    from .render import say, typed, write_json
    from .session import authorized, open_project, opened

    project = open_project(acting)
    with opened(project) as store:
        found = find_run(store, run)
        actor = authorized(project, acting, "stop", str(found.id))
        stop_run(store, found.id, actor, reason)
    if acting.json:
        write_json({"run": str(found.id), "stop_requested": True, "reason": reason})
    else:
        say(f"Asked {found.id} to stop; it does at the end of its chunk.")
        say(f"See whether it has: {typed('status', str(found.id))}")
    return DONE


@command("abandon", "storno abandon payments/2026-01 --reason 'replaced by a corrected file' --yes")
def abandon(
    run: RunWord,
    /,
    *,
    reason: Annotated[str, note("Why; it is recorded", metavar="TEXT")],
    yes: Annotated[bool, note("Do not ask", name=("--yes", "-y"))] = False,
    acting: Acting = ACTING,
) -> int:
    """End a run for good; it can never be resumed.

    What it posted stays posted. A run that somebody works on is refused: stop it first.
    """
    from ..execution.runner import abandon_run
    from .ask import confirm
    from .find import find_run
    from .render import say, write_json
    from .session import authorized, open_project, opened

    project = open_project(acting)
    with opened(project) as store:
        found = find_run(store, run)
        actor = authorized(project, acting, "abandon", str(found.id))
        question = f"Abandon {found.id}, which is {found.state}? It can never be resumed."
        confirm(question, yes=yes)
        abandon_run(store, found.id, actor, reason)
    if acting.json:
        write_json({"run": str(found.id), "state": "abandoned", "reason": reason})
    else:
        say(f"Abandoned {found.id}.")
    return DONE

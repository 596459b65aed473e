"""Checkpoints that storno.toml asks for, taken when a command has done its work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import DEAD_LETTERS, DONE, report

if TYPE_CHECKING:
    from ..execution.checkpoints import Checkpoints
    from ..execution.project import Project
    from ..storage.store import Store
    from .options import Output


def ready(project: Project, store: Store) -> Checkpoints | None:
    """What is to be taken at the end, None for nothing; found out before anything is posted.

    Raises:
        UsageError: it could not be taken as things are.
    """
    checkpoints = project.checkpoints
    if checkpoints is not None:
        checkpoints.check(store.store_id)
    return checkpoints


def finish(checkpoints: Checkpoints | None, store: Store, code: int, output: Output) -> int:
    """Take the checkpoint, if there is one to be taken, and say so.

    What the command has done stays done, whatever comes of it; the exit code tells where nothing
    worse does.

    Args:
        code: the exit code of what was done.
    """
    from ..domain.errors import StornoError
    from .render import counted, say

    if checkpoints is None:
        return code
    try:
        taken = checkpoints.take(store)
    except StornoError as error:
        say("All of this is committed and stays, but its checkpoint is not kept as it should be:")
        failed = report(error, ["--debug"] if output.debug else [])
        return failed if code in (DONE, DEAD_LETTERS) else code
    places = ", ".join(map(str, checkpoints.places))
    say(f"Checkpoint of {counted(taken.size, 'commit')} kept: {places}")
    return code

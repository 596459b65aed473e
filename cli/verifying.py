"""``storno audit verify``: whether the log is what was written, told by its hashes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from .errors import CHECK_FAILED, DONE
from .options import COMMON, Common, command, note

if TYPE_CHECKING:
    from ..storage.store import Store
    from .verification_pages import Found, Kept


@command(
    "verify",
    "storno audit verify",
    "storno audit verify --checkpoint january.checkpoint --key storno.pub",
    "storno audit verify --since yesterday.checkpoint --json",
)
def verify(
    *,
    checkpoint: Annotated[
        tuple[Path, ...],
        note(
            "See that the log extends this checkpoint; may be given several times", metavar="FILE"
        ),
    ] = (),
    since: Annotated[
        Path | None,
        note(
            "Read only what came after this checkpoint, which the log must extend", metavar="FILE"
        ),
    ] = None,
    key: Annotated[
        Path | None,
        note("The public key that must have signed the checkpoints", metavar="PUBLIC"),
    ] = None,
    events_only: Annotated[
        bool, note("Leave out the comparison of the views with the events")
    ] = False,
    common: Common = COMMON,
) -> int:
    """Read every event and every commit, recompute every hash, and compare the views.

    Names the first commit, event and field that are not as they were written, and exits with 5.
    Who could write everything could also compute every hash anew: that is found by a checkpoint
    that was kept elsewhere.
    """
    from ..domain.errors import CheckFailedError, UsageError
    from .render import write_json
    from .session import open_project, opened
    from .verification_pages import kept_of, tell_refused, write_found

    if key is not None and not checkpoint and since is None:
        raise UsageError("--key checks the signature of a checkpoint: name one with --checkpoint.")
    try:
        kept = tuple(kept_of(file, key) for file in checkpoint)
        start = None if since is None else kept_of(since, key)
    except CheckFailedError as error:
        if not common.json:
            raise
        return tell_refused(error)
    with opened(open_project(common)) as store:
        found = _verified(store, kept, start, with_views=not events_only)
    if common.json:
        write_json(found.document)
    else:
        write_found(found)
    return CHECK_FAILED if found.total else DONE


def _verified(
    store: Store, kept: tuple[Kept, ...], since: Kept | None, *, with_views: bool
) -> Found:
    """Read the log, and where it holds, compare the views with it."""
    from ..storage.verification.verify import verify as read_all
    from ..storage.verification.views import view_problems
    from .progress import steps
    from .verification_pages import Found

    compares = with_views and since is None
    with steps("verifying the log") as step:
        log = read_all(
            store,
            checkpoints=[each.checkpoint for each in kept],
            since=None if since is None else since.checkpoint,
            progress=step,
        )
    if log.total or not compares:
        return Found(log, kept, since)
    with steps("comparing the views") as step:
        problems, total = view_problems(store.log, step)
    return Found(log, kept, since, view_problems=tuple(problems), views_that_differ=total)

"""``storno forget``: what is stored of a person becomes unreadable, and stays provable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from .errors import DONE
from .options import ACTING, Acting, command, note

if TYPE_CHECKING:
    from ..execution.project import Project


@command(
    "forget",
    "storno forget supplier_id=S-12 --reason 'asked by letter of 3 March'",
    "storno forget S-12 --reason 'asked by letter of 3 March' --yes",
    "storno forget S-12 --reason 'asked by letter of 3 March' --dry-run",
)
def forget(
    subject: Annotated[
        str, note("Whom: FIELD=VALUE, or the value alone where only one field has it")
    ],
    /,
    *,
    reason: Annotated[str, note("Why; it is recorded", metavar="TEXT")],
    dry_run: Annotated[bool, note("Say who is meant, and write nothing", name="--dry-run")] = False,
    yes: Annotated[bool, note("Do not ask", name=("--yes", "-y"))] = False,
    acting: Acting = ACTING,
) -> int:
    """Destroy the key of somebody's personal fields: nobody can read those any more.

    The events stay as they are and can be verified; amounts and balances do not change. What is
    delivered of the same person later has a new key.
    """
    from ..domain.errors import UsageError
    from ..execution.forgetting import find_subject, forget_subject
    from .ask import confirm
    from .render import say, write_json
    from .session import authorized, open_project, opened

    if not reason.strip():
        raise UsageError("forgetting needs a reason: add --reason TEXT.")
    project = open_project(acting)
    with opened(project) as store:
        found = find_subject(store, subject, _fields(project))
        if not dry_run:
            actor = authorized(project, acting, "forget", f"subject/{found.handle}")
            question = f"Forget {found.subject}? Nothing brings its personal fields back."
            confirm(question, yes=yes)
            forget_subject(store, found.subject, actor, reason=reason)
    if acting.json:
        document = {"subject": found.subject, "key": found.handle, "forgotten": not dry_run}
        write_json(document | {"reason": reason, "dry_run": dry_run})
    elif dry_run:
        say(f"Would forget {found.subject}, whose key is {found.handle}. Nothing is written.")
    else:
        say(f"Forgot {found.subject}: its key {found.handle} is destroyed.")
        say("Copies of the keys, as in backups, are yours to destroy.")
    return DONE


def _fields(project: Project) -> list[str]:
    """The fields that say whom records are about, in the jobs of the project."""
    from ..execution.catalog import load_catalog
    from ..execution.forgetting import subject_fields

    return subject_fields(load_catalog(project).jobs.values())

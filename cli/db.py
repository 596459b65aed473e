"""``storno db``: make, migrate and back up the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from .errors import DONE
from .options import ACTING, COMMON, Acting, Common, command, group, note


@command("init", "storno db init", "storno db init --store postgresql://ledger@localhost/ledger")
def init(*, common: Common = COMMON) -> int:
    """Make an empty store.

    Other commands never make one by themselves: a mistyped address would become a second, empty
    set of books, into which a run posts everything once more.
    """
    from ..execution.project import without_password
    from ..storage import migrate as schema
    from .render import say, write_json
    from .session import open_project

    project = open_project(common)
    identity = schema.init(project.store.value)
    shown = without_password(project.store.value)
    if common.json:
        write_json({"store": shown, "store_id": identity})
    else:
        say(f"Made the store {shown}.")
    return DONE


@command("migrate", "storno db backup before.db && storno db migrate")
def migrate(*, acting: Acting = ACTING) -> int:
    """Bring the store up to date: its schema, and views that another version made."""
    from ..storage import migrate as schema
    from .render import say, write_json
    from .session import authorized, open_project

    project = open_project(acting)
    authorized(project, acting, "db migrate")
    url = project.store.value
    before, after = schema.migrate(url)
    rebuilt = _bring_views_up_to_date(url)
    if acting.json:
        write_json({"before": before, "after": after, "views_rebuilt": rebuilt})
        return DONE
    if before == after:
        say(f"The schema is up to date ({after}).")
    else:
        say(f"Migrated the schema from {before} to {after}.")
    if rebuilt:
        say("Made the views anew from the events.")
    return DONE


def _bring_views_up_to_date(url: str) -> bool:
    from ..storage.engine import create_engine
    from ..storage.log import EventLog
    from ..storage.views.rebuild import bring_up_to_date
    from .progress import steps

    engine = create_engine(url)
    try:
        with steps("making the views anew") as step:
            return bring_up_to_date(EventLog(engine), step)
    finally:
        engine.dispose()


@command("backup", "storno db backup storno-2026-01-31.db")
def backup(
    file: Annotated[Path, note("The file to make; it must not exist")],
    /,
    *,
    common: Common = COMMON,
) -> int:
    """Copy the store as it stands at this moment, while it is in use.

    The copy of a SQLite store is a store; that of a PostgreSQL store is an archive for pg_restore.
    """
    from ..storage.backup import backup as copy
    from .render import say, write_json
    from .session import open_project

    copy(open_project(common).store.value, file)
    size = file.stat().st_size
    if common.json:
        write_json({"file": str(file), "bytes": size})
    else:
        say(f"Backed up the store to {file} ({size:,} bytes).")
    return DONE


db = group("db", "Make, migrate and back up the store.", init, migrate, backup)

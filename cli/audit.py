"""``storno audit``: what happened, and who did it."""

from __future__ import annotations

from typing import Annotated

from .checkpoints import checkpoint, keygen
from .errors import DONE
from .finding import find
from .log_export import export
from .options import COMMON, Common, command, group, note
from .proving import check_proof, check_timestamp, prove
from .replaying import replay
from .report import report
from .verifying import verify


@command("trail", "storno audit trail payments P00057", "storno audit trail payments P00057 --json")
def trail(
    job: Annotated[str, note("The job's name")],
    key: Annotated[str, note("The record's key")],
    /,
    *,
    common: Common = COMMON,
) -> int:
    """Show the whole life of a record: every event, in order, with its time and its actor."""
    from .life import trail_of, write_trail
    from .render import write_json
    from .session import open_project, opened

    with opened(open_project(common)) as store:
        events = trail_of(store, job, key)
    if common.json:
        write_json({"job": job, "key": key, "events": events})
    else:
        write_trail(events)
    return DONE


audit = group(
    "audit",
    "Lives of records, auditors' questions, the past, proofs that nothing was changed, reports.",
    trail,
    find,
    replay,
    report,
    verify,
    checkpoint,
    keygen,
    prove,
    check_proof,
    check_timestamp,
    export,
)

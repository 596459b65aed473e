"""``storno diff``: two runs, or two attempts, side by side."""

from __future__ import annotations

from typing import Annotated

from .errors import CHECK_FAILED, DONE
from .options import COMMON, Common, at_least_one, command, note

KEYS_LISTED = 20

Side = "A run as 'storno runs' prints it, the start of one, or last; with @N its attempt N"


@command(
    "diff",
    "storno diff payments/2026-01 payments/2026-02",
    "storno diff last@1 last@2",
    "storno diff payments/2026-01 trial/2026-01 --exit-code --json",
)
def diff(
    first: Annotated[str, note(Side, name="RUN")],
    second: Annotated[str, note("What it is compared with", name="RUN2")],
    /,
    *,
    limit: Annotated[
        int, note("List at most so many keys of each kind; 20. All are counted", metavar="N")
    ] = KEYS_LISTED,
    exit_code: Annotated[bool, note("End with 5 where they differ, for scripts")] = False,
    common: Common = COMMON,
) -> int:
    """Compare two runs: counts, durations, totals by account, keys of one alone, other amounts.

    A run is compared as it stands, without what was taken back; an attempt by what it posted
    itself. How long they took is shown, and is no difference.
    """
    from .diff_pages import compared, write_compared
    from .render import write_json
    from .session import open_project, opened

    at_least_one(limit)
    with opened(open_project(common)) as store:
        document = compared(store, first, second, limit)
    if common.json:
        write_json(document)
    else:
        write_compared(document)
    return CHECK_FAILED if exit_code and not document["equal"] else DONE

"""``storno audit report``: one page about a run, for the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from .control import RunWord
from .errors import DONE
from .options import COMMON, Common, command, note


@command(
    "report",
    "storno audit report payments/2026-01 --out report.html",
    "storno audit report last --out report.html --force --json",
)
def report(
    run: RunWord,
    /,
    *,
    out: Annotated[Path, note("The file to write to, one page of HTML", metavar="FILE")],
    force: Annotated[bool, note("Overwrite the file")] = False,
    common: Common = COMMON,
) -> int:
    """Write all there is to say about a run as one page of HTML, to be read, printed and filed."""
    from .find import find_run
    from .new_files import file_document, new_file, refuse_existing
    from .render import say, write_json
    from .report_data import gathered
    from .report_page import page
    from .session import open_project, opened

    refuse_existing(out, force=force)
    with opened(open_project(common)) as store:
        made = gathered(store, find_run(store, run).row.run)
    with new_file(out, force=True) as path:
        path.write_text(page(made), encoding="utf-8")
    if common.json:
        head = {"commit": made.head.commit.number, "root": made.head.root.hex()}
        write_json({"file": str(out), "run": made.run.run, "head": head} | file_document(out))
    else:
        say(f"Wrote the report on {made.run.run} to {out}.")
    return DONE

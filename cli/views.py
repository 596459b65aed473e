"""``storno views``: rebuild the views from the events, or compare them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from .errors import CHECK_FAILED, DONE
from .options import ACTING, COMMON, Acting, Common, command, group, note

if TYPE_CHECKING:
    from ..storage.views.check import Comparison, Difference
    from ..storage.views.rebuild import Rebuilt


View = Literal[
    "runs", "attempts", "checkpoint", "dead_letters", "reversals", "periods", "movements"
]


@command(
    "rebuild",
    "storno views rebuild",
    "storno views rebuild movements",
    usage="[OPTIONS] [VIEW ...]",
)
def rebuild(
    *views: Annotated[View, note("Report on these views alone; on all where not given")],
    acting: Acting = ACTING,
) -> int:
    """Make the views anew from the events, and put them in place of the live ones.

    All of them are made anew, whichever are named, so that they always agree with each other.
    Runs go on meanwhile, and so does whoever reads.
    """
    from ..storage import queries
    from ..storage.views.rebuild import rebuild as make
    from .progress import steps
    from .session import authorized, open_project, opened

    project = open_project(acting)
    authorized(project, acting, "views rebuild")
    with opened(project) as store:
        with steps("rebuilding the views") as step:
            rebuilt = make(store.log, step)
        rows = queries.view_rows(store)
    chosen = {view: rows[view] for view in dict.fromkeys(views or rows)}
    _tell_rebuilt(rebuilt, chosen, json=acting.json)
    return DONE


def _tell_rebuilt(rebuilt: Rebuilt, rows: dict[str, int], *, json: bool) -> None:
    from .render import count, counted, say, write_json
    from .tables import Column, write_table

    if json:
        write_json(rebuilt._asdict() | {"rows": rows})
        return
    columns = (Column("view"), Column("rows", right=True))
    write_table(columns, [(view, count(number)) for view, number in rows.items()])
    say(f"Rebuilt the views from {counted(rebuilt.events, 'event')}.")
    if rebuilt.left_over:
        say("Somebody still reads the old ones; the next rebuild takes them away.")


@command("check", "storno views check", "storno views check --json")
def check(*, common: Common = COMMON) -> int:
    """Compare the views with the events; exits 5 if a view says something else.

    The events are what counts: storno views rebuild mends a view.
    """
    from ..storage.views.check import check as compare
    from .progress import steps
    from .render import write_json
    from .session import open_project, opened

    with opened(open_project(common)) as store, steps("comparing the views") as step:
        comparison = compare(store.log, step)
    if common.json:
        write_json(_document(comparison))
    else:
        _write(comparison)
    return CHECK_FAILED if comparison.total else DONE


def _document(comparison: Comparison) -> dict[str, Any]:
    return {
        "agree": comparison.total == 0,
        "commits": comparison.commits,
        "events": comparison.events,
        "rows_that_differ": comparison.total,
        "differences": [
            {
                "view": each.view,
                "key": dict(each.key),
                "column": each.column,
                "live": each.live,
                "rebuilt": each.rebuilt,
            }
            for each in comparison.differences
        ],
    }


def _write(comparison: Comparison) -> None:
    from .render import counted, say
    from .tables import Column, write_table

    over = f"{counted(comparison.events, 'event')} in {counted(comparison.commits, 'commit')}"
    if not comparison.total:
        say(f"The views agree with {over}.")
        return
    columns = (
        Column("view"),
        Column("row", wraps=True),
        Column("column"),
        Column("the view says", wraps=True),
        Column("the events say", wraps=True),
    )
    write_table(columns, [_row(each) for each in comparison.differences])
    verb = "differs" if comparison.total == 1 else "differ"
    say(f"{counted(comparison.total, 'row')} of the views {verb} from {over}.")
    say("Mend them: storno views rebuild. Then find out who wrote to the store's tables.")


def _row(difference: Difference) -> tuple[str, ...]:
    key = " ".join(str(value) for value in difference.key.values())
    if difference.column is None:
        there = tuple("no such row" if side is None else "a row"
                      for side in (difference.live, difference.rebuilt))  # fmt: skip
        return (difference.view, key, "-", *there)
    values = (str(difference.live), str(difference.rebuilt))
    return (difference.view, key, difference.column, *values)


views = group("views", "Rebuild the views from the events, or compare them.", rebuild, check)

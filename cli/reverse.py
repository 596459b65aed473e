"""``storno reverse``: planned, submitted, approved, executed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from .errors import DEAD_LETTERS, DONE, INTERRUPTED
from .options import ACTING, COMMON, RUNNING, Acting, Common, Running, command, group, note

if TYPE_CHECKING:
    from ..execution.reversing import ReversalResult

REFUSED = ("requested", "rejected", "completed")
"""States of a reversal in which executing it does nothing, so that there is nothing to ask."""

RunWord = Annotated[
    str | None, note("A run as 'storno runs' prints it, the start of one, or last", name="RUN")
]
# None is not said; said without a word after it they are refused, as they would mean all of a run.
Records = Annotated[
    tuple[str, ...] | None,
    note(
        "Only these records: the job's name, then keys that one run posted",
        name="--record",
        metavar="JOB KEY ...",
        consume_multiple=True,
    ),
]
Chunks = Annotated[
    tuple[str, ...] | None,
    note(
        "Only these chunks: the run, then numbers as 'storno show RUN --chunks' prints them",
        name="--chunk",
        metavar="RUN N ...",
        consume_multiple=True,
    ),
]
Where = Annotated[
    tuple[str, ...],
    note(
        "Only records with this value in a field (also !=, <, <=, >, >=); repeated, all must hold",
        name="--where",
        metavar="FIELD=VALUE",
    ),
]
Date = Annotated[
    str | None,
    note(
        "Post all of it on this day; else on the originals', or the first open after", metavar="D"
    ),
]
Red = Annotated[bool, note("Negative amounts on the same sides, so that turnover falls too")]
Id = Annotated[str, note("The reversal, as 'storno reverse list' prints it", name="ID")]
Reason = Annotated[str, note("Why, in words; it is recorded", metavar="TEXT")]


@command(
    "plan",
    "storno reverse plan payments/2026-01",
    "storno reverse plan last --where 'date>=2026-02-01' --out plan.json",
    "storno reverse plan --record payments P00057 P00118",
    "storno reverse plan --chunk payments/2026-01 3 4 --red",
    usage="[RUN] [OPTIONS]",
)
def plan(
    run: RunWord = None,
    /,
    *,
    record: Records = None,
    chunk: Chunks = None,
    where: Where = (),
    date: Date = None,
    red: Red = False,
    out: Annotated[
        Path | None, note("Write the plan to this file, to submit it", metavar="FILE")
    ] = None,
    common: Common = COMMON,
) -> int:
    """Show what taking a run back would do, wholly or in part; nothing is written to the store.

    What cannot be taken back is listed with the reason, and so is where closed periods move it.
    """
    from .render import write_json
    from .reversal_pages import plan_document, write_plan
    from .session import open_project, opened
    from .taking import definition_of, plan_file, planned, scoped

    project = open_project(common)
    with opened(project) as store:
        found, scope = scoped(store, run, record, chunk, where)
        job = definition_of(project, found.job)
        made = planned(store, project, found, scope, job, date=date, red=red)
    document = plan_document(made)
    if out is not None:
        plan_file(out, document)
    if common.json:
        write_json(document)
    else:
        write_plan(made, out)
    return DONE


@command(
    "submit",
    "storno reverse submit plan.json --reason-code wrong-period --reason late",
    "storno reverse submit last --reason-code wrong-input --reason 'wrong file'",
)
def submit(
    what: Annotated[str, note("A plan's file, or a run: then all of it", name="PLAN|RUN")],
    /,
    *,
    reason_code: Annotated[str, note("Why, as a code of the job's list", metavar="CODE")],
    reason: Reason,
    acting: Acting = ACTING,
) -> int:
    """Ask for a reversal, with the reason; where others must agree, it waits for them."""
    from ..execution.reversals import submit_reversal
    from ..storage import queries
    from .render import counted, say, typed, write_json
    from .reversal_pages import reversal_document
    from .session import authorized, open_project, opened
    from .taking import definition_of, policy_of, submitted

    project = open_project(acting)
    actor = authorized(project, acting, "reverse submit", what)
    with opened(project) as store:
        request, seen = submitted(store, project, what)
        job = definition_of(project, request.run.partition("/")[0])
        name = submit_reversal(
            store,
            request,
            code=reason_code,
            text=reason,
            actor=actor,
            policy=policy_of(project, job),
            job=job,
            seen=seen,
        )
        row = queries.reversal(store, name)
    if acting.json:
        write_json(reversal_document(row))
        return DONE
    say(f"Submitted reversal {name} of {counted(row.records, 'record')} of {row.job}/{row.run}.")
    if row.state == "approved":
        say(f"Nobody else has to agree. Execute it: {typed('reverse', 'execute', name)}")
    else:
        missing = row.approvals - row.approved
        people = "one other person" if missing == 1 else f"{missing} other people"
        say(f"It waits for {people}: {typed('reverse', 'approve', name, '--actor', 'NAME')}")
    return DONE


@command("list", "storno reverse list", "storno reverse list --state requested")
def list_(
    *,
    job: Annotated[str | None, note("Only of this job", metavar="JOB")] = None,
    state: Annotated[str | None, note("Only in this state", metavar="STATE")] = None,
    common: Common = COMMON,
) -> int:
    """List reversals, the last requested first."""
    from ..storage import queries
    from .render import write_json
    from .reversal_pages import check_state, reversal_document, write_reversals
    from .session import open_project, opened
    from .standing import say_if_unknown

    check_state(state)
    with opened(open_project(common)) as store:
        rows = queries.reversals(store, job=job, state=state)
        if not rows:
            say_if_unknown(store, job)
    if common.json:
        write_json([reversal_document(row) for row in rows])
    else:
        write_reversals(rows)
    return DONE


@command("show", "storno reverse show R-000001")
def show(name: Id, /, *, common: Common = COMMON) -> int:
    """Show a reversal: what was asked for and why, who agreed, how far it is, what is set aside."""
    from ..storage import queries
    from .render import write_json
    from .reversal_pages import reversal_document, write_reversal
    from .session import open_project, opened
    from .standing import is_reversal_alive

    with opened(open_project(common)) as store:
        row = queries.reversal(store, name)
        events = queries.stream_events(store, f"reversal/{name}")
        letters = queries.dead_letters(store, run=f"reversal/{name}")
        alive = is_reversal_alive(store, name) if row.state == "running" else None
    if common.json:
        write_json(reversal_document(row, events, letters) | {"alive": alive})
    else:
        write_reversal(row, events, letters, alive=alive)
    return DONE


@command("approve", "storno reverse approve R-000001 --actor carol")
def approve(name: Id, /, *, acting: Acting = ACTING) -> int:
    """Agree to a reversal that somebody else requested.

    What it would do must still be what was requested; else it is refused, and a new plan needed.
    """
    from ..execution.reversals import approve_reversal
    from ..storage import queries
    from .render import say, typed, write_json
    from .reversal_pages import reversal_document
    from .session import authorized, open_project, opened
    from .taking import definition_of

    project = open_project(acting)
    actor = authorized(project, acting, "reverse approve", name)
    with opened(project) as store:
        job = definition_of(project, queries.reversal(store, name).job)
        approve_reversal(store, name, actor, job)
        row = queries.reversal(store, name)
    if acting.json:
        write_json(reversal_document(row))
    elif row.state == "approved":
        say(f"Approved {name}. Execute it: {typed('reverse', 'execute', name)}")
    else:
        say(f"Approved {name}; it waits for {row.approvals - row.approved} more.")
    return DONE


@command("reject", "storno reverse reject R-000001 --reason 'the supplier was paid already'")
def reject(name: Id, /, *, reason: Reason, acting: Acting = ACTING) -> int:
    """Refuse a reversal before it is executed; that is its end."""
    from ..execution.reversals import reject_reversal
    from ..storage import queries
    from .render import say, write_json
    from .reversal_pages import reversal_document
    from .session import authorized, open_project, opened

    project = open_project(acting)
    actor = authorized(project, acting, "reverse reject", name)
    with opened(project) as store:
        reject_reversal(store, name, actor, reason)
        row = queries.reversal(store, name)
    if acting.json:
        write_json(reversal_document(row))
    else:
        say(f"Rejected {name}.")
    return DONE


@command("execute", "storno reverse execute R-000001 --yes")
def execute(
    name: Id,
    /,
    *,
    yes: Annotated[bool, note("Do not ask", name=("--yes", "-y"))] = False,
    running: Running = RUNNING,
) -> int:
    """Take back what was requested, chunk by chunk, the newest first.

    Executed again it goes on where it was stopped or killed, and tries what was set aside.
    """
    from ..execution.reversing import execute_reversal
    from ..storage import queries
    from .ask import confirm
    from .checkpointing import finish, ready
    from .log import configure_log
    from .progress import display
    from .render import counted, write_json
    from .reversal_pages import result_document, write_result
    from .session import authorized, open_project, opened
    from .taking import definition_of

    configure_log(verbose=running.verbose)
    project = open_project(running)
    actor = authorized(project, running, "reverse execute", name)
    with opened(project) as store:
        row = queries.reversal(store, name)
        if row.state not in REFUSED:
            left = counted(row.records - row.reversed, "record")
            confirm(f"Take back {left} of {row.job}/{row.run}?", yes=yes)
        job = definition_of(project, row.job)
        checkpoints = ready(project, store)
        shown = display(f"Reversal {name} of {row.job}/{row.run}")
        try:
            result = execute_reversal(store, name, actor, job=job, observer=shown)
        finally:
            shown.close()
        if running.json:
            write_json(result_document(result))
        else:
            write_result(result)
        return finish(checkpoints, store, exit_code_of(result), running)


def exit_code_of(result: ReversalResult) -> int:
    """The exit code of an executed reversal."""
    if result.interrupted:
        return INTERRUPTED
    return DEAD_LETTERS if result.failed else DONE


reverse = group(
    "reverse",
    "Take back what a run posted: plan, submit, approve, execute.",
    plan,
    submit,
    list_,
    show,
    approve,
    reject,
    execute,
)

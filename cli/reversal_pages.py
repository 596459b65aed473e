"""Plans and reversals, as documents and as pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..compensations.scope import Scope
from ..domain.errors import UsageError
from ..domain.money import format_minor
from ..domain.reversal import ReversalRequested, ReversalStatus
from ..domain.suggest import did_you_mean
from .render import amount, clock, count, counted, moment, say, typed, write_fields, write_line
from .tables import Column, write_table

if TYPE_CHECKING:
    from pathlib import Path

    from ..compensations.plan import Plan
    from ..domain.reversal import NetLine
    from ..execution.reversing import ReversalResult
    from ..storage.queries import DeadLetterRow, RecordedEvent, ReversalRow

Document = dict[str, Any]

BLOCKERS_SHOWN = 10

FORMS = {
    "black": "black: debit and credit swapped",
    "red": "red: negative amounts on the same sides",
}


def plan_document(plan: Plan) -> Document:
    """What a reversal would do; ``submit`` reads it again."""
    request = plan.request
    return {
        "plan": plan.digest,
        "run": request.run,
        "scope": request.scope.stored(),
        "form": request.form,
        "date": None if request.date is None else request.date.isoformat(),
        "records": plan.reversible + plan.blocked,
        "reversible": plan.reversible,
        "blocked": plan.blocked,
        "not_reversible": [{"key": each.key, "why": each.why} for each in plan.blockers],
        "net": _net_documents(plan.net_lines()),
        "moves": [
            {"book": move.book, "period": move.period, "to": move.to.isoformat(), "entries": number}
            for move, number in sorted(plan.moves.items())
        ],
        "other_fiscal_year": plan.other_years,
    }


def _net_documents(lines: Sequence[NetLine]) -> list[Document]:
    return [
        {
            "book": line.book,
            "account": line.account,
            "currency": line.currency,
            "debit": format_minor(line.debit, line.exponent),
            "credit": format_minor(line.credit, line.exponent),
        }
        for line in lines
    ]


def write_plan(plan: Plan, file: Path | None) -> None:
    """The plan for people, and how to ask for it.

    Args:
        file: where it was written to.
    """
    request = plan.request
    write_line(f"Would take back {counted(plan.reversible, 'record')} of {request.run}", "bold")
    write_line()
    facts = {"scope": str(request.scope), "form": FORMS[request.form]}
    facts["posted on"] = (
        "the originals' posting dates" if request.date is None else request.date.isoformat()
    )
    if plan.blocked:
        facts["cannot be"] = counted(plan.blocked, "record")
    write_fields(facts)
    for move, number in sorted(plan.moves.items()):
        entries = counted(number, "entry") if number == 1 else f"{number:,} entries"
        of = f"{move.period} of book {move.book}"
        if request.date is None:
            write_line(f"Period {of} is closed: {entries} go to {move.to}.")
        else:
            write_line(f"Of period {of}, {entries} go to {move.to}, as named.")
    if plan.other_years:
        write_line(
            f"Of these, {plan.other_years:,} into another year: a reversal repairs books, not "
            "statements that were published."
        )
    _write_net(plan.net_lines())
    _write_blockers(plan)
    if not plan.reversible:
        return
    if file is None:
        say("Nothing was written. Write the plan to a file with --out FILE, and ask for it:")
    else:
        say(f"Nothing was written but the plan, to {file}. Ask for it:")
    submit = typed("reverse", "submit", "FILE" if file is None else str(file))
    say(f"{submit} --reason-code CODE --reason TEXT")


def _write_net(lines: Sequence[NetLine]) -> None:
    """What a reversal moves on each account."""
    if not lines:
        return
    write_line()
    columns = (
        Column("account"),
        Column("currency"),
        Column("debit", right=True),
        Column("credit", right=True),
        Column("book", spare=1),
    )
    write_table(
        columns,
        [
            (
                line.account,
                line.currency,
                amount(line.debit, line.exponent),
                amount(line.credit, line.exponent),
                line.book,
            )
            for line in lines
        ],
    )


def _write_blockers(plan: Plan) -> None:
    if not plan.blocked:
        return
    write_line()
    write_line("Cannot be taken back:", "bold")
    columns = (Column("key"), Column("why", wraps=True))
    write_table(columns, [(each.key, each.why) for each in plan.blockers[:BLOCKERS_SHOWN]])
    if plan.blocked > BLOCKERS_SHOWN:
        say(f"... and {plan.blocked - BLOCKERS_SHOWN:,} more; --json lists a thousand.")


def reversal_document(
    row: ReversalRow,
    events: Sequence[RecordedEvent] = (),
    letters: Sequence[DeadLetterRow] = (),
) -> Document:
    """A reversal; with its events and what is set aside where those are given."""
    document: Document = {
        "reversal": row.reversal,
        "run": f"{row.job}/{row.run}",
        "state": row.state,
        "records": row.records,
        "reversed": row.reversed,
        "failed": row.failed,
        "form": row.form,
        "date": row.date,
        "reason_code": row.code,
        "reason": row.text,
        "approvals": {"needed": row.approvals, "given": row.approved},
        "requested_by": row.requested_by,
        "requested_at": moment(row.requested_at),
        "decided_by": row.decided_by,
        "decided_at": moment(row.decided_at),
        "executed_by": row.executed_by,
        "started_at": moment(row.started_at),
        "ended_at": moment(row.ended_at),
        "message": row.message,
        "plan": row.digest,
    }
    if events:
        requested = _request_in(events)
        document["scope"] = requested.scope
        document["net"] = _net_documents(requested.net)
        document["events"] = [
            {"event": type(each.event).__name__, "recorded_at": moment(each.recorded_at)}
            for each in events
        ]
        document["set_aside"] = [
            {"key": each.key, "error": each.error, "message": each.message} for each in letters
        ]
    return document


def check_state(state: str | None) -> None:
    """Refuse a state that no reversal can be in."""
    known = [each.value for each in ReversalStatus if each is not ReversalStatus.NEW]
    if state is not None and state not in known:
        raise UsageError(
            f"--state {state}: no reversal is ever so.{did_you_mean(state, known)} "
            f"States: {', '.join(known)}."
        )


def write_reversals(rows: Sequence[ReversalRow]) -> None:
    """Reversals as a table."""
    if not rows:
        say("There are no reversals.")
        return
    columns = (
        Column("reversal"),
        Column("run"),
        Column("state", states=True),
        Column("records", right=True),
        Column("reversed", right=True),
        Column("failed", right=True, spare=1),
        Column("reason", spare=2),
        Column("requested by", spare=3),
        Column("requested at", spare=4),
    )
    write_table(
        columns,
        [
            (
                row.reversal,
                f"{row.job}/{row.run}",
                row.state,
                count(row.records),
                count(row.reversed),
                count(row.failed),
                row.code,
                row.requested_by,
                clock(row.requested_at),
            )
            for row in rows
        ],
    )


def write_reversal(
    row: ReversalRow, events: Sequence[RecordedEvent], letters: Sequence[DeadLetterRow]
) -> None:
    """A reversal for people: all that whoever is to approve it has to know."""
    requested = _request_in(events)
    write_fields(
        {
            "reversal": row.reversal,
            "run": f"{row.job}/{row.run}",
            "scope": str(Scope.read(requested.scope)),
            "state": row.state,
            "records": f"{count(row.records)}, of which {count(row.reversed)} taken back",
            "reason": f"{row.code}: {row.text}",
            "form": FORMS[row.form],
            "date": row.date or "the originals' posting dates",
            "approvals": f"{row.approved} of {row.approvals}",
        }
    )
    write_line()
    for each in events:
        actor = getattr(each.event, "actor", None)
        by = f" by {actor.name}" if actor is not None else ""
        write_line(f"{clock(each.recorded_at)}  {type(each.event).__name__}{by}")
    _write_net(requested.net)
    if letters:
        write_line()
        write_line("Set aside:", "bold")
        columns = (Column("key"), Column("error"), Column("message", wraps=True))
        write_table(columns, [(each.key or "", each.error, each.message) for each in letters])
        say("Settled outside of storno? Say so: storno dead-letters discard JOB KEY --reason TEXT")
    if row.state == "requested":
        say(f"It waits for others: {typed('reverse', 'approve', row.reversal, '--actor', 'NAME')}")
    elif row.state not in ("completed", "rejected"):
        say(f"Go on: {typed('reverse', 'execute', row.reversal)}")


def _request_in(events: Sequence[RecordedEvent]) -> ReversalRequested:
    requested = events[0].event
    assert isinstance(requested, ReversalRequested), "its stream begins with the request"
    return requested


def result_document(result: ReversalResult) -> Document:
    """How executing ended."""
    return {
        "reversal": result.reversal,
        "run": str(result.run),
        "state": result.state,
        "reversed": result.reversed,
        "failed": result.failed,
        "seconds": round(result.seconds, 3),
        "nothing_to_do": result.noop,
    }


def write_result(result: ReversalResult) -> None:
    """How executing ended, for people."""
    if result.noop:
        say(f"{result.reversal} is completed already, so nothing was done.")
        return
    style = "yellow" if result.failed else "green"
    write_line(f"{result.reversal} {result.state}", f"bold {style}")
    write_line()
    write_fields(
        {
            "run": str(result.run),
            "taken back": counted(result.reversed, "record"),
            "set aside": counted(result.failed, "record"),
        }
    )
    if result.failed:
        say(f"See why: {typed('reverse', 'show', result.reversal)}")
    elif result.state == "stopped":
        say(f"Go on: {typed('reverse', 'execute', result.reversal)}")
    else:
        again = typed("run", result.run.job, "...", "--again", "--reason", "TEXT")
        say(f"Post anew what was taken back: {again}")

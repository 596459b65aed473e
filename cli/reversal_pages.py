"""Plans and reversals, as documents and as pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compensations.scope import Scope
from ..domain.errors import UsageError
from ..domain.money import format_minor
from ..domain.reversal import (
    MovedEntries,
    NetLine,
    ReversalApproved,
    ReversalCompleted,
    ReversalFailed,
    ReversalRejected,
    ReversalRequested,
    ReversalStarted,
    ReversalStatus,
    ReversalStopped,
)
from ..domain.suggest import did_you_mean
from .documents import letter_key
from .reasons import why
from .render import (
    amount,
    clock,
    count,
    counted,
    duration,
    moment,
    say,
    typed,
    write_fields,
    write_line,
)
from .tables import Column, write_table

if TYPE_CHECKING:
    from ..compensations.plan import Plan
    from ..domain.events import Event
    from ..execution.reversing import ReversalResult
    from ..storage.queries import DeadLetterRow, RecordedEvent, ReversalRow

Document = dict[str, Any]

BLOCKERS_SHOWN = 10
KEYS_SHOWN = 5

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
        "net": _net_document(plan.net_lines()),
        "moves": _moves_document(plan.moved()),
        "other_fiscal_year": plan.other_years,
    }


def _net_document(lines: Sequence[NetLine]) -> list[Document]:
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


def _moves_document(moves: Sequence[MovedEntries]) -> list[Document]:
    return [
        {"book": move.book, "period": move.period, "to": move.to, "entries": move.entries}
        for move in moves
    ]


def write_plan(plan: Plan, out: Path | None = None) -> None:
    """The plan for people.

    Args:
        out: the file it was written to.
    """
    request = plan.request
    write_line(f"Would take back {counted(plan.reversible, 'record')} of {request.run}", "bold")
    write_line()
    facts = {"scope": _scope(request.scope), "form": FORMS[request.form]}
    facts["posted on"] = _posted_on(None if request.date is None else request.date.isoformat())
    if plan.blocked:
        facts["cannot be"] = counted(plan.blocked, "record")
    write_fields(facts)
    _write_moves(plan.moved(), plan.other_years, named=request.date is not None)
    _write_net(plan.net_lines())
    _write_blockers(plan)
    say("")
    if not plan.reversible:
        say("There is nothing to take back.")
    elif out is None:
        say("Nothing was written. Keep the plan with --out FILE, to submit it:")
        say("  storno reverse submit FILE --reason-code CODE --reason TEXT")
    else:
        say(f"Wrote the plan to {out}. Ask for it:")
        say(f"  {typed('reverse', 'submit', str(out))} --reason-code CODE --reason TEXT")


def _scope(scope: Scope) -> str:
    """The scope; of chosen records a few are named."""
    if not scope.keys:
        return str(scope)
    more = ", ..." if len(scope.keys) > KEYS_SHOWN else ""
    return f"{scope}: {', '.join(scope.keys[:KEYS_SHOWN])}{more}"


def _posted_on(date: str | None) -> str:
    return "the originals' posting dates" if date is None else date


def _write_moves(moves: Sequence[MovedEntries], other_years: int, *, named: bool) -> None:
    """Where entries go that are not posted on their originals' dates.

    Args:
        other_years: how many of them that takes into another fiscal year.
        named: whether by a date that was named, instead of by closed periods.
    """
    for move in moves:
        entries = "1 entry goes" if move.entries == 1 else f"{move.entries:,} entries go"
        if named:
            write_line(f"Of period {move.period} of book {move.book}, {entries} to {move.to}.")
        else:
            write_line(
                f"Period {move.period} of book {move.book} is closed: {entries} to {move.to}."
            )
    if other_years:
        write_line(
            f"Of these, {other_years:,} into another fiscal year: a reversal repairs books, not "
            "statements that were published."
        )


def _write_net(lines: Sequence[NetLine]) -> None:
    """What a reversal moves, account by account."""
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
        "scope": json.loads(row.scope),
        "records": row.records,
        "blocked": row.blocked,
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
        asked = _asked(events)
        document["net"] = _net_document(asked.net)
        document["moves"] = _moves_document(asked.moves)
        document["other_fiscal_year"] = asked.other_years
        document["events"] = [_event_document(each) for each in events]
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
    row: ReversalRow,
    events: Sequence[RecordedEvent],
    letters: Sequence[DeadLetterRow],
    *,
    alive: bool | None = None,
) -> None:
    """A reversal for people.

    Args:
        alive: whether a running one has a process; None for another.
    """
    facts = {
        "reversal": row.reversal,
        "run": f"{row.job}/{row.run}",
        "state": row.state,
        "scope": _scope(Scope.read(json.loads(row.scope))),
        "records": f"{count(row.records)}, of which {count(row.reversed)} taken back",
        "cannot be": counted(row.blocked, "record") if row.blocked else "",
        "reason": f"{row.code}: {row.text}",
        "form": FORMS[row.form],
        "posted on": _posted_on(row.date),
        "approvals": f"{row.approved} of {row.approvals}" if row.approvals else "none needed",
    }
    write_fields({name: value for name, value in facts.items() if value})
    asked = _asked(events)
    _write_moves(asked.moves, asked.other_years, named=row.date is not None)
    _write_net(asked.net)
    write_line()
    columns = (Column("when"), Column("what"), Column("by"), Column("details", wraps=True))
    write_table(columns, [(clock(each.recorded_at), *_happened(each)) for each in events])
    if letters:
        write_line()
        write_line("Set aside:", "bold")
        write_table(
            (Column("key"), Column("error"), Column("message", wraps=True)),
            [(letter_key(each), each.error, each.message) for each in letters],
        )
    _say_what_next(row, letters, alive=alive)


def _say_what_next(
    row: ReversalRow, letters: Sequence[DeadLetterRow], *, alive: bool | None
) -> None:
    name = row.reversal
    if row.state == "requested":
        say("")
        say(f"Agree:  {typed('reverse', 'approve', name, '--actor', 'NAME')}")
        say(f"Refuse: {typed('reverse', 'reject', name, '--actor', 'NAME')} --reason TEXT")
    elif row.state == "approved":
        say("")
        say(f"Execute it: {typed('reverse', 'execute', name)}")
    elif alive is False:
        say("")
        say(f"Its process is gone. Go on with it: {typed('reverse', 'execute', name)}")
    elif letters:
        job, key = letters[0].job, letter_key(letters[0])
        say("")
        say(f"Try them again: {typed('reverse', 'execute', name)}")
        say("Or, where it was settled outside of storno:")
        say(f"  {typed('dead-letters', 'discard', job, key)} --reason TEXT")
    elif row.state in ("stopped", "failed"):
        say("")
        say(f"Go on with it: {typed('reverse', 'execute', name)}")


def _asked(events: Sequence[RecordedEvent]) -> ReversalRequested:
    """What it was to do when it was requested; that is what others agree to."""
    first = events[0].event
    assert isinstance(first, ReversalRequested), "nothing comes before the request"
    return first


_STARTS = {"start": "begun", "resume": "gone on with", "takeover": "taken over"}


def _happened(recorded: RecordedEvent) -> tuple[str, str, str]:
    """An event in words: what, by whom, and what is to be said of it."""
    match recorded.event:
        case ReversalRequested(actor=actor, code=code, text=text):
            return "requested", actor.name, f"{code}: {text}"
        case ReversalApproved(actor=actor, final=final):
            return "approved", actor.name, "" if final else "others have to agree too"
        case ReversalRejected(actor=actor, reason=reason):
            return "rejected", actor.name, reason
        case ReversalStarted(actor=actor, worker=worker, why=how, attempt=attempt):
            return _STARTS.get(how, how), actor.name, f"attempt {attempt}, {worker}"
        case ended:
            return _ended(ended)


def _ended(event: Event) -> tuple[str, str, str]:
    match event:
        case ReversalStopped(why="set-aside", failed=failed):
            return "stopped", "", f"{counted(failed, 'record')} set aside"
        case ReversalStopped(why=code):
            return "stopped", "", why("stopped", code)
        case ReversalFailed(error=error, message=message):
            return "failed", "", f"{error}: {message}"
        case ReversalCompleted(reversed=number):
            return "completed", "", f"{counted(number, 'record')} taken back"
        case other:
            return type(other).__name__, "", ""


def _event_document(recorded: RecordedEvent) -> Document:
    what, actor, details = _happened(recorded)
    return {
        "event": type(recorded.event).__name__,
        "recorded_at": moment(recorded.recorded_at),
        "what": what,
        "actor": actor or None,
        "details": details or None,
    }


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
    facts = {"run": str(result.run), "taken back": counted(result.reversed, "record")}
    if result.failed:
        facts["set aside"] = counted(result.failed, "record")
    write_fields(facts | {"took": duration(result.seconds)})
    say("")
    if result.failed:
        say(f"See why: {typed('reverse', 'show', result.reversal)}")
    elif result.state == "stopped":
        say(f"Go on: {typed('reverse', 'execute', result.reversal)}")
    else:
        again = f"{typed('run', result.run.job)} ... --again --reason TEXT"
        say(f"To post anew what was taken back: {again}")

"""Runs, dead letters, reversals and periods against a model, on each database.

Whatever is done in whatever order, and wherever a process dies in the middle of it: counts,
postings, dead letters, reversals and the ledger are the model's, what is refused is refused for the
same reason, the books hold, and the views are what the events say.

``STORNO_MODEL_EXAMPLES`` says how many examples there are on SQLite; on PostgreSQL a third.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from storno import ReversalPolicy, RunOptions, abandon_run, run_job
from storno.compensations.plan import Request
from storno.compensations.scope import Condition, Scope
from storno.domain.ids import RunId
from storno.execution import dead_letters, periods, reversals, reversing
from storno.execution.dead_letters import Working
from storno.execution.identity import resolve_actor
from storno.storage import queries
from storno.storage.views.check import check

from ..bookkeeping import book_faults
from ..crashes.mishaps import Mishap
from .books_store import REFUSALS, Act, Ended, Kept, Stores, job_of, ledger, view
from .books_world import (
    BATCH,
    Acts,
    Asked,
    Item,
    Letter,
    Month,
    Refused,
    Reversal,
    Run,
    World,
    mended,
)

EXAMPLES = int(os.environ.get("STORNO_MODEL_EXAMPLES", "9"))
STEPS = 40

KEYS = st.sampled_from([f"K{number}" for number in range(6)])
DAYS = st.sampled_from([dt.date(2026, month, day) for month in (1, 2, 3) for day in (5, 20)])
MONTHS = st.sampled_from([(2026, month) for month in (1, 2, 3, 4)])
AMOUNTS = st.integers(101, 102) | st.none()
ITEMS = st.lists(st.builds(Item, KEYS, AMOUNTS, DAYS), min_size=0, max_size=7)
ACTORS = st.sampled_from(["anna", "boris", "clara"])
CRASHES = st.none() | st.builds(
    Mishap, at=st.sampled_from(["commit", "committed"]), nth=st.integers(1, 5)
)
WHERE: dict[str, Callable[[Item], bool]] = {
    "amount>=1.02": lambda item: item.minor == 102,
    "date<2026-02-01": lambda item: item.date.month == 1,
    "key!=K1": lambda item: item.key != "K1",
}


class BooksModel(RuleBasedStateMachine):
    """Drives a real store and the model side by side."""

    def __init__(self, stores: Stores) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.kept = Kept(self._stack.enter_context(stores.new()))
        self._stack.callback(self.kept.close)
        self.world = World()
        self.frozen: dict[Month, Any] = {}

    def teardown(self) -> None:
        self._stack.close()

    # Runs.

    @initialize(items=ITEMS, more=ITEMS)
    def begin(self, items: list[Item], more: list[Item]) -> None:
        """Two runs with keys in common."""
        self._start(items, moves=False)
        self._start(more, moves=True)

    @rule(items=ITEMS, moves=st.booleans(), crash=CRASHES, limit=st.none() | st.integers(1, 5))
    def start(
        self, items: list[Item], moves: bool, crash: Mishap | None, limit: int | None
    ) -> None:
        """A new run, which may die or be stopped."""
        self._start(items, moves=moves, crash=crash, limit=limit)

    @rule(data=st.data(), crash=CRASHES)
    def resume(self, data: st.DataObject, crash: Mishap | None) -> None:
        """A run goes on, or is found done."""
        self._go(self._a_run(data), crash=crash)

    @rule(data=st.data(), crash=CRASHES, limit=st.none() | st.integers(1, 5))
    def again(self, data: st.DataObject, crash: Mishap | None, limit: int | None) -> None:
        """A run reads its input once more."""
        self._go(self._a_run(data), crash=crash, limit=limit, again=True)

    @precondition(lambda self: self._unfinished())
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        """A run is ended for good."""
        name = data.draw(st.sampled_from(self._unfinished()))
        run = RunId("books", name)
        self._act(self.world.abandon(name), lambda store: abandon_run(store, run, "anna", "model"))

    @rule(keys=st.sets(KEYS))
    def change_keys(self, keys: set[str]) -> None:
        """From now on records with these keys fail, and no others."""
        self.world.bad = keys

    # Dead letters.

    @precondition(lambda self: self._with_letters())
    @rule(
        data=st.data(),
        key=st.none() | KEYS,
        minor=st.none() | st.integers(101, 102),
        day=st.none() | DAYS,
    )
    def edit(
        self, data: st.DataObject, key: str | None, minor: int | None, day: dt.date | None
    ) -> None:
        """A dead letter is corrected, also its key."""
        name, ordinal = self._a_letter(data)
        letter = self.world.runs[name].letters[ordinal]
        given = {"key": key, "minor": minor, "date": day}
        item = mended(letter.item, **{what: to for what, to in given.items() if to is not None})
        changes = {
            what: text for what, text in item.row().items() if text != letter.item.row()[what]
        }
        changes = changes or {"key": item.key}
        (place,) = self._places(name, [ordinal])
        act = self.world.edit(name, ordinal, item)
        self._writes_nothing(lambda: self._try_edit(name, place, changes))
        self._act(act, lambda store: self._working(store, name).edit(place, changes, "model"))

    @precondition(lambda self: self._with_letters())
    @rule(data=st.data(), crash=CRASHES, every=st.booleans())
    def retry(self, data: st.DataObject, crash: Mishap | None, every: bool) -> None:
        """A dead letter, or all of a run, are tried again."""
        name, ordinal = self._a_letter(data)
        ordinals = self._waiting(name)
        if not every:
            ordinals = [each for each in ordinals if each == ordinal]
        places, outcomes = self._places(name, ordinals), list[str]()
        foretold = self._foretell(name, places)
        act = self.world.retry(name, ordinals, outcomes)
        ended = self._act(act, lambda store: self._working(store, name).retry(places), crash)
        if ended.result is not None:
            assert [tried.outcome for tried in ended.result.tried] == outcomes
            assert foretold is None or foretold == outcomes

    @precondition(lambda self: self._with_letters())
    @rule(data=st.data(), every=st.booleans())
    def discard(self, data: st.DataObject, every: bool) -> None:
        """A dead letter, or all that wait of a run, are given up."""
        name, ordinal = self._a_letter(data)
        ordinals = self._waiting(name) if every else [ordinal]
        places = self._places(name, ordinals)
        if places:
            actor = resolve_actor("anna")
            self._act(
                self.world.discard(name, ordinals),
                lambda store: dead_letters.discard(store, places, actor, "model"),
            )

    @precondition(lambda self: any(each.failed for each in self.world.reversals.values()))
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """A person has seen to what a reversal could not take back."""
        found = [(name, at) for name, each in self.world.reversals.items() for at in each.letters]
        name, ordinal = data.draw(st.sampled_from(sorted(found)))
        rows = queries.dead_letter_places(self.kept.store, run=f"reversal/{name}", states=None)
        places = [row for row in rows if row.ordinal == ordinal]
        actor = resolve_actor("anna")
        self._act(
            self.world.settle(name, ordinal),
            lambda store: dead_letters.discard(store, places, actor, "model"),
        )

    # Reversals.

    @rule(data=st.data(), actor=ACTORS, approvals=st.integers(0, 2), stale=st.integers(0, 7))
    def request(self, data: st.DataObject, actor: str, approvals: int, stale: int) -> None:
        """A reversal is planned and submitted."""
        self._request(data, actor, approvals, stale=not stale)

    @rule(data=st.data(), approvals=st.integers(0, 2), crash=CRASHES)
    def reverse(self, data: st.DataObject, approvals: int, crash: Mishap | None) -> None:
        """A reversal is planned, submitted, agreed to and executed; it may die."""
        name = self._request(data, "anna", approvals)
        if name is not None:
            for actor in ("boris", "clara")[:approvals]:
                self._approve(name, actor)
            self._execute(name, crash)

    @precondition(lambda self: self.world.reversals)
    @rule(data=st.data(), actor=ACTORS)
    def approve(self, data: st.DataObject, actor: str) -> None:
        """Somebody agrees to a reversal."""
        self._approve(self._a_reversal(data, "requested"), actor)

    @precondition(lambda self: self.world.reversals)
    @rule(data=st.data(), actor=ACTORS)
    def reject(self, data: st.DataObject, actor: str) -> None:
        """Somebody refuses a reversal."""
        name = self._a_reversal(data, "requested")
        self._act(
            self.world.reject(name),
            lambda store: reversals.reject_reversal(store, name, resolve_actor(actor), "no"),
        )

    @precondition(lambda self: self.world.reversals)
    @rule(data=st.data(), crash=CRASHES)
    def execute(self, data: st.DataObject, crash: Mishap | None) -> None:
        """A reversal is executed, or goes on; it may die."""
        self._execute(self._a_reversal(data, "approved", "running", "stopped"), crash)

    @rule(data=st.data(), nth=st.integers(2, 3))
    def reverse_while_months_are_closed(self, data: st.DataObject, nth: int) -> None:
        """A reversal dies, and goes on when the months that it posts into have been closed."""
        name = self._request(data, "anna", 0)
        if name is None:
            return
        days = {day for _, day in self.world.reversals[name].plan.taken}
        self._execute(name, Mishap(at="commit", nth=nth))
        for month in sorted(set(map(_of, days))):
            self._close(month, forced=True)
        self._execute(name, None)

    # Periods.

    @rule(month=MONTHS, forced=st.booleans(), reason=st.sampled_from(["month end"] * 3 + [""]))
    def close(self, month: Month, forced: bool, reason: str) -> None:
        """A month is closed, or refuses to be."""
        self._close(month, forced=forced, reason=reason)

    @rule(month=MONTHS, reason=st.sampled_from(["late invoice"] * 3 + [""]))
    def reopen(self, month: Month, reason: str) -> None:
        """A month is opened again."""
        actor, text = resolve_actor("anna"), _text(month)
        self._act(
            self.world.reopen(month, reason),
            lambda store: periods.reopen_period(store, "main", text, actor, reason),
        )

    # After every step.

    @invariant()
    def store_and_model_agree(self) -> None:
        """What the store holds is what the model says, and the books hold."""
        store = self.kept.store
        assert book_faults(store) == []
        assert check(store.log).differences == ()
        self._compare_runs(view(store, "runs", "name"))
        self._compare_letters(view(store, "dead_letters", "run", "ordinal"))
        self._compare_reversals(store)
        self._compare_periods(view(store, "periods", "period"))
        self._compare_ledger(ledger(store))

    def _compare_runs(self, rows: dict[str, dict[str, Any]]) -> None:
        columns = ("read", "succeeded", "skipped", "failed", "discarded")
        found = {
            name: (row["state"], *(row[column] for column in columns), row["reversed"])
            for name, row in rows.items()
        }
        assert found == {
            name: (run.state, *run.counts(), run.taken)
            for name, run in self.world.runs.items()
            if run.state != "new"
        }

    def _compare_letters(self, rows: dict[Any, dict[str, Any]]) -> None:
        of_runs = {
            place: (row["state"], row["error"], row["key"], json.loads(row["payload"]))
            for place, row in rows.items()
            if place[0].startswith("books/")
        }
        assert of_runs == {
            (f"books/{name}", ordinal): _shown(letter)
            for name, run in self.world.runs.items()
            for ordinal, letter in run.letters.items()
        }
        of_reversals = {
            place: ("open" if row["state"] == "open" else "settled", row["error"])
            for place, row in rows.items()
            if place[0].startswith("reversal/")
        }
        assert of_reversals == {
            (f"reversal/{name}", at): ("settled" if at in each.settled else "open", error)
            for name, each in self.world.reversals.items()
            for at, error in each.letters.items()
        }

    def _compare_reversals(self, store: Any) -> None:
        found = {
            row.reversal: (
                row.state, row.records, row.blocked, row.reversed, row.failed, row.approved,
            )
            for row in queries.reversals(store)
        }  # fmt: skip
        assert found == {name: _stands(each) for name, each in self.world.reversals.items()}

    def _compare_periods(self, rows: dict[str, dict[str, Any]]) -> None:
        found = {period: row["digest"] for period, row in rows.items() if row["state"] == "closed"}
        assert found == {_text(month): digest for month, digest in self.world.closed.items()}
        assert set(rows) == set(map(_text, self.world.ever_closed))

    def _compare_ledger(self, found: Any) -> None:
        debits, credits_ = found
        assert (debits, credits_) == (self.world.debits, self.world.credits)
        for month in list(self.frozen):
            if month not in self.world.closed:
                del self.frozen[month]
        for month in self.world.closed:
            inside = [
                {place: minor for place, minor in side.items() if _of(place[1]) == month}
                for side in found
            ]
            assert self.frozen.setdefault(month, inside) == inside

    # How it is done.

    def _start(
        self,
        items: list[Item],
        *,
        moves: bool,
        crash: Mishap | None = None,
        limit: int | None = None,
    ) -> None:
        name = f"r{len(self.world.runs)}"
        self.world.runs[name] = Run(items, moves)
        self._go(name, crash=crash, limit=limit)

    def _go(
        self,
        name: str,
        *,
        crash: Mishap | None = None,
        limit: int | None = None,
        again: bool = False,
    ) -> None:
        options = RunOptions(again=again, reason="model" if again else "", limit=limit)
        definition, actor = self._job(name), resolve_actor("anna")
        self._act(
            self.world.go(name, again=again, limit=limit),
            lambda store: run_job(store, definition, {"name": name}, actor, options),
            crash,
        )

    def _request(
        self, data: st.DataObject, actor: str, approvals: int, *, stale: bool = False
    ) -> str | None:
        asked = self._asked(data)
        request = _request(asked)
        self._writes_nothing(lambda: self._compare_plan(asked, request))
        ended = self._act(
            self.world.submit(asked, actor, approvals, stale=stale),
            lambda store: reversals.submit_reversal(
                store, request, code="other", text="model", actor=resolve_actor(actor),
                policy=ReversalPolicy(approvals=approvals), digest="stale" if stale else None,
            ),
        )  # fmt: skip
        assert ended.result is None or ended.result == max(self.world.reversals)
        name: str | None = ended.result
        return name

    def _approve(self, name: str, actor: str) -> None:
        self._act(
            self.world.approve(name, actor),
            lambda store: reversals.approve_reversal(store, name, resolve_actor(actor)),
        )

    def _execute(self, name: str, crash: Mishap | None) -> None:
        actor = resolve_actor("clara")
        self._act(
            self.world.execute(name),
            lambda store: reversing.execute_reversal(store, name, actor),
            crash,
        )

    def _close(self, month: Month, *, forced: bool, reason: str = "month end") -> None:
        actor, text = resolve_actor("anna"), _text(month)
        self._act(
            self.world.close(month, forced=forced, reason=reason),
            lambda store: periods.close_period(
                store, "main", text, actor, forced=forced, reason=reason
            ),
        )

    def _act(self, acts: Acts, act: Act, crash: Mishap | None = None) -> Ended:
        """Do it, and let the model do as much of it as was done."""
        ended = Ended(self.kept, act, crash)
        if ended.died:
            for _ in range(ended.commits):
                next(acts)
            return ended
        made, refused = 0, None
        try:
            for _ in acts:
                made += 1
        except Refused as refusal:
            refused = refusal.kind
        assert (ended.refused, ended.commits) == (refused, made)
        return ended

    def _writes_nothing(self, look: Callable[[], object]) -> None:
        before = list(self.kept.store.log.read_prefix(""))
        with suppress(*REFUSALS):
            look()
        assert list(self.kept.store.log.read_prefix("")) == before

    def _foretell(self, name: str, places: list[Any]) -> list[str] | None:
        """What a dry run says of trying dead letters again; None where it is refused."""
        found: list[str] | None = None

        def look() -> None:
            nonlocal found
            result = self._working(self.kept.store, name).retry(places, dry_run=True)
            found = [tried.outcome for tried in result.tried]

        self._writes_nothing(look)
        return found

    def _try_edit(self, name: str, place: Any, changes: dict[str, str]) -> None:
        self._working(self.kept.store, name).edit(place, changes, "model", dry_run=True)

    def _compare_plan(self, asked: Asked, request: Request) -> None:
        def look() -> Any:
            return reversals.plan_reversal(
                self.kept.store, RunId.parse(request.run), request.scope, form=request.form,
                date=asked.date,
            )  # fmt: skip

        try:
            expected = self.world.plan(asked)
        except Refused as refused:
            with pytest.raises(refused.kind):
                look()
            return
        plan = look()
        assert plan.reversible == len(expected.taken)
        blockers = [(each.key, each.why.partition(":")[0]) for each in plan.blockers]
        assert blockers == [(key, why.partition(":")[0]) for key, _, why in expected.blocked]
        moved = sum(day != posting.day for posting, day in expected.taken)
        assert sum(plan.moves.values()) == moved

    def _job(self, name: str) -> Any:
        run = self.world.runs[name]
        return job_of(run.items, self.world.bad, moves=run.moves)

    def _working(self, store: Any, name: str) -> Working:
        return Working(
            store=store,
            job=self._job(name),
            run=RunId("books", name),
            parameters={"name": name},
            actor=resolve_actor("anna"),
        )

    # What is drawn.

    def _a_run(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.world.runs)))

    def _unfinished(self) -> list[str]:
        states = ("stopped", "running", "reversing", "abandoned")
        return [name for name, run in sorted(self.world.runs.items()) if run.state in states]

    def _a_reversal(self, data: st.DataObject, *states: str) -> str:
        """Mostly one that stands so."""
        every = self.world.reversals
        some = [name for name, each in every.items() if each.state in states]
        return data.draw(st.sampled_from(sorted(some) * 3 + sorted(every)))

    def _with_letters(self) -> list[str]:
        return [name for name, run in sorted(self.world.runs.items()) if run.letters]

    def _a_letter(self, data: st.DataObject) -> tuple[str, int]:
        name = data.draw(st.sampled_from(self._with_letters()))
        every = sorted(self.world.runs[name].letters)
        return name, data.draw(st.sampled_from(self._waiting(name) * 3 + every))

    def _waiting(self, name: str) -> list[int]:
        letters = self.world.runs[name].letters
        return sorted(ordinal for ordinal, letter in letters.items() if letter.waits)

    def _places(self, name: str, ordinals: list[int]) -> list[Any]:
        rows = queries.dead_letter_places(self.kept.store, run=f"books/{name}", states=None)
        return [row for row in rows if row.ordinal in ordinals]

    def _asked(self, data: st.DataObject) -> Asked:
        every = sorted(self.world.runs)
        some = [name for name in every if self.world.standing(name)]
        name = data.draw(st.sampled_from([*some * 3, *every, "nowhere"]))
        chunks = self.world.runs[name].chunks if name in self.world.runs else 1
        asked = Asked(
            name,
            red=data.draw(st.booleans()),
            date=data.draw(st.none() | st.none() | DAYS | st.just(dt.date(2027, 1, 5))),
        )
        match data.draw(st.sampled_from(["run", "run", "chunks", "keys", "where"])):
            case "chunks":
                drawn = st.lists(st.integers(0, chunks), min_size=1, max_size=2, unique=True)
                return asked._replace(chunks=tuple(data.draw(drawn)))
            case "keys":
                drawn_keys = data.draw(st.lists(KEYS, min_size=1, max_size=3))
                return asked._replace(keys=tuple(drawn_keys))
            case "where":
                where = data.draw(st.sampled_from(sorted(WHERE)))
                return asked._replace(where=(where,), holds=WHERE[where])
        return asked


def _request(asked: Asked) -> Request:
    where = tuple(map(Condition.parse, asked.where))
    scope = Scope(chunks=asked.chunks, keys=asked.keys, where=where)
    return Request(f"books/{asked.run}", scope, "red" if asked.red else "black", asked.date)


def _shown(letter: Letter) -> tuple[object, ...]:
    return letter.state, letter.error, letter.key, letter.item.row()


def _stands(reversal: Reversal) -> tuple[object, ...]:
    plan = reversal.plan
    return (
        reversal.state, len(plan.taken), len(plan.blocked), reversal.taken, reversal.failed,
        len(reversal.approvers),
    )  # fmt: skip


def _text(month: Month) -> str:
    return f"{month[0]:04d}-{month[1]:02d}"


def _of(day: dt.date) -> Month:
    return day.year, day.month


def test_books(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reversing, "BATCH", BATCH)
    stores = Stores(store_url)
    examples = EXAMPLES if store_url.startswith("sqlite") else max(EXAMPLES // 3, 1)
    run_state_machine_as_test(
        lambda: BooksModel(stores),
        settings=settings(
            max_examples=examples,
            phases=PHASES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""Without shrinking, which forks for minutes."""

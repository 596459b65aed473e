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
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from storno import abandon_run
from storno.domain.ids import RunId
from storno.execution import dead_letters, periods, reversals, reversing
from storno.execution.identity import resolve_actor
from storno.storage import queries
from storno.storage.views.check import check

from ..bookkeeping import book_faults
from ..crashes.mishaps import Mishap
from .books_facts import Item, Letter, Month, Reversal, mended, month_of
from .books_machine import DAYS, KEYS, BooksMachine, text_of
from .books_store import Stores, ledger, view
from .books_world import BATCH

EXAMPLES = int(os.environ.get("STORNO_MODEL_EXAMPLES", "9"))
STEPS = 40

MONTHS = st.sampled_from([(2026, month) for month in (1, 2, 3, 4)])
AMOUNTS = st.integers(101, 102) | st.none()
ITEMS = st.lists(st.builds(Item, KEYS, AMOUNTS, DAYS), min_size=0, max_size=7)
ACTORS = st.sampled_from(["anna", "boris", "clara"])
CRASHES = st.none() | st.builds(
    Mishap, at=st.sampled_from(["commit", "committed"]), nth=st.integers(1, 5)
)


class BooksModel(BooksMachine):
    """Whatever may be done, and what holds after each step."""

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
        for month in sorted(set(map(month_of, days))):
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
        actor, text = resolve_actor("anna"), text_of(month)
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
        assert found == {text_of(month): digest for month, digest in self.world.closed.items()}
        assert set(rows) == set(map(text_of, self.world.ever_closed))

    def _compare_ledger(self, found: Any) -> None:
        debits, credits_ = found
        assert (debits, credits_) == (self.world.debits, self.world.credits)
        for month in list(self.frozen):
            if month not in self.world.closed:
                del self.frozen[month]
        for month in self.world.closed:
            inside = [
                {place: minor for place, minor in side.items() if month_of(place[1]) == month}
                for side in found
            ]
            assert self.frozen.setdefault(month, inside) == inside


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


def test_books(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reversing, "BATCH", BATCH)
    stores = Stores(store_url)

    class OnStores(BooksModel):
        def __init__(self) -> None:
            super().__init__(stores)

    examples = EXAMPLES if store_url.startswith("sqlite") else max(EXAMPLES // 3, 1)
    run_state_machine_as_test(
        OnStores,
        settings=settings(
            max_examples=examples,
            phases=PHASES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            suppress_health_check=[each for each in HealthCheck if isinstance(each, HealthCheck)],
        ),
    )


PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""Without shrinking, which forks for minutes."""

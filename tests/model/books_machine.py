"""Does to a real store what the model does, draws what is done, and compares what came of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from storno import ReversalPolicy, RunOptions, run_job
from storno.compensations.plan import Foreseen, Request
from storno.compensations.scope import Condition, Scope
from storno.domain.ids import RunId
from storno.execution import periods, reversals, reversing
from storno.execution.dead_letters import Working
from storno.execution.identity import resolve_actor
from storno.storage import queries

from ..crashes.mishaps import Mishap
from .books_facts import Asked, Item, Month, Refused, Run
from .books_store import REFUSALS, Act, Ended, Kept, Stores, job_of
from .books_world import Acts, World

KEYS = st.sampled_from([f"K{number}" for number in range(6)])
DAYS = st.sampled_from([dt.date(2026, month, day) for month in (1, 2, 3) for day in (5, 20)])
WHERE: dict[str, Callable[[Item], bool]] = {
    "amount>=1.02": lambda item: item.minor == 102,
    "date<2026-02-01": lambda item: item.date.month == 1,
    "key!=K1": lambda item: item.key != "K1",
}


class BooksMachine(RuleBasedStateMachine):
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
                policy=ReversalPolicy(approvals=approvals),
                seen=Foreseen("stale") if stale else None,
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
        actor, text = resolve_actor("anna"), text_of(month)
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


def text_of(month: Month) -> str:
    """As a month is written."""
    return f"{month[0]:04d}-{month[1]:02d}"

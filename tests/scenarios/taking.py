"""Taking back in the lab: requested by one, agreed to by others, executed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from storno import Job, ReversalPolicy
from storno.compensations.plan import Foreseen, Plan, Request
from storno.compensations.scope import Condition, Scope
from storno.domain.events import Actor, RecordReversed, RunReversed
from storno.domain.ids import RunId
from storno.domain.reversal import Form, ReversalState
from storno.execution.periods import close_period, reopen_period
from storno.execution.reversals import (
    approve_reversal,
    plan_reversal,
    reject_reversal,
    submit_reversal,
)
from storno.execution.reversing import ReversalResult, execute_reversal

from .lab import ACTOR, Lab, Watcher


def person(name: str) -> Actor:
    return Actor(name=name, os_user=name, host="host")


BEN, CARA, DORA = map(person, ("ben", "cara", "dora"))
WHOLE = Scope()
ONCE = RunId("payments", "once")


def where(*texts: str) -> Scope:
    return Scope(where=tuple(map(Condition.parse, texts)))


class Taking:
    """Reversals of a job's runs in a lab.

    Args:
        job: as the project defines it at the time; None where it does not.
    """

    def __init__(self, lab: Lab, job: Job | None) -> None:
        self.lab = lab
        self.job = job

    def plan(
        self,
        scope: Scope = WHOLE,
        *,
        run: RunId = ONCE,
        form: Form = "black",
        date: dt.date | None = None,
    ) -> Plan:
        return plan_reversal(self.lab.store, run, scope, form=form, date=date, job=self.job)

    def submit(
        self,
        scope: Scope = WHOLE,
        *,
        run: RunId = ONCE,
        form: Form = "black",
        date: dt.date | None = None,
        approvals: int = 0,
        actor: Actor = ACTOR,
        seen: Foreseen | None = None,
    ) -> str:
        return submit_reversal(
            self.lab.store,
            Request(str(run), scope, form, date),
            code="wrong-input",
            text="the wrong file",
            actor=actor,
            policy=ReversalPolicy(approvals=approvals),
            job=self.job,
            seen=seen,
        )

    def approve(self, name: str, actor: Actor = BEN) -> ReversalState:
        return approve_reversal(self.lab.store, name, actor, self.job)

    def reject(self, name: str, actor: Actor = BEN, reason: str = "no") -> ReversalState:
        return reject_reversal(self.lab.store, name, actor, reason)

    def execute(self, name: str, watcher: Watcher | None = None) -> ReversalResult:
        return execute_reversal(self.lab.store, name, CARA, job=self.job, observer=watcher)

    def take_back(self, scope: Scope = WHOLE, **options: Any) -> ReversalResult:
        """Submit and execute."""
        return self.execute(self.submit(scope, **options))

    def close(self, month: str, book: str = "main") -> None:
        close_period(self.lab.store, book, month, ACTOR, reason="test", forced=True)

    def reopen(self, month: str, book: str = "main") -> None:
        reopen_period(self.lab.store, book, month, ACTOR, "test")

    # What the store holds.

    def reversed(self) -> list[int]:
        """The ordinals of what was taken back, in the order of the log."""
        return [event.ordinal for event in self.lab.events(RecordReversed)]

    def dates(self) -> set[tuple[dt.date, dt.date]]:
        """Effective and posting date of what took something back."""
        return {
            (entry.effective, entry.posting)
            for event in self.lab.events(RecordReversed)
            for entry in event.entries
        }

    def row(self, name: str) -> Mapping[str, Any]:
        """The reversal in its view."""
        (row,) = (row for row in self.lab.view("reversals") if row["reversal"] == name)
        return row

    def run_state(self, run: RunId = ONCE) -> str:
        (row,) = (row for row in self.lab.view("runs") if row["run"] == str(run))
        return str(row["state"])

    def standing(self) -> list[int]:
        """What each reversal said was left of its run."""
        return [event.standing for event in self.lab.events(RunReversed)]

    def letters(self, name: str) -> dict[str, tuple[str, str]]:
        """What a reversal set aside: key to error and state."""
        return {
            row["key"]: (row["error"], row["state"])
            for row in self.lab.view("dead_letters")
            if row["run"] == f"reversal/{name}"
        }

"""The process that is killed while it does something about a run, or takes back what it posted.

Each deed can be done again, whether it was done or not: that is how a person goes on after a crash.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from hashlib import pbkdf2_hmac
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from zlib import crc32

from storno import (
    Context,
    Effect,
    Entry,
    Job,
    Record,
    Retry,
    ReversalPolicy,
    RunOptions,
    Store,
    StornoError,
    credit,
    csv_source,
    debit,
    job,
    run_job,
)
from storno.cli.errors import DEAD_LETTERS, DONE, FAILED, exit_code
from storno.compensations.plan import Request
from storno.compensations.scope import Scope
from storno.domain.errors import NotFoundError
from storno.domain.events import Counts
from storno.domain.ids import RunId
from storno.execution import dead_letters, periods, reversals, reversing
from storno.execution.dead_letters import Working
from storno.execution.identity import resolve_actor
from storno.execution.journal import Journal
from storno.execution.payloads import RAW
from storno.execution.plan import PARTITION
from storno.storage import queries
from storno.storage.engine import create_engine
from storno.storage.queries.reversals import ReversalRow

from .effects import Bank
from .victim import LEASE_SECONDS, LOCK_SECONDS, Input, Telling

BATCH = 100
"""Postings that a reversal takes back in one commit."""

BOOK = "main"
MONTH = "2026-01"
UNBLOCKED = "unblocked"
"""A file of this name in the folder: whom nobody could pay can be paid from now on."""
WILLING = "willing"
"""The same: what the bank refused to pay back it does from now on."""


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What is to be done.

    Attributes:
        what: one of ``DEEDS``.
        job: whose run it is about.
        label: of a reversal; its reason.
        scope: of a reversal, as it is stored.
        red: whether it is a red storno.
        approvals: how many others have to agree to it.
    """

    what: str
    job: str
    run: str
    label: str = ""
    scope: str = ""
    red: bool = False
    approvals: int = 0


class Bill(Record):
    number: str
    account: str
    date: dt.date
    amount: Decimal


class BlockedError(Exception):
    """Whom nobody may pay yet."""


class UnwillingError(Exception):
    """The bank does not pay this back yet."""


def price(number: str) -> int:
    """What a bill comes to, in minor units."""
    return 100 + crc32(number.encode()) % 1_000_000


def is_stubborn(number: str) -> bool:
    """Whether the bank refuses to pay it back at first."""
    return crc32(number.encode()) % 37 == 0


@dataclass
class World:
    """What the jobs act on: where, and how much work a record is, in rounds of hashing."""

    bank: Bank
    effort: int = 0

    def work(self, times: int = 1) -> None:
        """Take so long as a few records do."""
        for _ in range(times if self.effort else 0):
            pbkdf2_hmac("sha256", b"", b"", self.effort)

    def has(self, sign: str) -> bool:
        """Whether there is a file of this name."""
        return (self.bank.folder / sign).exists()


WORLD = World(Bank(Path()))

SETTINGS: dict[str, Any] = {
    "key": "number",
    "source": csv_source("{run}.csv"),
    "parameters": Input,
    "chunk_size": 50,
    "lease_seconds": LEASE_SECONDS,
    "retry": Retry(retries=5, first_delay_seconds=0),
    "tolerance": 100_000,
}


def _entry(bill: Bill) -> Entry:
    WORLD.work()
    if bill.account.startswith("blocked") and not WORLD.has(UNBLOCKED):
        raise BlockedError(f"{bill.account} may not be paid")
    return Entry(
        [debit(bill.account, bill.amount, "EUR"), credit("creditors", bill.amount, "EUR")],
        effective=bill.date,
    )


@job(**SETTINGS)
def invoices(bill: Bill) -> Entry:
    """Post a bill."""
    return _entry(bill)


@job(**SETTINGS, effect=True)
def payments(bill: Bill, context: Context) -> Effect:
    """Pay a bill, and post that."""
    entry = _entry(bill)
    receipt = WORLD.bank.pay(context.idempotency_key, bill.number, int(bill.amount * 100))
    return Effect(output={"receipt": receipt}, entries=[entry])


@payments.compensate
def refund(bill: Bill, output: Any, context: Context) -> None:
    """Have it paid back."""
    WORLD.work()
    if is_stubborn(bill.number) and not WORLD.has(WILLING):
        raise UnwillingError(f"{bill.number} is not paid back yet")
    WORLD.bank.refund(context.idempotency_key, bill.number, output["receipt"])


JOBS: dict[str, Job] = {each.name: each for each in (invoices, payments)}


class TellingSlowly(Telling):
    """Takes some time for what is taken back in the ledger alone, which has no handler to."""

    def __init__(self) -> None:
        self._done = 0

    def started(
        self, run: RunId, attempt: int, resumed: bool, size: int | None, position: int
    ) -> None:
        super().started(run, attempt, resumed, size, position)
        self._done = position

    def committed(self, counts: Counts, position: int | None) -> None:
        # What is set aside may be settled later, what is taken back stays so.
        super().committed(Counts(read=counts.succeeded), position)
        WORLD.work(counts.read - self._done)
        self._done = counts.read


class Desk:
    """Where a deed is done."""

    def __init__(self, store: Store, folder: Path, deed: Deed) -> None:
        self.store = store
        self.folder = folder
        self.deed = deed
        self.job = JOBS[deed.job]
        self.run = RunId(deed.job, deed.run)
        self.actor = resolve_actor("torture")

    def work_through(self) -> int:
        """Start the run, or go on with it."""
        return self._run(RunOptions())

    def run_again(self) -> int:
        """Read the run's input once more, if it is at its end."""
        return self._run(RunOptions(again=True, reason="torture"))

    def _run(self, options: RunOptions) -> int:
        result = run_job(
            self.store,
            self.job,
            {"run": self.deed.run},
            self.actor,
            options,
            observer=Telling(),
            base=self.folder,
        )
        return DONE if result.state == "completed" else FAILED

    def correct(self) -> int:
        """Mend all dead letters of the run that nothing else mends."""
        for place in queries.dead_letter_places(self.store, run=str(self.run)):
            assert place.key is not None, "every bill has a readable number"
            if place.error == RAW:
                amount = Decimal(price(place.key)) / 100
                self._working.edit(place, {"amount": str(amount)}, "misread")
            elif place.error == "key-conflict":
                self._working.edit(place, {"number": f"{place.key}x"}, "misread")
        return DONE

    def retry(self) -> int:
        """Try all dead letters of the run again."""
        places = queries.dead_letter_places(self.store, run=str(self.run))
        result = self._working.retry(places)
        if result.error is not None:
            raise StornoError(result.error)
        return DONE if len(result.tried) == result.count("succeeded") else DEAD_LETTERS

    @property
    def _working(self) -> Working:
        return Working(
            store=self.store,
            job=self.job,
            run=self.run,
            parameters={"run": self.deed.run},
            actor=self.actor,
        )

    def submit(self) -> int:
        """Ask for the reversal, unless that is done."""
        if self._found() is None:
            scope = Scope.read(_scope(self.store, self.deed))
            form = "red" if self.deed.red else "black"
            reversals.submit_reversal(
                self.store,
                Request(str(self.run), scope, form),
                code="other",
                text=self.deed.label,
                actor=self.actor,
                policy=ReversalPolicy(approvals=self.deed.approvals),
                job=self.job,
            )
        return DONE

    def approve(self) -> int:
        """Agree to it, as somebody else."""
        found = self._reversal
        if found.state in ("requested", "approved"):
            reversals.approve_reversal(
                self.store, found.reversal, resolve_actor("another"), self.job
            )
        return DONE

    def reject(self) -> int:
        """Refuse it, unless that is done."""
        if (found := self._found()) is not None:
            reversals.reject_reversal(self.store, found.reversal, self.actor, "it has changed")
        return DONE

    def execute(self) -> int:
        """Begin with it, or go on."""
        name = self._reversal.reversal
        slow = TellingSlowly()
        result = reversing.execute_reversal(
            self.store, name, self.actor, job=self.job, observer=slow
        )
        return DEAD_LETTERS if result.failed else DONE

    def settle(self) -> int:
        """Give up what it could not take back."""
        found = queries.dead_letter_places(self.store, run=f"reversal/{self._reversal.reversal}")
        dead_letters.discard(self.store, found, self.actor, "settled by telephone")
        return DONE

    @property
    def _reversal(self) -> ReversalRow:
        if (found := self._found()) is None:
            raise NotFoundError(f"no reversal is called {self.deed.label!r}")
        return found

    def _found(self) -> ReversalRow | None:
        """The reversal that has the deed's label, and was not rejected."""
        found = queries.reversals(self.store, run=str(self.run))
        named = (
            each for each in found if each.text == self.deed.label and each.state != "rejected"
        )
        return next(named, None)

    def close(self) -> int:
        """Close the month, whatever speaks against it."""
        periods.close_period(self.store, BOOK, MONTH, self.actor, reason="torture", forced=True)
        return DONE

    def reopen(self) -> int:
        """Open it again, unless it is open."""
        if queries.periods(self.store, state="closed"):
            periods.reopen_period(self.store, BOOK, MONTH, self.actor, "torture")
        return DONE


def _scope(store: Store, deed: Deed) -> dict[str, Any]:
    """What is asked for; ``last N`` are the N chunks of the run that were begun last."""
    if deed.scope.startswith("last "):
        numbers = sorted(
            each.number
            for each in queries.chunks(store, f"{deed.job}/{deed.run}")
            if each.partition == PARTITION
        )
        return {"kind": "chunks", "chunks": numbers[-int(deed.scope.split()[1]) :]}
    if deed.scope:
        return {"kind": "where", "where": [deed.scope]}
    return {"kind": "run"}


DEEDS: dict[str, Callable[[Desk], int]] = {
    each.__name__: each
    for each in (
        Desk.work_through,
        Desk.run_again,
        Desk.correct,
        Desk.retry,
        Desk.submit,
        Desk.approve,
        Desk.reject,
        Desk.execute,
        Desk.settle,
        Desk.close,
        Desk.reopen,
    )
}


def main(url: str, folder: str, deed: Deed) -> int:
    """Do it; gives the exit code."""
    WORLD.bank.folder = Path(folder)
    try:
        Store.open(url).close()  # makes the views, if nobody has
        store = Store(create_engine(url, lock_timeout_seconds=LOCK_SECONDS))
        print("attempt", flush=True)
        with Journal(store).talking():
            return DEEDS[deed.what](Desk(store, Path(folder), deed))
    except StornoError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return exit_code(error)


def speak(mouth: Connection, url: str, folder: str, deed: Deed, effort: int) -> None:
    """The same where stdout and stderr are what the driver listens to."""
    for each in (sys.stdout, sys.stderr):
        os.dup2(mouth.fileno(), each.fileno())
    WORLD.effort = effort
    reversing.__dict__["BATCH"] = BATCH  # the name under which it uses the one of postings
    sys.exit(main(url, folder, deed))

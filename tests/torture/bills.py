"""What is left of bills that were posted, mended, taken back and posted again: the oracle."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random

import msgspec

from storno.compensations.scope import Scope
from storno.domain.codec import decode
from storno.domain.events import (
    Event,
    RecordReversalResolved,
    RecordReversed,
    RecordSucceeded,
)
from storno.domain.ids import ChunkId, RunId, key_of
from storno.domain.reversal import ReversalCompleted, ReversalRequested
from storno.execution.plan import PARTITION
from storno.storage import queries
from storno.storage.log import Row
from storno.storage.store import Store
from storno.storage.views.check import check

from ..bookkeeping import book_faults
from .books import log_faults, pages
from .clerk import price
from .effects import Statement

ACCOUNTS = 40
BILLS = 1_500
"""Of the input of a run."""


@dataclass(frozen=True, slots=True)
class Bills:
    """An input file, and what a run of it comes to when all is mended.

    Attributes:
        numbers: of the bills that can be posted, as they are posted in the end.
        repeated: how many repeat a number with the same content.
        records: how many the file has.
    """

    job: str
    run: str
    records: int
    numbers: frozenset[str]
    repeated: int

    @property
    def name(self) -> str:
        """Of the run."""
        return f"{self.job}/{self.run}"


def write_bills(folder: Path, job: str, run: str, records: int, random: Random) -> Bills:
    """A file of bills; some cannot be read or paid, some come twice, some clash with another."""
    numbers: list[str] = []
    good: list[list[str]] = []
    rows: list[list[str]] = []
    repeated = 0
    for ordinal in range(records):
        number = f"{run}-{ordinal:06d}"
        account = f"expense:{random.randrange(ACCOUNTS):02d}"
        day = f"2026-{1 + ordinal % 2:02d}-{1 + ordinal % 28:02d}"
        row = [number, account, day, _major(number)]
        fate = random.random()
        if fate < 0.02:
            row[3] = "1,234.50"
        elif fate < 0.12:
            row[1] = f"blocked:{account}"
        elif fate < 0.14 and good:
            rows.append(random.choice(good))
            repeated += 1
            continue
        elif fate < 0.16 and good:
            row = list(random.choice(good))
            number = f"{row[0]}x"
            if number in numbers:
                continue
            row[3] = _major(number)
        else:
            good.append(row)
        numbers.append(number)
        rows.append(row)
    with (folder / f"{run}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("number", "account", "date", "amount"), *rows])
    return Bills(job, run, len(rows), frozenset(numbers), repeated)


def _major(number: str) -> str:
    return str(Decimal(price(number)) / 100)


@dataclass
class Asked:
    """A reversal, and the postings it was asked for that it has not taken back: stream to version.

    Attributes:
        resolved: streams of those that a person has settled.
        completed: whether it is at its end.
    """

    left: dict[str, int]
    resolved: set[str] = field(default_factory=set)
    reversed: int = 0


@dataclass
class History:
    """The log, gone through once.

    Attributes:
        in_force: stream to the posting that stands, and where.
        receipts: of all payments that were posted, each once.
        paid_back: those whose posting was taken back.
    """

    faults: list[str] = field(default_factory=list)
    in_force: dict[str, tuple[Row, RecordSucceeded]] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    receipts: Counter[str] = field(default_factory=Counter)
    paid_back: Counter[str] = field(default_factory=Counter)

    def take(self, row: Row, event: Event) -> None:
        """The next event."""
        match event:
            case RecordSucceeded():
                self.in_force[row.stream] = (row, event)
                if (receipt := _receipt(event)) is not None:
                    self.receipts[receipt] += 1
            case RecordReversed():
                self._reversed(row, event)
            case RecordReversalResolved():
                self.asked[event.reversal].resolved.add(row.stream)
            case ReversalRequested():
                name = row.stream.partition("/")[2]
                self.asked[name] = Asked(dict(self._targets(event)))
            case ReversalCompleted():
                name = row.stream.partition("/")[2]
                self._completed(name, event)

    def _targets(self, event: ReversalRequested) -> Iterator[tuple[str, int]]:
        """The postings that a reversal is about, from what is in force when it is asked for."""
        scope = Scope.read(event.scope)
        run = RunId(event.job, event.run)
        chunks = {ChunkId(run, PARTITION, number).label for number in scope.chunks}
        for stream, (row, posting) in self.in_force.items():
            of_run = stream.startswith(f"record/{event.job}/") and posting.run == event.run
            of_chunk = not scope.chunks or posting.chunk in chunks
            if (
                of_run
                and row.position <= event.as_of
                and of_chunk
                and scope.matches(posting.record)
            ):
                yield stream, row.version

    def _reversed(self, row: Row, event: RecordReversed) -> None:
        _, posting = self.in_force.pop(row.stream, (None, None))
        asked = self.asked[event.reversal]
        if asked.left.pop(row.stream, None) != event.posted_version or posting is None:
            self.faults.append(f"{row.stream} {row.version}: {event.reversal} was not asked for it")
            return
        asked.reversed += 1
        if (receipt := _receipt(posting)) is not None:
            self.paid_back[receipt] += 1

    def _completed(self, name: str, event: ReversalCompleted) -> None:
        asked = self.asked[name]
        for stream in asked.left.keys() - asked.resolved:
            posting = self.in_force.get(stream)
            if posting is not None and posting[0].version == asked.left[stream]:
                self.faults.append(f"reversal {name} is completed, but {stream} stands")
        if event.reversed != asked.reversed:
            self.faults.append(
                f"reversal {name} says it took {event.reversed} back, it is {asked.reversed}"
            )


def _receipt(posting: RecordSucceeded) -> str | None:
    output = bytes(posting.output)
    return str(msgspec.json.decode(output)["receipt"]) if output else None


def bill_faults(
    url: str,
    folder: Path,
    bills: Bills,
    acknowledged: Mapping[str, int],
    *,
    state: str | None = None,
) -> list[str]:
    """Everything that is wrong with a store after a kill; nothing, if all is well.

    Args:
        acknowledged: reversals, by their text, to how many records the store said are committed.
        state: that the run should have come to: completed or reversed.
    """
    store = Store.open(url)
    try:
        rows = [row for page in pages(store.log) for row in page]
        history = History()
        for row in rows:
            history.take(row, decode(row.topic, row.state))
        found = [*log_faults(store.log, rows), *history.faults]
        found += _posting_faults(history, bills, state)
        found += _bank_faults(history, Statement.read(folder), state)
        found += _view_faults(store, history, bills, acknowledged, state)
        compared = check(store.log)
        found += [f"view differs: {difference}" for difference in compared.differences]
        return found + book_faults(store)
    finally:
        store.close()


def _posting_faults(history: History, bills: Bills, state: str | None) -> list[str]:
    found = []
    numbers: set[str] = set()
    ordinals: Counter[int] = Counter()
    for stream, (_, posting) in history.in_force.items():
        number = key_of(stream, posting.key) or stream
        numbers.add(number)
        ordinals[posting.ordinal] += 1
        amount = sum(
            line.minor for entry in posting.entries for line in entry.lines if line.side == "D"
        )
        if amount != price(number):
            found.append(f"{number} is posted with {amount}, not {price(number)}")
    found += [f"record {n} is posted {times} times" for n, times in ordinals.items() if times > 1]
    expected = {None: numbers & bills.numbers, "completed": bills.numbers, "reversed": set()}
    for number in sorted(numbers ^ expected[state]):
        found.append(f"{number} is {'' if number in numbers else 'not '}posted")
    return found


def _bank_faults(history: History, statement: Statement, state: str | None) -> list[str]:
    """Each payment and each refund once; at rest none that the events do not tell of."""
    found = list(statement.faults)
    for number, minor in statement.paid.values():
        if minor != price(number):
            found.append(f"{number} was paid with {minor}, not {price(number)}")
    told = (
        (history.receipts, statement.paid.keys(), "paid"),
        (history.paid_back, statement.refunded.keys(), "paid back"),
    )
    for posted, done, what in told:
        found += [f"{each} is {n} postings" for each, n in posted.items() if n > 1]
        found += [f"{each} was not {what}" for each in posted.keys() - done]
        if state is not None:
            found += [f"{each} was {what}, and is not posted so" for each in done - posted.keys()]
    return found


def _view_faults(
    store: Store,
    history: History,
    bills: Bills,
    acknowledged: Mapping[str, int],
    state: str | None,
) -> list[str]:
    found = []
    known = queries.reversals(store)
    for text, count in acknowledged.items():
        done = max((each.reversed + each.failed for each in known if each.text == text), default=0)
        if done < count:
            found.append(f"{text}: {count} were acknowledged, {done} are there")
    found += [
        f"reversal {each.reversal} says it took {each.reversed} back"
        for each in known
        if each.reversed != history.asked[each.reversal].reversed
    ]
    run = next(iter(queries.runs(store, start=bills.name)), None)
    if run is None:
        return [*found, *(["the run is not there"] if state else [])]
    if run.read != run.succeeded + run.skipped + run.failed + run.discarded:
        found.append(f"counts do not reconcile: {run}")
    if state is None:
        return found
    counts = (run.state, run.read, run.succeeded, run.skipped, run.failed, run.discarded)
    expected = (state, bills.records, len(bills.numbers), bills.repeated, 0, 0)
    if counts != expected:
        found.append(f"the run came to {counts}, not {expected}")
    if state == "reversed":
        found += _balance_faults(queries.balances(store))
    return found


def _balance_faults(balances: Sequence[queries.Balance]) -> list[str]:
    return [f"{each} is not zero" for each in balances if each.debit != each.credit]

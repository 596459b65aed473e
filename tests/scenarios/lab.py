"""A store to run jobs in, and what must hold in it after every scenario."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from storno import (
    Chart,
    Entry,
    Job,
    Record,
    RunOptions,
    RunResult,
    Store,
    credit,
    debit,
    init_store,
    iterable,
    job,
    run_job,
)
from storno.domain.codec import decode
from storno.domain.events import (
    Actor,
    ChunkCompleted,
    Counts,
    Event,
    RecordFailed,
    RecordReversed,
    RecordSucceeded,
    RunCompleted,
)
from storno.domain.ids import RunId
from storno.domain.seal import EMPTY_CHAIN, commit_leaf, event_leaf, merkle_root
from storno.execution.dead_letters import Working
from storno.execution.results import Silent
from storno.execution.sources.iterables import IterableSource
from storno.projections.changes import Recorded
from storno.storage import queries
from storno.storage.views.generation import live_tables

from ..oracle import assert_sound

ACTOR = Actor(name="anna", os_user="anna", host="host")
DAY = dt.date(2026, 1, 15)
EventType = TypeVar("EventType", bound=Event)
Rows = list[dict[str, Any]]


class Payment(Record):
    """A row of the input that most scenarios read."""

    number: str
    amount: Decimal
    account: str = "expense:rent"
    currency: str = "EUR"
    date: dt.date = DAY


def payments(count: int, first: int = 0) -> Rows:
    """Raw rows ``P-000``, ``P-001``, ... with amounts that tell them apart."""
    return [
        {"number": f"P-{number:03}", "amount": f"{number + 1}.25"}
        for number in range(first, first + count)
    ]


def ordinal_of(payment: Payment) -> int:
    """The number in a payment's key, which is its place among ``payments``."""
    return int(payment.number.removeprefix("P-"))


def entry_of(payment: Payment) -> Entry:
    """The entry that a payment should come to."""
    return Entry(
        [
            debit(payment.account, payment.amount, payment.currency),
            credit("creditors", payment.amount, payment.currency),
        ],
        effective=payment.date,
    )


def paying(
    rows: Rows | Callable[[int], Iterable[Any]],
    act: Callable[[Payment], object] = lambda payment: None,
    **policies: Any,
) -> Job:
    """A job that posts payments; ``act`` is called with each before its entry is made."""

    def pay(payment: Payment) -> Entry:
        act(payment)
        return entry_of(payment)

    settings = {"key": "number", "source": iterable(rows), "name": "payments"} | policies
    return job(**settings)(pay)


class Calls(list[int]):
    """The ordinals of the payments that a job's function was called with, in order."""

    def __call__(self, payment: Payment) -> None:
        self.append(ordinal_of(payment))


class Watcher(Silent):
    """Notes what a run tells; ``on_commit`` may act on it.

    Attributes:
        acknowledged: the run's counts after each commit.
        retries: the error and the number of tries before each wait.
    """

    def __init__(
        self,
        on_start: Callable[[], object] = lambda: None,
        on_commit: Callable[[Counts], object] = lambda counts: None,
    ) -> None:
        self.acknowledged: list[Counts] = []
        self.retries: list[tuple[str, int]] = []
        self._on_start = on_start
        self._on_commit = on_commit

    def started(self, *_: object) -> None:
        self._on_start()

    def committed(self, counts: Counts, position: int | None) -> None:
        self.acknowledged.append(counts)
        self._on_commit(counts)

    def retrying(self, error: str, tries: int, delay_seconds: float) -> None:
        self.retries.append((error, tries))


@dataclass
class Lab:
    """A store, and the inputs that were given to it.

    Attributes:
        is_new: whether the store is made first.
        acknowledged: run to the counts that were told last.
        inputs: run to its raw rows, where they are known.
        amount_of: what a raw row debits, in minor units by currency; None where its entry is not
            simply its amount, and the test checks the ledger itself.
    """

    url: str
    is_new: bool = True
    acknowledged: dict[str, Counts] = field(default_factory=dict)
    inputs: dict[str, Sequence[Any]] = field(default_factory=dict)
    amount_of: Callable[[Mapping[str, Any]], tuple[str, int]] | None = None

    def __post_init__(self) -> None:
        if self.is_new:
            init_store(self.url)
        self.store = Store.open(self.url)
        self.amount_of = amount_in_cents

    def run(
        self,
        definition: Job,
        parameters: Mapping[str, Any] | None = None,
        *,
        watcher: Watcher | None = None,
        base: Path | None = None,
        chart: Chart | None = None,
        **options: Any,
    ) -> RunResult:
        """Run a job with these options, and note what it was given and what it told."""
        parameters = parameters or {}
        watcher = watcher or Watcher()
        run = str(definition.run_id(definition.parse_parameters(parameters)))
        if isinstance(definition.source, IterableSource) and definition.source.length:
            self.inputs[run] = list(definition.source.factory(0))
        try:
            return run_job(
                self.store, definition, parameters, ACTOR, RunOptions(**options), watcher,
                base=base, chart=chart,
            )  # fmt: skip
        finally:
            if watcher.acknowledged and not options.get("dry_run"):
                self.acknowledged[run] = watcher.acknowledged[-1]

    def working(self, definition: Job, parameters: Mapping[str, Any] | None = None) -> Working:
        """The dead letters of a run of a job; from now on the run's counts may change."""
        run = definition.run_id(definition.parse_parameters(parameters or {}))
        self.acknowledged.pop(str(run), None)
        return Working(
            store=self.store, job=definition, run=run, parameters=parameters or {}, actor=ACTOR
        )

    def letters(self, *ordinals: int, **chosen: Any) -> list[queries.DeadLetterPlace]:
        """Dead letters that wait, those of these records where any are named."""
        found = queries.dead_letter_places(self.store, **chosen)
        return [place for place in found if not ordinals or place.ordinal in ordinals]

    def states(self) -> dict[int, str]:
        """Ordinal to the state of each dead letter."""
        return {row["ordinal"]: row["state"] for row in self.view("dead_letters")}

    def counts(self, run: RunId) -> Counts:
        """What the run's totals say."""
        (row,) = (row for row in self.view("runs") if row["run"] == str(run))
        return counts_of(row)

    def close(self) -> None:
        self.store.close()

    # What the store holds.

    def log(self) -> list[Recorded]:
        """Every event in order of position."""
        rows = self.store.log.read_prefix("")
        ordered = sorted(rows, key=lambda row: row.position)
        return [Recorded(row.stream, row.version, decode(row.topic, row.state)) for row in ordered]

    def events(self, kind: type[EventType], begins: str = "") -> list[EventType]:
        """The events of one class, in streams whose names begin so."""
        return [
            recorded.event
            for recorded in self.log()
            if isinstance(recorded.event, kind) and recorded.stream.startswith(begins)
        ]

    def chunks(self, run: RunId | None = None) -> list[tuple[int, int]]:
        """First ordinal and number of records of each completed chunk, in order of commit."""
        begins = "" if run is None else run.chunks
        done = self.events(ChunkCompleted, begins)
        return [(event.first_ordinal, event.counts.read) for event in done]

    def posted(self) -> list[int]:
        """The ordinals of what was posted, in order."""
        return sorted(event.ordinal for event in self.events(RecordSucceeded))

    def in_force(self) -> list[int]:
        """The ordinals of what is posted and not taken back, in order."""
        standing: dict[str, int] = {}
        for stream, _, event in self.log():
            if isinstance(event, RecordSucceeded):
                standing[stream] = event.ordinal
            elif isinstance(event, RecordReversed):
                del standing[stream]
        return sorted(standing.values())

    def failures(self) -> dict[int, str]:
        """Ordinal to the error code of each failed record."""
        return {event.ordinal: event.error for event in self.events(RecordFailed)}

    def view(self, name: str) -> list[dict[str, Any]]:
        """All rows of a view."""
        with self.store.engine.connect() as connection:
            table = live_tables(connection)[name]
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def balances(self) -> dict[tuple[str, str], int]:
        """Account and currency to debit minus credit, in minor units; without empty ones."""
        sums: Counter[tuple[str, str]] = Counter()
        for row in self.view("movements"):
            sums[row["account"], row["currency"]] += row["debit"] - row["credit"]
        return {account: balance for account, balance in sums.items() if balance}

    # What must hold.

    def check(self) -> None:
        """The oracle of every scenario."""
        self._check_log()
        assert_sound(self.url)
        self._check_acknowledged()
        self._check_counts()
        self._check_ledger()

    def _check_log(self) -> None:
        """Positions and versions without gaps, and seals that fit what is stored."""
        log = self.store.log
        rows = sorted(log.read_prefix(""), key=lambda row: row.position)
        assert [row.position for row in rows] == list(range(1, len(rows) + 1))
        versions: Counter[str] = Counter()
        for row in rows:
            versions[row.stream] += 1
            assert row.version == versions[row.stream], f"{row.stream} has a gap"
        chain, position = EMPTY_CHAIN, 1
        for number, commit in enumerate(log.commits(limit=1_000_000), 1):
            assert (commit.number, commit.first_position) == (number, position)
            sealed = rows[position - 1 : position - 1 + commit.count]
            root = merkle_root([event_leaf(*row[1:]) for row in sealed])
            chain = commit_leaf(number, position, commit.count, commit.recorded_at, root, chain)
            assert (commit.merkle_root, commit.chain_hash) == (root, chain)
            position += commit.count
        assert position == len(rows) + 1

    def _check_acknowledged(self) -> None:
        """What was acknowledged is there."""
        runs = {row["run"]: row for row in self.view("runs")}
        for run, counts in self.acknowledged.items():
            assert counts_of(runs[run]) == counts, f"{run} was told other counts than it has"

    def _check_counts(self) -> None:
        """Read = succeeded + skipped + failed + discarded, and each figure has its records."""
        log = self.log()
        for row in self.view("runs"):
            counts, run = counts_of(row), RunId.parse(row["run"])
            parts = counts.succeeded + counts.skipped + counts.failed + counts.discarded
            assert counts.read == parts
            if row["state"] == "completed":
                waiting = self._waiting(row["run"])
                # What was posted, and is given differently by the input since, waits as well.
                assert counts.succeeded == len(_places(log, run, RecordSucceeded) - waiting)
                assert counts.failed == len(waiting)
            for each in log:
                if isinstance(each.event, RunCompleted) and each.stream == run.stream:
                    last = each.event
                    assert last.counts.read == last.counts.succeeded + last.counts.skipped + (
                        last.counts.failed + last.counts.discarded
                    )

    def _waiting(self, run: str) -> set[tuple[str, int]]:
        """The places of the run's dead letters that are still to be settled."""
        found = queries.dead_letter_places(self.store, run=run)
        return {(place.partition, place.ordinal) for place in found}

    def _check_ledger(self) -> None:
        """Debits equal credits, and both the sum over the input rows that were posted."""
        debits: Counter[str] = Counter()
        for row in self.view("movements"):
            debits[row["currency"]] += row["debit"]
        assert not self._differences(), "debits and credits differ"
        if self.amount_of is None:
            return
        expected: Counter[str] = Counter()
        amounts: dict[tuple[str, int], tuple[str, int]] = {}
        for stream, version, event in self.log():
            if isinstance(event, RecordSucceeded):
                amounts[stream, version] = self.amount_of(self._row(stream, event))
                currency, minor = amounts[stream, version]
                expected[currency] += minor
            elif isinstance(event, RecordReversed):
                currency, minor = amounts[stream, event.posted_version]
                is_red = any(line.minor < 0 for entry in event.entries for line in entry.lines)
                expected[currency] += -minor if is_red else minor
        assert debits == expected

    def _differences(self) -> dict[str, int]:
        """Currency to debit minus credit over all accounts, where it is not zero."""
        sums: Counter[str] = Counter()
        for (_, currency), balance in self.balances().items():
            sums[currency] += balance
        return {currency: balance for currency, balance in sums.items() if balance}

    def _row(self, stream: str, event: RecordSucceeded) -> Mapping[str, Any]:
        """The raw row that was posted; the stored record where the input is not known."""
        job_name = stream.split("/")[1]
        rows = self.inputs.get(f"{job_name}/{event.run}")
        if rows is not None:
            row: Mapping[str, Any] = rows[event.ordinal]
            return row
        stored: dict[str, Any] = msgspec.json.decode(event.record)
        return stored


def amount_in_cents(row: Mapping[str, Any]) -> tuple[str, int]:
    """What a payment's raw row debits."""
    return row.get("currency", "EUR"), int(Decimal(row["amount"]) * 100)


def counts_of(row: Mapping[str, Any]) -> Counts:
    """The counts in a row of the view ``runs``."""
    return Counts(**{name: row[name] for name in Counts.__struct_fields__})


def _places(log: list[Recorded], run: RunId, kind: type[RecordSucceeded]) -> set[tuple[str, int]]:
    """The run's input records, by partition and ordinal, of which there is such an event."""
    return {
        (each.event.partition, each.event.ordinal)
        for each in log
        if isinstance(each.event, kind)
        and each.event.run == run.name
        and each.stream.startswith(f"record/{run.job}/")
    }

"""The books as the stored events tell them, read without storno's own folds and views.

Rules are accounting-rules': a posting is in force until a reversal takes it back, once, by exactly
its own lines; posted minus reversed is the ledger; a closed period does not move; nothing is taken
back that nobody asked for, or before others agreed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from storno.storage.schema import VIEW_GENERATION
from storno.storage.store import Store

Unit = tuple[str, str, str, int]
"""Book, account, currency, exponent."""

Place = tuple[str, str, str, int, str, str]
"""The same, and the posting and the effective date."""

PAGE = 5_000


@dataclass
class Asked:
    """A reversal as it was requested, and what became of it."""

    form: str
    approvals: int
    requester: str
    records: int
    approvers: set[str] = field(default_factory=set)
    begun: bool = False
    over: bool = False
    reversed: int = 0


@dataclass
class Books:
    """What the events come to; ``faults`` is what is wrong with them."""

    faults: list[str] = field(default_factory=list)
    in_force: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    attempted: dict[str, int] = field(default_factory=dict)
    reversals: dict[str, Asked] = field(default_factory=dict)
    closed: set[tuple[str, str]] = field(default_factory=set)
    debits: Counter[Place] = field(default_factory=Counter)
    credits: Counter[Place] = field(default_factory=Counter)

    def take(self, stream: str, version: int, topic: str, state: Mapping[str, Any]) -> None:
        """The next event of the log."""
        kind, _, name = stream.partition("/")
        what = topic.split(".")[1]
        if kind == "period":
            book, month = name.rsplit("/", 1)
            period = (unquote(book), month)
            self.closed.discard(period) if what == "PeriodReopened" else self.closed.add(period)
        elif kind == "reversal":
            self._reversal(name, what, state)
        elif what == "RecordSucceeded":
            self._posted(stream, version, state)
        elif what == "RecordReversed":
            self._reversed(stream, version, state)
        elif what == "RecordAttempted":
            self.attempted[stream] = version

    def _posted(self, stream: str, version: int, state: Mapping[str, Any]) -> None:
        if stream in self.in_force:
            first, _ = self.in_force[stream]
            self._wrong(stream, version, f"is posted, and was by {first}, with no reversal between")
        self.in_force[stream] = (version, dict(state))
        self._move(stream, version, state)

    def _reversed(self, stream: str, version: int, state: Mapping[str, Any]) -> None:
        asked = self.reversals.get(state["reversal"])
        if asked is None or not asked.begun or asked.over:
            self._wrong(stream, version, f"reversal {state['reversal']} is not under way")
        self._move(stream, version, state)
        if asked is not None:
            asked.reversed += 1
        if stream not in self.in_force:
            in_doubt = self.attempted.get(stream) == state["posted_version"]
            if not in_doubt or state.get("entries"):
                self._wrong(stream, version, "takes back what is not in force")
            return
        posted, original = self.in_force.pop(stream)
        if state["posted_version"] != posted:
            self._wrong(stream, version, f"names posting {state['posted_version']}, not {posted}")
        forms = ("black", "red") if asked is None else (asked.form,)
        if not any(_undoes(state, original, form) for form in forms):
            self._wrong(stream, version, f"its lines are not those of {posted}, taken back")

    def _reversal(self, name: str, what: str, state: Mapping[str, Any]) -> None:
        if what == "ReversalRequested":
            requester = state["actor"]["name"]
            self.reversals[name] = Asked(
                state["form"], state["approvals"], requester, state["records"]
            )
            return
        asked = self.reversals[name]
        if asked.over:
            self.faults.append(f"reversal {name}: {what} after its end")
        if what == "ReversalApproved":
            asked.approvers.add(state["actor"]["name"])
        elif what == "ReversalStarted":
            asked.begun = True
            if len(asked.approvers - {asked.requester}) < asked.approvals:
                self.faults.append(f"reversal {name}: began without those who have to agree")
        elif what in ("ReversalRejected", "ReversalCompleted"):
            asked.over = True
            if asked.reversed > asked.records:
                self.faults.append(
                    f"reversal {name}: {asked.reversed} taken back, {asked.records} asked for"
                )

    def _move(self, stream: str, version: int, state: Mapping[str, Any]) -> None:
        for entry in state.get("entries", ()):
            book, posting = entry["book"], entry["posting"]
            if (book, posting[:7]) in self.closed:
                self._wrong(stream, version, f"moves {posting[:7]} of {book}, which is closed")
            for account, side, minor, currency, exponent in entry["lines"]:
                sums = self.debits if side == "D" else self.credits
                sums[book, account, currency, exponent, posting, entry["effective"]] += minor

    def _wrong(self, stream: str, version: int, what: str) -> None:
        self.faults.append(f"{stream} {version}: {what}")

    def standing(self) -> Counter[Unit]:
        """Debit minus credit of the postings in force."""
        net: Counter[Unit] = Counter()
        for _, state in self.in_force.values():
            for entry in state.get("entries", ()):
                for account, side, minor, currency, exponent in entry["lines"]:
                    unit = (entry["book"], account, currency, exponent)
                    net[unit] += minor if side == "D" else -minor
        return net


def book_faults(store: Store) -> list[str]:
    """Everything that is wrong with the books of a store; nothing, if all is well."""
    books = Books()
    for stream, version, topic, state in _events(store):
        books.take(stream, version, topic, json.loads(state))
    moved = _ledger(store)
    faults = books.faults
    told_and_kept = zip(("debit", "credit"), (books.debits, books.credits), moved, strict=True)
    for side, told, kept in told_and_kept:
        faults += [
            f"{side} of {place}: the events say {told[place]}, the ledger {kept[place]}"
            for place in sorted(told.keys() | kept.keys())
            if told[place] != kept[place]
        ]
    net: Counter[Unit] = Counter()
    for sign, sums in zip((1, -1), moved, strict=True):
        for place, minor in sums.items():
            net[place[:4]] += sign * minor
    standing = books.standing()
    return faults + [
        f"{unit}: in force is {standing[unit]}, the ledger has {net[unit]}"
        for unit in sorted(net.keys() | standing.keys())
        if net[unit] != standing[unit]
    ]


def _undoes(state: Mapping[str, Any], original: Mapping[str, Any], form: str) -> bool:
    """Whether the entries are the original's, swapped (black) or negated (red), line by line."""
    mirrored = {"D": "C", "C": "D"} if form == "black" else {"D": "D", "C": "C"}
    sign = 1 if form == "black" else -1
    expected = [
        (
            entry["book"],
            entry["effective"],
            [
                [account, mirrored[side], sign * minor, currency, exponent]
                for account, side, minor, currency, exponent in entry["lines"]
            ],
        )
        for entry in original.get("entries", ())
    ]
    found = [
        (entry["book"], entry["effective"], entry["lines"]) for entry in state.get("entries", ())
    ]
    return found == expected


def _events(store: Store) -> Iterator[tuple[str, int, str, bytes]]:
    after = 0
    while rows := store.log.read_log(after_position=after, limit=PAGE):
        for row in rows:
            yield row.stream, row.version, row.topic, row.state
        after = rows[-1].position


def _ledger(store: Store) -> tuple[Counter[Place], Counter[Place]]:
    moved: tuple[Counter[Place], Counter[Place]] = (Counter(), Counter())
    with store.engine.connect() as connection:
        generation = connection.execute(sa.select(VIEW_GENERATION.c.generation)).scalar_one()
        rows = connection.exec_driver_sql(
            "SELECT book, account, currency, exponent, posting, effective, debit, credit "
            f"FROM movements_g{generation}"
        )
        for book, account, currency, exponent, posting, effective, debit, credit in rows:
            place = (book, account, currency, exponent, posting, effective)
            moved[0][place] += debit
            moved[1][place] += credit
    return moved

"""What runs, dead letters, reversals and periods should do, said in the simplest way.

An act is a generator: it raises ``Refused`` before it does anything, and yields after each commit
that it makes. So a process that died in the middle of it has done as much of it as there are
commits.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from storno.domain.errors import (
    ApprovalRequiredError,
    ConflictError,
    NotAllowedError,
    NotFoundError,
    UsageError,
)
from storno.domain.period import balance_digest
from storno.domain.reversal import PlanChangedError

from .books_facts import (
    Asked,
    Item,
    Letter,
    Month,
    Plan,
    Posting,
    Refused,
    Reversal,
    Run,
    accounts_of,
    first_open,
    month_of,
)

CHUNK_SIZE = 2
BATCH = 3
"""Postings that a reversal takes back in one commit."""

OVER = ("completed", "partly-reversed", "reversed")

Acts = Iterator[None]
Place = tuple[str, dt.date]
"""An account, and a posting date."""


@dataclass(slots=True)
class World:
    """All of it.

    Attributes:
        lives: key to its postings.
        bad: keys whose records fail at the moment.
        ledger: account and posting date to debit and credit.
        closed: closed months, and the digest of the trial balance of each.
        touched: accounts and days that anything was ever posted to.
    """

    runs: dict[str, Run] = field(default_factory=dict)
    reversals: dict[str, Reversal] = field(default_factory=dict)
    lives: dict[str, list[Posting]] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)
    debits: Counter[Place] = field(default_factory=Counter)
    credits: Counter[Place] = field(default_factory=Counter)
    closed: dict[Month, str] = field(default_factory=dict)
    ever_closed: set[Month] = field(default_factory=set)
    tick: int = 1

    # Runs.

    def go(self, name: str, *, again: bool = False, limit: int | None = None) -> Acts:
        """Start a run, or go on with it."""
        run = self.runs[name]
        if run.abandoned:
            raise Refused(NotAllowedError)
        if run.state == "reversing":
            raise Refused(ConflictError)
        if run.state in OVER:
            if not again:
                return
            run.outcomes, run.taken, run.reversal = [], 0, None
        run.state, run.claimed = "running", run.chunks + 1
        yield from self._commit()
        while run.state == "running":
            begin, size = len(run.outcomes), CHUNK_SIZE if limit is None else min(CHUNK_SIZE, limit)
            for ordinal in range(begin, min(begin + size, len(run.items))):
                run.outcomes.append(self._work_on(name, ordinal))
            run.chunks += 1
            if limit is not None:
                limit -= len(run.outcomes) - begin
            if len(run.outcomes) == len(run.items):
                run.state = "completed"
            elif limit == 0:
                run.state = "stopped"
            else:
                run.claimed += 1
            yield from self._commit()

    def abandon(self, name: str) -> Acts:
        """End a run for good."""
        run = self.runs[name]
        if run.abandoned:
            return
        if run.state == "reversing":
            raise Refused(ConflictError)
        if run.state in OVER:
            raise Refused(NotAllowedError)
        run.state, run.abandoned = "abandoned", True
        yield from self._commit()

    def _work_on(self, name: str, ordinal: int) -> str:
        run = self.runs[name]
        item = run.items[ordinal]
        if (kept := self._kept(name, ordinal)) is not None:
            return kept
        outcome, error = self._post(name, ordinal, item, run.chunks)
        if outcome == "failed":
            run.letters[ordinal] = Letter("open", error, item, item.key)
        elif ordinal in run.letters:
            run.letters[ordinal].state = "resolved"
        return outcome

    def _kept(self, name: str, ordinal: int) -> str | None:
        """What a record counts as whose dead letter somebody has seen to; None where it is new."""
        letter = self.runs[name].letters.get(ordinal)
        if letter is None or letter.state == "open":
            return None
        if letter.state != "resolved":
            return {"discarded": "discarded", "corrected": "failed"}[letter.state]
        posting = self.lives[letter.item.key][-1]
        if not posting.stands:
            return None
        here = (posting.run, posting.ordinal) == (name, ordinal)
        return "succeeded" if here else "skipped" if posting.item == letter.item else None

    def _post(self, name: str, ordinal: int, item: Item, chunk: int | None) -> tuple[str, str]:
        """What a record comes to, and its error."""
        run, life = self.runs[name], self.lives.setdefault(item.key, [])
        if item.minor is None:
            return "failed", "invalid-record"
        if life and life[-1].stands:
            if life[-1].item != item:
                return "failed", "key-conflict"
            here = (life[-1].run, life[-1].ordinal) == (name, ordinal)
            return ("succeeded" if here else "skipped"), ""
        if item.key in self.bad:
            return "failed", "BadRecordError"
        day = first_open(item.date, self.closed)
        if day != item.date and not run.moves:
            return "failed", "period-closed"
        number = len(life) + 1
        life.append(Posting(name, ordinal, item, number, day, self.tick, chunk))
        self._move(run, item, day, sign=1, swapped=False)
        return "succeeded", ""

    def _move(self, run: Run, item: Item, day: dt.date, *, sign: int, swapped: bool) -> None:
        assert item.minor is not None, "what is not valid moves nothing"
        assert month_of(day) not in self.closed, "a closed month does not move"
        sides = (self.credits, self.debits) if swapped else (self.debits, self.credits)
        for side, account in zip(sides, accounts_of(item.key), strict=True):
            side[account, day] += sign * item.minor
        run.months.add(month_of(day))

    def _commit(self) -> Acts:
        self.tick += 1
        yield

    # Dead letters.

    def _permit(self, run: Run) -> None:
        if run.state in ("running", "reversing"):
            raise Refused(ConflictError)
        if run.abandoned or run.state == "reversed":
            raise Refused(NotAllowedError)

    def edit(self, name: str, ordinal: int, item: Item) -> Acts:
        """Correct a dead letter."""
        run, letter = self.runs[name], self.runs[name].letters[ordinal]
        self._permit(run)
        if not letter.waits:
            raise Refused(NotAllowedError)
        if item == letter.item:
            if item.minor is None:
                raise Refused(UsageError)
            return
        if item.minor is None:
            raise Refused(UsageError)
        letter.state, letter.item = "corrected", item
        yield from self._commit()

    def retry(self, name: str, ordinals: Sequence[int], found: list[str]) -> Acts:
        """Try dead letters again; those in the run's totals first. Adds what comes of each."""
        run = self.runs[name]
        self._permit(run)
        read = len(run.outcomes)
        counted = [ordinal for ordinal in ordinals if ordinal < read]
        others = [ordinal for ordinal in ordinals if ordinal >= read]
        for group in (counted, others):
            for begin in range(0, len(group), CHUNK_SIZE):
                chunk = group[begin : begin + CHUNK_SIZE]
                found += [self._retry_one(name, ordinal) for ordinal in chunk]
                yield from self._commit()

    def _retry_one(self, name: str, ordinal: int) -> str:
        run = self.runs[name]
        letter = run.letters[ordinal]
        outcome, error = self._post(name, ordinal, letter.item, None)
        if outcome == "failed":
            run.letters[ordinal] = Letter("open", error, letter.item, letter.item.key)
            return outcome
        letter.state = "resolved"
        if ordinal < len(run.outcomes):
            run.outcomes[ordinal] = outcome
        return outcome

    def discard(self, name: str, ordinals: Sequence[int]) -> Acts:
        """Give dead letters up."""
        run = self.runs[name]
        if run.state == "running":
            raise Refused(ConflictError)
        letters = {ordinal: run.letters[ordinal] for ordinal in ordinals}
        if any(letter.state == "resolved" for letter in letters.values()):
            raise Refused(NotAllowedError)
        left = {ordinal: letter for ordinal, letter in letters.items() if letter.waits}
        for ordinal, letter in left.items():
            letter.state = "discarded"
            if ordinal < len(run.outcomes):
                run.outcomes[ordinal] = "discarded"
        if left:
            yield from self._commit()

    def settle(self, name: str, ordinal: int) -> Acts:
        """A person saw to what a reversal could not take back."""
        reversal = self.reversals[name]
        if ordinal in reversal.settled:
            return
        reversal.settled.add(ordinal)
        posting = reversal.set_aside[ordinal]
        posting.waits_for, posting.settled_for = None, name
        yield from self._commit()

    # Reversals.

    def plan(self, asked: Asked) -> Plan:
        """What a reversal would do now.

        Raises:
            Refused: there is nothing of that name.
        """
        run = self.runs.get(asked.run)
        if run is None or run.state == "new":
            raise Refused(NotFoundError)
        if any(chunk >= run.claimed for chunk in asked.chunks):
            raise Refused(NotFoundError)
        plan = Plan()
        meant = [each for each in self._meant(asked) if each is self.lives[each.item.key][-1]]
        for posting in meant:
            self._add(plan, asked, posting)
        found = {posting.item.key for posting in meant}
        missing = [key for key in dict.fromkeys(asked.keys) if key not in found]
        plan.blocked += [(key, 0, "not-posted") for key in missing]
        return plan

    def _add(self, plan: Plan, asked: Asked, posting: Posting) -> None:
        key, number = posting.item.key, posting.number
        if not posting.stands:
            plan.blocked.append((key, number, f"already-reversed: by {posting.reversed_by}"))
        elif (day := self._day(asked, posting, self.closed)) is None:
            plan.blocked.append((key, number, "period-closed"))
        else:
            plan.taken.append((posting, day))

    @staticmethod
    def _day(asked: Asked, posting: Posting, closed: Iterable[Month]) -> dt.date | None:
        if asked.date is None:
            return first_open(posting.day, closed)
        return None if month_of(asked.date) in closed else asked.date

    def _meant(self, asked: Asked) -> list[Posting]:
        """All postings in the scope, the newest commit first; those of named keys as named."""
        if asked.keys:
            last = [self.lives[key][-1] for key in dict.fromkeys(asked.keys) if self.lives.get(key)]
            return [posting for posting in last if posting.run == asked.run]
        found = [
            posting
            for life in self.lives.values()
            for posting in life
            if posting.run == asked.run
            and (not asked.chunks or posting.chunk in asked.chunks)
            and asked.holds(posting.item)
        ]
        return sorted(found, key=lambda posting: (-posting.tick, posting.ordinal))

    def _postings(self, reversal: Reversal) -> list[Posting]:
        """What was posted when it was requested."""
        return [each for each in self._meant(reversal.asked) if each.tick <= reversal.as_of]

    def submit(self, asked: Asked, requester: str, approvals: int, *, stale: bool = False) -> Acts:
        """Ask for a reversal."""
        plan = self.plan(asked)
        if stale:
            raise Refused(PlanChangedError)
        if not plan.taken:
            raise Refused(ConflictError)
        state = "requested" if approvals else "approved"
        self.reversals[f"R-{len(self.reversals) + 1:06d}"] = Reversal(
            asked, plan, plan.mark(), self.tick, frozenset(self.closed), requester, approvals,
            state=state,
        )  # fmt: skip
        yield from self._commit()

    def approve(self, name: str, actor: str) -> Acts:
        """Agree to a reversal."""
        reversal = self.reversals[name]
        if actor in reversal.approvers and reversal.state != "rejected":
            return
        if reversal.state != "requested" or actor == reversal.requester:
            raise Refused(NotAllowedError)
        if self.plan(reversal.asked).mark() != reversal.mark:
            raise Refused(PlanChangedError)
        reversal.approvers.append(actor)
        if len(reversal.approvers) == reversal.approvals:
            reversal.state = "approved"
        yield from self._commit()

    def reject(self, name: str) -> Acts:
        """Refuse a reversal."""
        reversal = self.reversals[name]
        if reversal.state == "rejected":
            return
        if reversal.state not in ("requested", "approved"):
            raise Refused(NotAllowedError)
        reversal.state = "rejected"
        yield from self._commit()

    def execute(self, name: str) -> Acts:
        """Take back what was requested, or go on with that."""
        reversal = self.reversals[name]
        if reversal.state == "completed":
            return
        if reversal.state == "rejected":
            raise Refused(NotAllowedError)
        if len(reversal.approvers) < reversal.approvals:
            raise Refused(ApprovalRequiredError)
        run = self.runs[reversal.asked.run]
        if not reversal.attempt and self.plan(reversal.asked).mark() != reversal.mark:
            raise Refused(PlanChangedError)
        if run.state == "running" or (run.state == "reversing" and run.reversal != name):
            raise Refused(ConflictError)
        reversal.state, run.state, run.reversal = "running", "reversing", name
        reversal.attempt += 1
        yield from self._commit()
        postings = self._postings(reversal)
        for begin in range(0, len(postings), BATCH):
            done = [self._take_back(name, each) for each in postings[begin : begin + BATCH]]
            if any(done):
                yield from self._commit()
        reversal.state = "stopped" if reversal.failed else "completed"
        run.state = "partly-reversed" if self.standing(reversal.asked.run) else "reversed"
        yield from self._commit()

    def _take_back(self, name: str, posting: Posting) -> bool:
        """Take a posting back, or set it aside; whether anything is to be written."""
        reversal = self.reversals[name]
        run, asked = self.runs[reversal.asked.run], reversal.asked
        is_last = posting is self.lives[posting.item.key][-1]
        if not is_last or name in (posting.settled_for, posting.reversed_by):
            return False
        if self._day(asked, posting, reversal.closed) is None:
            return False
        if not posting.stands:
            if posting.reversed_at <= reversal.as_of or posting.waits_for == name:
                return False
            self._set_aside(name, posting, "already-reversed")
            return True
        day = self._day(asked, posting, self.closed)
        if day is None:
            self._set_aside(name, posting, "period-closed")
            return True
        self._move(run, posting.item, day, sign=-1 if asked.red else 1, swapped=not asked.red)
        posting.reversed_by, posting.reversed_at = name, self.tick
        posting.settled_for = posting.waits_for = None
        if posting.ordinal in reversal.letters:
            reversal.settled.add(posting.ordinal)
        reversal.taken += 1
        run.taken += 1
        return True

    def _set_aside(self, name: str, posting: Posting, error: str) -> None:
        reversal = self.reversals[name]
        reversal.letters[posting.ordinal] = error
        reversal.set_aside[posting.ordinal] = posting
        reversal.settled.discard(posting.ordinal)
        posting.waits_for, posting.settled_for = name, None

    def standing(self, run: str) -> int:
        """How many postings of a run are in force."""
        return sum(life[-1].stands and life[-1].run == run for life in self.lives.values() if life)

    # Periods.

    def close(self, month: Month, *, forced: bool, reason: str) -> Acts:
        """Close a month."""
        if month in self.closed:
            return
        if forced and not reason:
            raise Refused(UsageError)
        if not forced and self._obstacles(month):
            raise Refused(NotAllowedError)
        self.closed[month] = self._digest(month)
        self.ever_closed.add(month)
        yield from self._commit()

    def reopen(self, month: Month, reason: str) -> Acts:
        """Open a closed month again."""
        if not reason:
            raise Refused(UsageError)
        if month not in self.closed:
            raise Refused(NotAllowedError)
        del self.closed[month]
        yield from self._commit()

    def _obstacles(self, month: Month) -> bool:
        """Whether a run that is not at its end, or has open dead letters, posted into a month."""
        for name, run in self.runs.items():
            letters = sum(letter.waits for letter in run.letters.values()) + sum(
                each.failed for each in self.reversals.values() if each.asked.run == name
            )
            unfinished = run.state in ("running", "stopped", "reversing")
            if month in run.months and (unfinished or letters):
                return True
        return False

    def _digest(self, month: Month) -> str:
        sums: dict[str, list[int]] = {}
        for side, amounts in enumerate((self.debits, self.credits)):
            for (account, day), minor in amounts.items():
                if month_of(day) <= month:
                    sums.setdefault(account, [0, 0])[side] += minor
        return balance_digest(
            (account, "EUR", 2, debit, credit) for account, (debit, credit) in sums.items()
        )

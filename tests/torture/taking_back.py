"""The life of a store whose run is mended, taken back and run again, in processes that are killed.

Each deed is done by a process of its own, and again until it is done; what is left is looked at
after some deaths, and whenever all is posted or all is taken back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from storno.cli.errors import CONFLICT, DEAD_LETTERS, DONE
from storno.domain.reversal import PlanChangedError

from .bills import BILLS, bill_faults, write_bills
from .clerk import JOBS, UNBLOCKED, WILLING, Deed
from .driver import Attempt, Report, Start, Torment
from .process import Clerk

About = dict[str, Any]
"""What a deed is about, by the names of its attributes."""

SCOPES: Final = ("", "date>=2026-02-01", "date<2026-02-01", "amount>5000", "last 3")
ROUNDS = 2
"""How often something is taken back in part before all of it is."""

OUTCOMES: Final = (DONE, DEAD_LETTERS, CONFLICT)
"""Of a reversal that is executed."""

LONG = (1.2, 0.4)
SHORT = (0.1, 0.1)
SECONDS: defaultdict[str, tuple[float, float]] = defaultdict(
    lambda: SHORT, dict.fromkeys(("work_through", "run_again", "correct", "retry", "execute"), LONG)
)
"""Deeds to how long they take, roughly, with and without effort."""

DISTURBED = defaultdict(
    lambda: 0.3, execute=0.9, retry=0.8, work_through=0.6, run_again=0.6, correct=0.5
)
"""Deeds to how probable it is that an attempt at them is disturbed."""

LOOKS = 0.2
"""Of the deaths after which somebody looks."""


class BillLife:
    """One run and what becomes of it: mended, partly taken back, run again, wholly taken back."""

    def __init__(self, torment: Torment, folder: Path, url: str) -> None:
        self.torment = torment
        self.random = torment.random
        self.tally = torment.tally
        self._at = (url, folder)
        job = list(JOBS)[self.tally.lives % len(JOBS)]
        self._bills = write_bills(folder, job, f"r{self.tally.lives:04d}", BILLS, self.random)
        self._acknowledged: Counter[str] = Counter()
        self._asked = 0
        self._closed = False
        self._kills = 0
        self._report: Report

    def live(self, kills: int, report: Report) -> None:
        """Disturb it until there were so many kills, and let it be then."""
        self._kills, self._report = kills, report
        self._do("work_through")
        for _ in range(ROUNDS):
            if self.tally.kills >= kills:
                break
            self._work_off()
            self._take_back(self.random.choice(SCOPES))
            self._run_again()
        self._post_all()
        self._look("completed")
        self._take_back("", last=True)
        self._look("reversed")
        self.tally.lives += not self.tally.problems

    def _work_off(self) -> None:
        """Mend and try again some of what failed, perhaps with a month closed in between."""
        if self.random.random() < 0.3:
            self._close()
        if self.random.random() < 0.7:
            self._do("correct")
        self._show(UNBLOCKED, self.random.random() < 0.7)
        self._do("retry")
        if self._closed and self.random.random() < 0.5:
            self._reopen()

    def _run_again(self) -> None:
        """Post anew what was taken back; closed months refuse it, where nobody is paid for it."""
        if self._bills.job == "payments" or self.random.random() < 0.7:
            self._reopen()
        self._show(UNBLOCKED, self.random.random() < 0.5)
        self._do("run_again")

    def _post_all(self) -> None:
        """Do what is left to do, until every bill is posted."""
        self._reopen()
        self._show(UNBLOCKED, True)
        self._do("run_again")
        # What failed for another reason may clash with another bill, once that is mended.
        for _ in range(3):
            self._do("correct")
            if self._do("retry").code == DONE:
                break

    def _take_back(self, scope: str, *, last: bool = False) -> None:
        """Ask for it, have it agreed to, and execute it to its end.

        Args:
            last: whether it is to stay so, and nothing may be posted anew beside it.
        """
        self._show(WILLING, self.random.random() < 0.5)
        asked = self._ask(scope)
        if asked is None:
            return
        rival = self._ask(self.random.choice(SCOPES)) if self.random.random() < 0.3 else None
        if not self._closed and self.random.random() < 0.2:
            self._close()
        first = None
        if (rival is not None or not last) and self.random.random() < 0.5:
            first = self._race(asked, rival, last=last)
        self._execute(asked, first, last=last)
        if rival is not None:
            self._execute(rival, last=last)

    def _race(self, asked: About, rival: About | None, *, last: bool) -> Callable[[], object]:
        """Have the reversal and something else about the run begun at once.

        Gives what comes to the end of the other, if that was first.
        """
        what, about = ("run_again", {}) if rival is None else ("execute", rival)
        if self.tally.kills < self._kills:
            self.torment.together(
                self._start("execute", asked, OUTCOMES), self._start(what, about, OUTCOMES)
            )
        if rival is None:
            return partial(self._do, "run_again")
        return partial(self._execute, rival, last=last)

    def _ask(self, scope: str) -> About | None:
        """Submit it and have it agreed to; None where there is nothing to take back."""
        self._asked += 1
        about: About = {
            "label": f"{self._asked}",
            "scope": scope,
            "red": self.random.random() < 0.5,
            "approvals": self.random.choice((0, 0, 1)),
        }
        done = self._do("submit", fine=(DONE, CONFLICT), **about)
        if done.code == CONFLICT and "nothing to take back" in done.complaint:
            return None
        if about["approvals"]:
            done = self._do("approve", fine=(DONE, CONFLICT), **about)
            if done.code == CONFLICT:
                return self._ask_anew(about)
        return about

    def _ask_anew(self, about: About) -> About | None:
        self._do("reject", **about)
        return self._ask(about["scope"])

    def _execute(
        self, asked: About, first: Callable[[], object] | None = None, *, last: bool = False
    ) -> None:
        """Come to its end, whatever that takes.

        Args:
            first: what has to come to its own end, where the run is at something else.
            last: whether nothing may stay posted, and so nothing be settled otherwise.
        """
        about: About | None = asked
        while about is not None and not self.tally.problems:
            done = self._do("execute", fine=OUTCOMES, **about)
            if done.code == DONE:
                self.tally.reversals += 1
                return
            if done.code == CONFLICT and PlanChangedError.__name__ in done.complaint:
                about = self._ask_anew(about)
            elif done.code == CONFLICT and first is not None:
                first()
                first = None
            elif done.code == CONFLICT:
                self.tally.problems.append(f"a reversal was refused: {done.complaint}")
            elif last or self.random.random() < 0.5:
                self._show(WILLING, True)
            else:
                self._do("settle", **about)

    def _close(self) -> None:
        self._do("close")
        self._closed = True

    def _reopen(self) -> None:
        if self._closed:
            self._do("reopen")
        self._closed = False

    def _show(self, sign: str, there: bool) -> None:
        """Change the world."""
        path = self._at[1] / sign
        if there:
            path.touch()
        else:
            path.unlink(missing_ok=True)

    def _do(self, what: str, fine: tuple[int, ...] = (DONE,), **about: Any) -> Attempt:
        """Have it done, again and again, until a process that was alone comes to its end."""
        start = self._start(what, about, (DONE, DEAD_LETTERS) if what == "retry" else fine)
        while True:
            before = self.tally.kills
            disturbed = before < self._kills and self.random.random() < DISTURBED[what]
            attempt = self.torment.attempt(start, disturbed=disturbed)
            self._count(what, about, attempt, self.tally.kills - before)
            self._report(self.tally)
            settled = attempt.code in start.fine and (attempt.alone or attempt.code != CONFLICT)
            if settled or self.tally.problems:
                return attempt
            if self.random.random() < LOOKS:
                self._look()

    def _start(self, what: str, about: About, fine: tuple[int, ...]) -> Start:
        deed = Deed(what=what, job=self._bills.job, run=self._bills.run, **about)
        return Start(partial(Clerk, *self._at, deed), fine, True, SECONDS[what], rivals=True)

    def _count(self, what: str, about: About, attempt: Attempt, kills: int) -> None:
        if what == "execute":
            self.tally.killed_taking_back += kills
            label = about["label"]
            self._acknowledged[label] = max(self._acknowledged[label], attempt.read)
        elif what == "retry":
            self.tally.killed_retrying += kills

    def _look(self, state: str | None = None) -> None:
        """Ask the oracle, when nobody is left who writes."""
        if self.tally.problems:
            return
        self.torment.calm()
        found = bill_faults(*self._at, self._bills, self._acknowledged, state=state)
        self.tally.problems += [f"run {self._bills.name}: {fault}" for fault in found]

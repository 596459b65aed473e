"""The fast way: jobs that only post are worked on ahead of the commits."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..domain.errors import StornoError
from . import retrying, troubles
from .attempt import Attempt, Closing, Setting
from .committer import Committer
from .decide import Decided, against
from .flights import Flights
from .plan import Item
from .preparation import Optimistic, Prepared
from .settled import settled
from .troubles import Trouble

Step = Prepared | Optimistic | Trouble


class Sent(NamedTuple):
    """A chunk whose commit is under way."""

    step: Step
    closing: Closing


class Ahead(Attempt):
    """Inserts first and looks keys up on a conflict; prepares while the database commits."""

    def __init__(self, setting: Setting, committer: Committer) -> None:
        super().__init__(setting)
        self._keys_known = False  # whether the last chunk held keys that the store knew
        self._flights: Flights[Sent] = Flights(committer, self._settle)

    def work(self) -> None:
        """Go through the chunks, each prepared while those before it are committed."""
        item: Item | None = self.first()
        while item is not None:
            step = self._prepare(item)
            if not self._flights.land(at_most=self._flights.room if self._may_follow(step) else 0):
                return
            closing = self._close(step)
            if closing.run_events and self._flights:  # how the run ends stands on all its chunks
                if not self._flights.land():
                    return
                closing = self._close(step)
            self._send(step, closing)
            # The chunk behind one that crashed may be what ends the process: first get this in.
            if item.crashes and not self._flights.land():
                return
            item = closing.following
        self._flights.land()
        self.finish()

    def _may_follow(self, step: Step) -> bool:
        """Whether a chunk can be sent behind commits that are under way.

        It can where all that they may change is the run's counts.
        """
        return (
            isinstance(step, Optimistic)
            and not self._keys_known
            and not self._queue
            and self.remaining is None
        )

    def _send(self, step: Step, closing: Closing) -> None:
        expect = self.expect(closing)
        if self._flights:
            # It was decided as if those under way were in the store. One that is refused has
            # claimed nothing, so this is refused too, and decided anew.
            expect[step.item.chunk.stream] = step.item.version + 1
        self._flights.send(Sent(step, closing), closing.sealed, expect)

    def _settle(self, sent: Sent, error: StornoError | None) -> bool:
        """Account for a commit; where it was refused, decide it anew until it is in."""
        step = sent.step

        def decide() -> Closing:
            nonlocal step
            step = self._renewed(step)
            return self._close(step)

        def answer() -> None:
            if error is not None:
                raise error

        if not self.settle(sent.closing, answer):
            self.commit(decide)
        return not self.ended

    def _prepare(self, item: Item) -> Step:
        preparer, limit = self.set.preparer, self._left()

        def prepare(tries: int) -> Prepared | Optimistic:
            if not self._keys_known:
                optimistic = preparer.prepare_optimistic(item, tries=tries, limit=limit)
                if optimistic is not None:
                    return optimistic
            return preparer.prepare(item, tries=tries, limit=limit)

        return self._with_retries(item, prepare)

    def _renewed(self, step: Step) -> Step:
        """The chunk, as it is to be settled after what was learnt since it was prepared."""
        rules = self.set.preparer.rules
        match step:
            case Optimistic() if self._keys_known or step.rules is not rules:
                return self._prepare_again(step)
            case Prepared() if step.rules is not rules:
                step.follow(rules)
        return step

    def _prepare_again(self, before: Optimistic) -> Step:
        """The same chunk with its records: a key of it is known, or the calendar another one."""
        preparer = self.set.preparer
        return self._with_retries(
            before.item, lambda tries: preparer.prepare_again(before, tries=tries)
        )

    def _with_retries(self, item: Item, prepare: Callable[[int], Prepared | Optimistic]) -> Step:
        return troubles.with_retries(self.set, item, prepare)

    def _left(self) -> int | None:
        """How many records this chunk may have: those before it may not be settled yet."""
        if self.remaining is None:
            return None
        return max(self.remaining - sum(each.closing.counts.read for each in self._flights), 1)

    def _close(self, step: Step) -> Closing:
        """How a chunk is committed, if all that is under way gets into the store."""
        settled = self.tally
        self.tally = settled.copy()
        for _, under_way in self._flights:
            self.tally.add(under_way.counts, under_way.totals, under_way.controls)
        try:
            match step:
                case Trouble():
                    return troubles.closing(self, step)
                case Optimistic():
                    return self.closing(step, step.decided)
                case Prepared():
                    return self.closing(step, self._decided(step))
        finally:
            self.tally = settled

    def _decided(self, prepared: Prepared) -> Decided:
        outcomes, drawn = prepared.outcomes, prepared.drawn
        assert outcomes is not None, "jobs that only post are worked on before"
        states = retrying.store_call(lambda: self.journal.records(drawn.streams))
        self._keys_known = bool(states)
        drawn.settled = settled(self.journal, drawn) if states else {}
        return against(drawn, states, lambda index, _: outcomes[index])

    def conflicted(self) -> None:
        """Look keys up from now on, as long as chunks hold keys that the store knows."""
        self._keys_known = True

"""The fast way: jobs that only post are worked on one chunk ahead of the commit."""

from __future__ import annotations

from collections.abc import Callable

from . import retrying, troubles
from .attempt import Attempt, Closing, Setting
from .committer import Committer, Pending
from .decide import Decided, against
from .plan import Item
from .preparation import Optimistic, Prepared
from .troubles import TROUBLES, Trouble
from .work import TransientError

Step = Prepared | Optimistic | Trouble


class Ahead(Attempt):
    """Inserts first and looks keys up on a conflict; prepares while the database commits."""

    def __init__(self, setting: Setting, committer: Committer) -> None:
        super().__init__(setting)
        self._committer = committer
        self._keys_known = False  # whether the last chunk held keys that the store knew
        self._in_flight = 0  # records of the chunk that is being committed

    def work(self) -> None:
        """Go through the chunks, each prepared while the one before it is committed."""
        item: Item | None = self.first()
        pending: tuple[Step, Closing, Pending] | None = None
        while item is not None:
            step = self._prepare(item)
            if pending is not None:
                self._settle(*pending)
            if self.ended:
                return
            closing = self._close(step)
            sent = self._committer.submit(closing.sealed, self.expect(closing))
            pending = (step, closing, sent)
            self._in_flight = closing.counts.read
            if item.crashes:  # the chunk behind it may be what ends the process: first get this in
                self._settle(*pending)
                pending = None
                if self.ended:
                    return
            item = closing.following
        if pending is not None:
            self._settle(*pending)

    def _prepare(self, item: Item) -> Step:
        preparer, limit = self.set.preparer, self._left()

        def prepare(tries: int) -> Prepared | Optimistic:
            if not self._keys_known:
                optimistic = preparer.prepare_optimistic(item, tries=tries, limit=limit)
                if optimistic is not None:
                    return optimistic
            return preparer.prepare(item, tries=tries, limit=limit)

        return self._with_retries(item, prepare)

    def _prepare_again(self, before: Optimistic) -> Step:
        """The same chunk with its records, now that one of its keys turns out to be known."""
        preparer = self.set.preparer
        return self._with_retries(
            before.item, lambda tries: preparer.prepare_again(before, tries=tries)
        )

    def _with_retries(self, item: Item, prepare: Callable[[int], Prepared | Optimistic]) -> Step:
        preparer, observer = self.set.preparer, self.set.observer
        tries = 0

        def count_and_prepare(number: int) -> Prepared | Optimistic:
            nonlocal tries
            tries = number
            preparer.last_read = None
            return prepare(number)

        try:
            return retrying.call(
                count_and_prepare,
                self.job.retry,
                transient=TransientError,
                interrupt=self.set.flag.event,
                waiting=lambda error, number, delay: observer.retrying(str(error), number, delay),
            )
        except TROUBLES as error:
            return Trouble(item, error, tries, preparer.last_read is not None)

    def _left(self) -> int | None:
        """How many records this chunk may have: the one before it is not settled yet."""
        return None if self.remaining is None else max(self.remaining - self._in_flight, 1)

    def _close(self, step: Step) -> Closing:
        match step:
            case Trouble():
                return troubles.closing(self, step)
            case Optimistic():
                return self.closing(step, step.decided)
            case Prepared():
                return self.closing(step, self._decided(step))

    def _decided(self, prepared: Prepared) -> Decided:
        outcomes, drawn = prepared.outcomes, prepared.drawn
        assert outcomes is not None, "jobs that only post are worked on before"
        states = retrying.store_call(lambda: self.journal.records(drawn.streams))
        self._keys_known = bool(states)
        return against(drawn, states, lambda index, _: outcomes[index])

    def conflicted(self) -> None:
        """Look keys up from now on, as long as chunks hold keys that the store knows."""
        self._keys_known = True

    def _settle(self, step: Step, closing: Closing, sent: Pending) -> None:
        """See the commit into the store; where it is refused, decide it anew until it is in."""

        def decide() -> Closing:
            nonlocal step
            if self._keys_known and isinstance(step, Optimistic):
                step = self._prepare_again(step)
            return self._close(step)

        if not self.settle(closing, sent.result):
            self.commit(decide)
        self._in_flight = 0

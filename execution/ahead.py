"""The fast way: jobs that only post are worked on one chunk ahead of the commit."""

from __future__ import annotations

from . import retrying, troubles
from .attempt import Attempt, Closing, Setting
from .committer import Committer, Pending
from .decide import Decided, against, as_new, has_repeated_keys
from .plan import Item
from .preparation import Prepared
from .troubles import TROUBLES, Trouble
from .work import Outcome, TransientError

Step = Prepared | Trouble


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
        preparer, observer = self.set.preparer, self.set.observer
        tries = 0

        def prepare(number: int) -> Prepared:
            nonlocal tries
            tries = number
            preparer.last_read = None
            return preparer.prepare(item, tries=number, limit=self._left())

        try:
            prepared = retrying.call(
                prepare,
                self.job.retry,
                transient=TransientError,
                interrupt=self.set.flag.event,
                waiting=lambda error, number, delay: observer.retrying(str(error), number, delay),
            )
        except TROUBLES as error:
            return Trouble(item, error, tries, preparer.last_read is not None)
        if not self._keys_known and not has_repeated_keys(prepared.drawn):
            prepared.as_new = as_new(prepared.drawn, _outcomes(prepared))
        return prepared

    def _left(self) -> int | None:
        """How many records this chunk may have: the one before it is not settled yet."""
        return None if self.remaining is None else max(self.remaining - self._in_flight, 1)

    def _close(self, step: Step) -> Closing:
        if isinstance(step, Trouble):
            return troubles.closing(self, step)
        return self.closing(step, self._decided(step))

    def _decided(self, prepared: Prepared) -> Decided:
        if prepared.as_new is not None and not self._keys_known:
            return prepared.as_new
        outcomes, drawn = _outcomes(prepared), prepared.drawn
        states = retrying.store_call(lambda: self.journal.records(drawn.streams))
        self._keys_known = bool(states)
        return against(drawn, states, lambda index, _: outcomes[index])

    def conflicted(self) -> None:
        """Look keys up from now on, as long as chunks hold keys that the store knows."""
        self._keys_known = True

    def _settle(self, step: Step, closing: Closing, sent: Pending) -> None:
        """See the commit into the store; where it is refused, decide it anew until it is in."""
        if not self.settle(closing, sent.result):
            self.commit(lambda: self._close(step))
        self._in_flight = 0


def _outcomes(prepared: Prepared) -> list[Outcome]:
    outcomes = prepared.outcomes
    assert outcomes is not None, "jobs that only post are worked on before"
    return outcomes

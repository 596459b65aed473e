"""The careful way: jobs that call out, or write rows of their own, go chunk after chunk.

Their keys are looked up before the function is called, so that nothing is done for a record that
is posted already; before a chunk calls out, it is written down that its records are attempted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

import msgspec
import sqlalchemy as sa
from msgspec import Struct, field

from ..domain.chunk import CRASHES_BEFORE_ISOLATION
from ..domain.entry import PostingRules
from ..domain.errors import DefinitionError, StoreUnavailableError, StreamConflictError
from ..domain.events import RecordAttempted, RecordFailed
from ..domain.record import NEW, RecordState, evolve
from ..projections.changes import Recorded
from . import retrying, troubles
from .attempt import COMMIT_TRIES, Attempt, Closing
from .context import idempotency_key
from .decide import against, may_be_posted
from .draw import describe
from .isolation import ProcessDiedError
from .plan import Item
from .preparation import Prepared, Preparer
from .sealing import seal
from .settled import settled
from .troubles import RefusedRowsError, Trouble, with_retries
from .work import Outcome, TransientError

ABORTED = (
    "the function went on after an error of the database, which takes nothing more then: put "
    "statements that may fail into context.connection.begin_nested()"
)


class Done(Struct):
    """What one try at a chunk has done: done outside, it stays done however often we decide.

    Attributes:
        outcomes: by index.
        read: how many records the chunk had when it was decided on; None before that.
    """

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    read: int | None = None

    def is_full(self, preparer: Preparer, item: Item) -> Callable[[], bool]:
        """Whether the chunk closes with the record that was looked at; decided anew, as before."""
        if self.read is None:
            return preparer.is_full(item)
        left = iter(range(self.read - 1, -1, -1))
        return lambda: not next(left)

    def follow(self, prepared: Prepared, rules: PostingRules) -> None:
        """Go by the calendar as it is now: what was done stays done, and is posted anew."""
        if prepared.rules is rules:
            return
        prepared.follow(rules)
        self.outcomes = {
            index: prepared.work.anew(index, outcome) for index, outcome in self.outcomes.items()
        }


class Careful(Attempt):
    """Looks first, then works, then commits; nothing runs ahead."""

    def work(self) -> None:
        """Go through the chunks one after the other."""
        item: Item | None = self.first()
        while item is not None and not self.ended:
            closing = self._chunk(item)
            item = closing.following
        self.finish()

    def _chunk(self, item: Item) -> Closing:
        done = with_retries(self.set, item, lambda tries: self._try(item, tries))
        return self.give_up(done) if isinstance(done, Trouble) else done

    def give_up(self, trouble: Trouble) -> Closing:
        """Commit what the trouble leads to."""
        return self.commit(lambda: troubles.closing(self, trouble))

    def _try(self, item: Item, tries: int) -> Closing:
        prepared = self.prepare(item, tries)
        prepared.drawn.settled = settled(self.journal, prepared.drawn)
        done = Done()
        for decision in range(COMMIT_TRIES):
            states = self._announced(prepared)
            done.follow(prepared, self.set.preparer.rules)
            if not decision and self.job.writes and item.crashes >= CRASHES_BEFORE_ISOLATION:
                self._set_killers_aside(prepared, states)
            with self._transaction() as connection:
                closing = self._decide(prepared, states, done, connection)
                if connection is not None and closing.leaves_chunk:
                    connection.rollback()
                    connection.begin()
                append = partial(self._append, prepared, closing, connection)
                if found := self.settle(closing, append):
                    return found
        raise StreamConflictError(
            f"run {self.set.run}: chunk {item.chunk.label} met other writers {COMMIT_TRIES} times: "
            "see who else works on the same keys, then resume the run."
        )

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection | None]:
        """The chunk's own, for a job that writes.

        Raises:
            TransientError: its connection broke; with it went what the records wrote.
        """
        if not self.job.writes:
            yield None
            return
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(self.journal.transaction())
            except StoreUnavailableError as error:
                raise TransientError(str(error)) from error
            try:
                yield connection
            except sa.exc.SQLAlchemyError as error:
                if not connection.invalidated:
                    raise
                raise TransientError(f"the chunk's connection broke: {describe(error)}") from error

    def _append(
        self, prepared: Prepared, closing: Closing, connection: sa.Connection | None
    ) -> None:
        """Append a commit; what the database has against the job's own rows fails the chunk."""
        try:
            self.journal.append(closing.sealed, self.expect(closing), connection)
        except sa.exc.DBAPIError as error:
            if connection is None:
                raise
            why = describe(error.orig or error)
            if prepared.drawn.sealing is not None:  # a database quotes what it refuses
                why = prepared.drawn.sealing.masked_of_all(why)
            raise RefusedRowsError(f"the database refuses to commit the chunk, {why}") from error

    def prepare(self, item: Item, tries: int) -> Prepared:
        """The chunk's records, validated; the function is called when their keys are known."""
        return self.set.preparer.draw(item, tries=tries, limit=self.remaining)

    def _set_killers_aside(self, prepared: Prepared, states: Mapping[str, RecordState]) -> None:
        """Find the records that end their process, before they end this one.

        Each is tried in a child with a connection of its own, and rolled back there.
        """
        drawn, preparer = prepared.drawn, self.set.preparer
        for index, record in enumerate(drawn.records):
            state = states.get(drawn.streams[index], NEW)
            if record is None or state.posting is not None or index in drawn.settled:
                continue
            if preparer.context is not None:
                preparer.context.about(drawn.keys[index], state.postings + 1)
            try:
                preparer.isolated(record)
            except ProcessDiedError as error:
                drawn.failures[index] = drawn.failed(index, error.code, str(error))
                drawn.records[index] = None
            except BaseException:  # what it raises is dealt with when it is its turn
                continue

    def _decide(
        self,
        prepared: Prepared,
        states: Mapping[str, RecordState],
        done: Done,
        connection: sa.Connection | None,
    ) -> Closing:
        preparer = self.set.preparer
        if preparer.context is not None:
            preparer.context.use(connection)
        outcome = self._outcome(prepared, done, connection)
        with prepared.work.watchdog.guarding():
            decided = against(
                prepared.drawn, states, outcome, done.is_full(preparer, prepared.item)
            )
        done.read = decided.counts.read
        if decided.counts.read < prepared.read:
            prepared = preparer.shortened(prepared, decided.counts.read)
        return self.closing(prepared, decided)

    def _outcome(
        self, prepared: Prepared, done: Done, connection: sa.Connection | None
    ) -> Callable[[int, int], Outcome]:
        def once(index: int, posting: int) -> Outcome:
            if index not in done.outcomes:
                done.outcomes[index] = prepared.work.one(index, posting)
            return done.outcomes[index]

        def in_savepoint(index: int, posting: int) -> Outcome:
            assert connection is not None, "a job that writes has the chunk's connection"
            savepoint = connection.begin_nested()
            outcome = prepared.work.one(index, posting)
            if not savepoint.is_active:
                raise DefinitionError(
                    f"job {self.job.name} ended the chunk's transaction itself: leave commit() and "
                    "rollback() of context.connection to storno."
                )
            if self.journal.refuses(connection) and not isinstance(outcome, RecordFailed):
                outcome = prepared.drawn.failed(index, "aborted-transaction", ABORTED)
            if isinstance(outcome, RecordFailed):
                savepoint.rollback()
            else:
                savepoint.commit()
            return outcome

        return in_savepoint if self.job.writes else once

    def _announced(self, prepared: Prepared) -> dict[str, RecordState]:
        """Where the chunk's records stand, once it is written down which are attempted."""
        drawn = prepared.drawn
        for _ in range(COMMIT_TRIES):
            states = retrying.store_call(lambda: self.journal.records(drawn.streams))
            if not self.job.effect:
                return states
            attempted = [
                Recorded(drawn.streams[index], _version(states, drawn.streams[index]) + 1, event)
                for index, event in self._attempts(prepared, states)
            ]
            if not attempted:
                return states
            note = Closing(seal(attempted), attempted[0])
            if self.settle(note, lambda: self.journal.append(note.sealed, self.expect(note))):  # noqa: B023
                for stream, _, event in attempted:
                    states[stream] = evolve(states.get(stream, NEW), event)
                return states
        raise StreamConflictError(
            f"run {self.set.run}: other runs keep calling out for the same keys: resume it later."
        )

    def _attempts(
        self, prepared: Prepared, states: Mapping[str, RecordState]
    ) -> list[tuple[int, RecordAttempted]]:
        """What is about to be called out for, and has not been written down yet."""
        drawn = prepared.drawn
        attempts = []
        for index in may_be_posted(drawn, states):
            state = states.get(drawn.streams[index], NEW)
            if state.in_doubt is not None:
                continue
            encoded, _ = drawn.content(index)
            key = idempotency_key(self.job.name, drawn.keys[index], state.postings + 1)
            attempts.append(
                (
                    index,
                    RecordAttempted(
                        run=drawn.chunk.run.name,
                        partition=drawn.partition,
                        chunk=drawn.chunk.label,
                        ordinal=drawn.ordinal(index),
                        attempt=drawn.attempt,
                        key=drawn.stored_key(index),
                        idempotency_key=key,
                        record=msgspec.Raw(encoded),
                    ),
                )
            )
        return attempts


def _version(states: Mapping[str, RecordState], stream: str) -> int:
    return states.get(stream, NEW).version

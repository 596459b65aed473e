"""Working on records: the job's function is called, and what it returns becomes events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from ..domain.entry import Entry, EntryError, PostedEntry, PostingRules, post, post_anew
from ..domain.errors import StoreUnavailableError, StornoError
from ..domain.events import NO_OUTPUT, RecordFailed, RecordSucceeded
from ..domain.record import Record, content_of, encode_value
from .context import Context
from .draw import Drawn, describe
from .job import Effect, Job
from .journal import translate
from .watchdog import RecordTimeoutError, Watchdog

Outcome = RecordSucceeded | RecordFailed


class TransientError(StornoError):
    """The chunk is to be tried again; ``__cause__`` is what the job, or the source, raised."""


class FatalError(StornoError):
    """The run fails at once: the job declared the error fatal."""


class ResultError(StornoError):
    """The function returned something that is neither an entry nor an effect."""


def is_transient(job: Job, error: BaseException) -> bool:
    """Whether the job's policy retries this error; what a database gives up always may pass."""
    if isinstance(error, RecordTimeoutError):
        return False
    if isinstance(error, job.retry.on):
        return True
    return isinstance(error, sa.exc.DBAPIError) and isinstance(
        translate(error), StoreUnavailableError
    )


class Work:
    """One try at a chunk's records.

    Args:
        call: calls the job's function on a record; an isolated chunk calls it in a child process.
        context: told about each record before its call.
    """

    def __init__(
        self,
        job: Job,
        rules: PostingRules,
        drawn: Drawn,
        *,
        call: Callable[[Record], Any],
        context: Context | None,
        watchdog: Watchdog,
        tries: int = 1,
    ) -> None:
        self.job = job
        self.rules = rules
        self.drawn = drawn
        self.call = call
        self.context = context
        self.watchdog = watchdog
        self.tries = tries
        # Looked up once, because everything below is done for every record.
        self._run, self._chunk = drawn.chunk.run.name, drawn.chunk.label
        self._ordinals = drawn.all_ordinals()
        self._sealing = drawn.sealing

    def until(self, is_full: Callable[[], bool]) -> list[Outcome]:
        """The outcomes of the records in order, up to the one with which the chunk is full."""
        outcomes: list[Outcome] = []
        with self.watchdog.guarding():
            for index in range(len(self.drawn.records)):
                outcomes.append(self.one(index))
                if is_full():
                    break
        return outcomes

    def one(self, index: int, posting: int = 1) -> Outcome:
        """The outcome of one record; ``posting`` numbers the posting of its key, from 1."""
        drawn = self.drawn
        record = drawn.records[index]
        if record is None:
            return drawn.failures[index]
        watchdog = self.watchdog
        entries: tuple[PostedEntry, ...]
        try:
            watchdog.record = record
            if self.context is not None:
                self.context.about(drawn.keys[index], posting)
            result = self.call(record)
            watchdog.record = None
            if result.__class__ is Entry:
                entries, output = (post(result, self.rules),), NO_OUTPUT
            else:
                entries, output = self._posted(result)
            encoded, digest = content_of(record)
        except EntryError as error:
            return self._failed(index, _code(error), describe(error))
        except ResultError as error:
            return self._failed(index, "invalid-result", str(error))
        except BaseException as error:  # also SystemExit: a record's function cannot end the run
            watchdog.record = None
            if isinstance(error, KeyboardInterrupt) and not isinstance(error, RecordTimeoutError):
                raise
            if isinstance(error, self.job.fatal):
                raise FatalError(self._described(index, error)) from error
            if is_transient(self.job, error):
                raise TransientError(self._described(index, error)) from error
            return self._failed(index, _code(error), describe(error))
        event = RecordSucceeded(
            run=self._run,
            partition=drawn.partition,
            chunk=self._chunk,
            ordinal=self._ordinals[index],
            attempt=drawn.attempt,
            key=drawn.hashed_keys.get(index) if drawn.hashed_keys else None,
            record=msgspec.Raw(encoded),
            digest=digest,
            entries=entries,
            output=output,
        )
        return event if self._sealing is None else self._sealing.success(index, record, event)

    def anew(self, index: int, outcome: Outcome) -> Outcome:
        """What an outcome comes to by another calendar; the function is not called again."""
        if not isinstance(outcome, RecordSucceeded):
            return outcome
        try:
            entries = tuple(post_anew(entry, self.rules) for entry in outcome.entries)
        except EntryError as error:
            return self._failed(index, error.code, str(error))
        return msgspec.structs.replace(outcome, entries=entries)

    def _described(self, index: int, error: BaseException) -> str:
        """What the run's or the chunk's failure says; nothing personal."""
        text = f"{type(error).__name__}: {describe(error)}"
        return text if self._sealing is None else self._sealing.masked(index, text)

    def _failed(self, index: int, error: str, message: str) -> RecordFailed:
        return self.drawn.failed(index, error, message, tries=self.tries)

    def _posted(self, result: Any) -> tuple[tuple[PostedEntry, ...], msgspec.Raw]:
        rules = self.rules
        if result.__class__ is Entry:
            return (post(result, rules),), NO_OUTPUT
        if isinstance(result, Effect):
            if not self.job.effect:
                raise ResultError("the function returned an Effect: declare the job effect=True.")
            entries = tuple(post(entry, rules) for entry in result.entries)
            return entries, msgspec.Raw(encode_value(result.output))
        if isinstance(result, Sequence) and all(isinstance(entry, Entry) for entry in result):
            return tuple(post(entry, rules) for entry in result), NO_OUTPUT
        raise ResultError(
            f"the function returned {type(result).__name__}: return an Entry, a list of entries "
            "(empty where there is nothing to post), or an Effect."
        )


def _code(error: BaseException) -> str:
    """The stable code of a failure: the exception's class, where there is no better one."""
    code = getattr(error, "code", None) if isinstance(error, StornoError) else None
    return code if isinstance(code, str) else type(error).__name__

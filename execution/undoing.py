"""Undoing effects: the job's handler is called, with retries and a time limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, NamedTuple, Self

import msgspec
from msgspec import Struct
from pydantic import ValidationError

from ..domain.errors import StornoError
from ..domain.ids import RunId
from ..domain.record import Record, encode_value
from . import retrying
from .ciphers import Opener
from .context import Context
from .draw import describe
from .job import Job
from .journal import Journal
from .personal import Privacy, Sealing, own_subject
from .postings import Posting
from .results import Observer
from .signals import StopFlag
from .watchdog import RecordTimeoutError, Watchdog
from .work import TransientError, is_transient


def undoing_key(job: str, key: str, posted_version: int) -> str:
    """The key to hand to outside systems: the same for every try of undoing one posting."""
    return sha256(f"{job}\0{key}\0{posted_version}\0undo".encode()).hexdigest()[:32]


class UndoContext(Context):
    """The circumstances of one call of a handler; ``posting`` is the posting's version."""

    __slots__ = ()

    @property
    def idempotency_key(self) -> str:
        """32 hex characters, the same at every try, and not those of the effect itself."""
        return undoing_key(self._job, self.key, self.posting)


class Failure(NamedTuple):
    """Why an effect could not be undone."""

    error: str
    message: str
    tries: int


class Undoer(Struct):
    """Calls a job's handler on postings."""

    job: Job | None
    context: UndoContext | None
    watchdog: Watchdog
    flag: StopFlag
    observer: Observer
    journal: Journal

    @classmethod
    @contextmanager
    def of(
        cls,
        job: Job | None,
        run: RunId,
        journal: Journal,
        attempt: int,
        flag: StopFlag,
        observer: Observer,
    ) -> Iterator[Self]:
        """What undoes the effects of a run of the job, watched while it is entered."""
        context = None
        if job is not None and job.compensation is not None:
            import structlog  # brings a console renderer along; only jobs with effects need it

            started = retrying.store_call(lambda: journal.run(run)).started
            parameters = job.parse_parameters({} if started is None else started.parameters)
            logger = structlog.get_logger().bind(run=str(run), attempt=attempt)
            context = UndoContext(
                job=job.name, run=str(run), parameters=parameters, attempt=attempt, logger=logger
            )
        watchdog = Watchdog(None if job is None else job.record_seconds)
        with watchdog.watching():
            yield cls(job, context, watchdog, flag, observer, journal)

    def undo(self, posting: Posting) -> msgspec.Raw | Failure:
        """Call the handler on a posting; what it returned, as JSON.

        Raises:
            InterruptedRetryError: a stop was asked for while it waited for another try.
        """
        job = self.job
        if job is None or job.compensation is None or self.context is None:
            return Failure("no-handler", "the job declares no handler, or is not defined here", 0)
        opener = Opener(self.journal)
        stored = opener.document(bytes(posting.event.record))
        did = opener.output(bytes(posting.event.output))
        if closed := (*stored.closed, *did.closed):
            return Failure(
                "erased",
                f"its {', '.join(closed)} cannot be read, forgotten or without its key, and the "
                "handler is not called without: see to it outside, then settle it with 'storno "
                "dead-letters discard'",
                0,
            )
        try:
            record = job.model.model_validate_json(encode_value(stored.values))
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            message = f"by the job's model of today {where}: {fault['msg']}"
            return Failure("invalid-record", message, 0)
        self.context.about(posting.key, posting.version)
        sealing = self._sealing(job, record, posting)
        tries = 0

        def once(number: int) -> msgspec.Raw:
            nonlocal tries
            tries = number
            return self._call(job, record, did.values, sealing)

        try:
            return retrying.call(
                once,
                job.retry,
                transient=TransientError,
                interrupt=self.flag.event,
                waiting=lambda error, number, delay: self.observer.retrying(
                    str(error), number, delay
                ),
            )
        except _HandlerError as error:
            return Failure(error.code, str(error), tries)
        except TransientError as error:
            cause = error.__cause__ or error
            return Failure(type(cause).__name__, str(error), tries)

    def _sealing(self, job: Job, record: Record, posting: Posting) -> Sealing | None:
        privacy = Privacy.of(self.journal, job)
        if privacy is None:
            return None
        event = posting.event
        own = own_subject(job.name, event.run, event.partition, event.ordinal)
        return privacy.sealing([record], [], lambda _: own)

    def _call(self, job: Job, record: Record, output: Any, sealing: Sealing | None) -> msgspec.Raw:
        assert job.compensation is not None, "looked for before"
        assert self.context is not None, "made where there is a handler"
        try:
            with self.watchdog.guarding():
                self.watchdog.record = record
                result = job.compensation(record, output, self.context)
                self.watchdog.record = None
            undone = msgspec.Raw(encode_value(result))
        except BaseException as error:  # also SystemExit: a handler cannot end the reversal
            self.watchdog.record = None
            if isinstance(error, KeyboardInterrupt) and not isinstance(error, RecordTimeoutError):
                raise
            text = describe(error) if sealing is None else sealing.masked(0, describe(error))
            if is_transient(job, error):
                raise TransientError(f"{type(error).__name__}: {text}") from error
            raise _HandlerError(error, text) from error
        return undone if sealing is None else sealing.output(0, undone)


class _HandlerError(StornoError):
    """What a handler raised, for good."""

    def __init__(self, error: BaseException, text: str) -> None:
        super().__init__(text)
        code = getattr(error, "code", None) if isinstance(error, StornoError) else None
        self.code = code if isinstance(code, str) else type(error).__name__

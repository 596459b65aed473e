"""Isolation: records that may kill their process are worked on in a child, one by one."""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import sys
import warnings
from collections.abc import Callable
from typing import IO, Any

from ..domain.errors import StornoError
from ..domain.record import Record
from .context import Context
from .draw import describe
from .messages import receive, send
from .watchdog import Watchdog


class ProcessDiedError(StornoError):
    """The record's function ended the process it ran in."""

    code = "process-died"


class IsolatedError(StornoError):
    """An error in the child that could not be handed over as it was; ``code`` is its class."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[IsolatedError], tuple[str, str]]:
        return IsolatedError, (self.code, str(self))


class Isolated:
    """Calls a function in a child process; when the child dies, the next call gets another.

    Args:
        function: from a record to its result; both must be picklable.
        record_seconds: the time limit of one record.
        context: what the function takes beside the record; the child's copy follows ours.
    """

    def __init__(
        self,
        function: Callable[[Record], Any],
        record_seconds: float | None,
        context: Context | None = None,
    ) -> None:
        self._function = function
        self._record_seconds = record_seconds
        self._context = context
        self._child: tuple[int, IO[bytes], IO[bytes]] | None = None

    def __call__(self, record: Record) -> Any:
        """The function's result, or its exception.

        Raises:
            ProcessDiedError: the child ended instead of answering.
        """
        if self._child is None:
            self._child = self._start()
        pid, requests, answers = self._child
        try:
            _send(requests, (record, self._circumstances()))
            answered, answer = _receive(answers)
        except (EOFError, BrokenPipeError):
            self._child = None
            requests.close()
            answers.close()
            _, status = os.waitpid(pid, 0)
            raise ProcessDiedError(
                f"the record ends its process ({_how(os.waitstatus_to_exitcode(status))}): it was "
                "found by working on the chunk record by record"
            ) from None
        if answered:
            return answer
        raise answer

    def close(self) -> None:
        """End the child, also in the middle of a record that was given up."""
        child, self._child = self._child, None
        if child is not None:
            pid, requests, answers = child
            os.kill(pid, signal.SIGKILL)
            requests.close()
            answers.close()
            os.waitpid(pid, 0)

    def _circumstances(self) -> tuple[str, int, int]:
        context = self._context
        return ("", 1, 1) if context is None else (context.key, context.posting, context.tries)

    def _start(self) -> tuple[int, IO[bytes], IO[bytes]]:
        request_read, request_write = os.pipe()
        answer_read, answer_write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = _fork()
        if pid == 0:
            os.close(request_write)
            os.close(answer_read)
            self._serve(os.fdopen(request_read, "rb"), os.fdopen(answer_write, "wb"))
        os.close(request_read)
        os.close(answer_write)
        return pid, os.fdopen(request_write, "wb"), os.fdopen(answer_read, "rb")

    def _serve(self, requests: IO[bytes], answers: IO[bytes]) -> None:
        """The child: answer until there are no more requests, then end without cleaning up."""
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            watchdog = Watchdog(self._record_seconds)
            with watchdog.watching():
                while True:
                    record, circumstances = _receive(requests)
                    if self._context is not None:
                        context = self._context
                        context.key, context.posting, context.tries = circumstances
                    _answer(answers, self._answer_to(record, watchdog))
        finally:
            os._exit(0)

    def _answer_to(self, record: Record, watchdog: Watchdog) -> tuple[bool, Any]:
        try:
            with watchdog.guarding():
                watchdog.record = record
                return True, self._function(record)
        except BaseException as error:  # whatever it is, the parent is to know it
            return False, error
        finally:
            watchdog.record = None


def _fork() -> int:
    """Fork while no guard is up: its thread would not come along, and the child wait for it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # whose look puts it up
    try:
        faulthandler.cancel_dump_traceback_later()
        with warnings.catch_warnings():
            # The threads beside us only renew the lease; the child never touches the store.
            warnings.simplefilter("ignore", DeprecationWarning)
            return os.fork()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _answer(answers: IO[bytes], answer: tuple[bool, Any]) -> None:
    try:
        _send(answers, answer)
        return
    except Exception as error:
        broken = answer[1] if not answer[0] else error
    _send(answers, (False, IsolatedError(type(broken).__name__, describe(broken))))


def _send(pipe: IO[bytes], message: Any) -> None:
    data = pickle.dumps(message)
    pickle.loads(data)  # some exceptions can be written, and not be read again
    send(pipe, data)


def _receive(pipe: IO[bytes]) -> Any:
    data = receive(pipe)
    if data is None:
        raise EOFError
    return pickle.loads(data)


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

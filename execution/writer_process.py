"""A process that commits, so that the run's own has its interpreter to itself.

It is a fresh interpreter and no fork: a SQLite library with open connections does not survive
one. Orders come in by its standard input, answers go out by its standard output. When the input
ends, because the run is over or its process died, it ends too, behind the commit it is at; that
one is fenced like every other: whoever takes the run over finds it in the store, or has it refused.
"""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Final

import msgspec

from ..domain.errors import StoreUnavailableError, StornoError
from .journal import Checkpointer, Journal, command
from .messages import LENGTH, receive, send
from .sealing import Sealed

_READY: Final = b"ready"
_NO_MORE: Final = b""

# A chunk's order is half a megabyte. Where the pipe holds it, it is written in one go, and not
# piece by piece as the other side reads.
_PIPE_BYTES: Final = 1 << 20

# Besides the end of its input, the process looks at its parent: somebody whom the job has started
# may hold the other end of the pipe for longer than the run.
_LOOK_SECONDS: Final = 10.0


class Order(msgspec.Struct, frozen=True):
    """A commit to make."""

    sealed: Sealed
    expect: Mapping[str, int]


_encode_into = msgspec.msgpack.Encoder().encode_into
_decode = msgspec.msgpack.Decoder(Order).decode


class WriterGoneError(StoreUnavailableError):
    """The process ended before it answered: what it was to commit is in the store, or is not."""


class WriterProcess:
    """Commits for one attempt at a run: what is ordered, in that order."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            command(__name__, "serve(parent)"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the run, which then ends its chunk in order
        )
        assert self._process.stdin is not None, "both are pipes"
        assert self._process.stdout is not None, "both are pipes"
        self._orders: IO[bytes] = self._process.stdin
        # Without a buffer: an answer that was read into one, along with the answer before it, is
        # nothing that anybody could wait for.
        self._answers: IO[bytes] = os.fdopen(
            os.dup(self._process.stdout.fileno()), "rb", buffering=0
        )
        self._process.stdout.close()
        self._is_ready = False
        self._order = bytearray()
        _widen(self._orders)
        with suppress(BrokenPipeError):
            send(self._orders, url.encode())  # not as an argument, where everybody could read it

    def is_ready(self) -> bool:
        """Whether it takes orders; it takes a moment to start.

        Raises:
            WriterGoneError: it ended.
        """
        if not self._is_ready and _is_readable(self._answers.fileno(), 0):
            self._receive()
            self._is_ready = True
        return self._is_ready

    def submit(self, sealed: Sealed, expect: Mapping[str, int]) -> None:
        """Begin a commit; ``result`` tells how it went.

        Raises:
            WriterGoneError: it ended; nothing is written.
            OverflowError: a number is over 64 bits; nothing was sent.
        """
        # One buffer for all orders: half a megabyte for each would fray the heap.
        order = self._order
        _encode_into(Order(sealed, expect), order)
        self._is_ready = False  # for anything else, as long as it has one half of this
        try:
            send(self._orders, order)
        except BrokenPipeError:
            raise self._gone() from None
        self._is_ready = True

    def has_answered(self) -> bool:
        """Whether ``result`` would not wait: there is an answer, or there will be none."""
        return _is_readable(self._answers.fileno(), 0)

    def result(self) -> None:
        """Wait for the commit that was begun first of those not waited for yet.

        Raises:
            StornoError: what ``Journal.append`` raised.
            WriterGoneError: it ended before it answered.
        """
        error: StornoError | None = pickle.loads(self._receive())  # noqa: S301 - our own process
        if error is not None:
            raise error

    def close(self, *, wait: bool = True) -> None:
        """Let it end: behind the commit it is at, and at once where it has no whole order."""
        if self._is_ready:
            # The end of its input may be far off: a child that the job has forked has it as well.
            os.set_blocking(self._orders.fileno(), False)
            with suppress(BrokenPipeError, BlockingIOError):
                send(self._orders, _NO_MORE)
        else:
            self._process.kill()
        with suppress(BrokenPipeError, BlockingIOError):
            self._orders.close()
        if wait:
            self._process.wait()
        self._answers.close()

    def _receive(self) -> bytes:
        message = receive(self._answers)
        if message is None:
            raise self._gone()
        return message

    def _gone(self) -> WriterGoneError:
        code = self._process.wait()
        return WriterGoneError(f"the process that commits ended with exit code {code}")


def serve(parent: int) -> None:
    """What the process does: open the store, then one commit after the other.

    Args:
        parent: the process that has started this one.
    """
    for each in (signal.SIGINT, signal.SIGTERM):  # the run's process decides when it is over
        signal.signal(each, signal.SIG_IGN)
    orders, answers = Inbox(0, parent), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints is no answer
    code = 1
    with suppress(Exception):  # the run's process tries again itself, and meets what is wrong
        if url := orders.receive():
            journal = Journal.open(str(url, "utf-8"))
            gc.freeze()
            send(answers, _READY)
            with journal.checkpointer() as checkpointer:
                _serve(journal, checkpointer, orders, answers)
            journal.close()
            code = 0
    os._exit(code)


class Inbox:
    """What the run's process sends, as long as that lives.

    Args:
        pipe: a file descriptor; read as it is, for what a buffer holds nobody can wait for.
        parent: the run's process.
    """

    def __init__(self, pipe: int, parent: int) -> None:
        self._pipe = pipe
        self._parent = parent
        self._buffer = bytearray()

    def receive(self) -> memoryview:
        """The next message, which stays until the one after it is received.

        Empty at the end, also in the middle of a message.
        """
        header = self._read(LENGTH.size)
        if len(header) < LENGTH.size:
            return header[:0]
        (length,) = LENGTH.unpack(header)
        message = self._read(length)
        return message if len(message) == length else message[:0]

    def _read(self, size: int) -> memoryview:
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        data, have = memoryview(self._buffer)[:size], 0
        while have < size and self._wait():
            count = os.readv(self._pipe, [data[have:]])
            if not count:
                break
            have += count
        return data[:have]

    def _wait(self) -> bool:
        """Wait for more, or for the end; False where nobody is left to send it."""
        while not _is_readable(self._pipe, _LOOK_SECONDS):
            if os.getppid() != self._parent:
                return False
        return True


def _serve(journal: Journal, checkpointer: Checkpointer, orders: Inbox, answers: IO[bytes]) -> None:
    while message := orders.receive():
        order = _decode(message)
        answer: StornoError | None = None
        try:
            journal.append(order.sealed, order.expect)
        except StornoError as error:
            answer = error
        send(answers, pickle.dumps(answer))
        checkpointer.wrote(len(message))


def _is_readable(pipe: int, seconds: float) -> bool:
    """Whether there is something to read, or the end, within so long a time."""
    poll = select.poll()  # a process with many open files has some that select() cannot take
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold a whole order, where the system has pipes of any size."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

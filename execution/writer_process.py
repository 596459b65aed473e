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
import sys
from collections.abc import Mapping
from contextlib import suppress
from struct import Struct
from typing import IO, Final

import msgspec

from ..domain.errors import StoreUnavailableError, StornoError
from .journal import Journal
from .sealing import Sealed

_LENGTH: Final = Struct(">Q")
_READY: Final = b"ready"

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


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Order).decode


class WriterGoneError(StoreUnavailableError):
    """The process ended before it answered: what it was to commit is in the store, or is not."""


class WriterProcess:
    """Commits for one attempt at a run, one commit at a time."""

    def __init__(self, url: str) -> None:
        code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the run, which then ends its chunk in order
        )
        assert self._process.stdin is not None, "both are pipes"
        assert self._process.stdout is not None, "both are pipes"
        self._orders: IO[bytes] = self._process.stdin
        self._answers: IO[bytes] = self._process.stdout
        self._is_ready = False
        _widen(self._orders)
        with suppress(BrokenPipeError):
            _send(self._orders, url.encode())  # not as an argument, where everybody could read it

    def is_ready(self) -> bool:
        """Whether it takes orders; it takes a moment to start.

        Raises:
            WriterGoneError: it ended.
        """
        if not self._is_ready and select.select([self._answers], [], [], 0)[0]:
            self._receive()
            self._is_ready = True
        return self._is_ready

    def submit(self, sealed: Sealed, expect: Mapping[str, int]) -> None:
        """Begin a commit; ``result`` tells how it went.

        Raises:
            WriterGoneError: it ended; nothing is written.
            OverflowError: a number is over 64 bits; nothing was sent.
        """
        try:
            _send(self._orders, _encode(Order(sealed, expect)))
        except BrokenPipeError:
            raise self._gone() from None

    def result(self) -> None:
        """Wait for the commit that was begun.

        Raises:
            StornoError: what ``Journal.append`` raised.
            WriterGoneError: it ended before it answered.
        """
        error: StornoError | None = pickle.loads(self._receive())  # noqa: S301 - our own process
        if error is not None:
            raise error

    def close(self, *, wait: bool = True) -> None:
        """Let it end, behind the commit it is at; one that has not begun to commit, at once."""
        if not self._is_ready:
            self._process.kill()
        with suppress(BrokenPipeError):
            self._orders.close()
        if wait:
            self._process.wait()
        self._answers.close()

    def _receive(self) -> bytes:
        message = _receive(self._answers)
        if message is None:
            raise self._gone()
        return message

    def _gone(self) -> WriterGoneError:
        code = self._process.wait()
        return WriterGoneError(f"the process that commits ended with exit code {code}")


def serve() -> None:
    """What the process does: open the store, then one commit after the other."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the run's process decides when it is over
    orders, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints is no answer
    code = 1
    with suppress(Exception):  # the run's process tries again itself, and meets what is wrong
        url = _receive(orders)
        if url is not None:
            journal = Journal.open(url.decode())
            gc.freeze()
            _send(answers, _READY)
            _serve(journal, orders, answers)
            journal.close()
            code = 0
    os._exit(code)


def _serve(journal: Journal, orders: IO[bytes], answers: IO[bytes]) -> None:
    parent = os.getppid()
    while True:
        while not select.select([orders], [], [], _LOOK_SECONDS)[0]:
            if os.getppid() != parent:
                return
        message = _receive(orders)
        if message is None:
            return
        order = _decode(message)
        answer: StornoError | None = None
        try:
            journal.append(order.sealed, order.expect)
        except StornoError as error:
            answer = error
        _send(answers, pickle.dumps(answer))


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold a whole order, where the system has pipes of any size."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _send(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(_LENGTH.pack(len(message)))
    pipe.write(message)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes | None:
    """The next message; None at the end, also in the middle of one."""
    header = pipe.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(header)
    message = pipe.read(length)
    return message if len(message) == length else None

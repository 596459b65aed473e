"""A second process that works out roots, so that a log is verified by two cores.

It is a fresh interpreter and no fork, because SQLite's connections do not survive one, and it
imports little, so that it is there soon. It tells roots and nothing else: which of them fit, and
what is wrong where one does not, is the first process's to say.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from contextlib import suppress
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Final

import msgspec

from ...domain.errors import StornoError
from ..processes import command
from .event_rows import EventRows
from .roots import Stretch, roots

MOST_UNDER_WAY: Final = 2
"""Stretches that it has at a time: one to work at, one to go on with."""

LOOK_SECONDS: Final = 10.0
"""How often it looks whether its parent lives; who else has the pipe may hold it for longer."""

_READY: Final = b"ready"


class Place(msgspec.Struct, frozen=True):
    """How the second process reaches the events.

    Attributes:
        driver: the module to connect by.
        database: sqlite or postgresql.
        address: the arguments of the module's ``connect``.
        options: its named arguments.
        settings: statements for the new connection.
        table: the events' name.
        streams: what ``roots`` takes.
    """

    driver: str
    database: str
    address: list[str]
    options: dict[str, Any]
    settings: list[str]
    table: str
    streams: bool


class SecondProcessGoneError(StornoError):
    """The second process ended before it had answered."""


class SecondProcess:
    """Works out roots for one verification, in the order in which they are ordered."""

    def __init__(self, place: Place) -> None:
        """Start it; it takes a moment until it is ready.

        Raises:
            OSError: the system starts no process.
        """
        introduction = msgspec.msgpack.encode(place)
        self._pipe, its_end = Pipe()
        try:
            self._process = subprocess.Popen(
                command(__name__, f"serve({its_end.fileno()}, parent)"),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[its_end.fileno()],
                start_new_session=True,  # Ctrl-C is for the first process, which then ends this one
            )
        except OSError:
            self._pipe.close()
            raise
        finally:
            its_end.close()
        self._is_ready = False
        self._is_useless = False
        self._under_way: deque[Stretch] = deque()
        with suppress(OSError):
            # Through the pipe: everybody can read a command line, and this may hold a password.
            self._pipe.send_bytes(introduction)

    def wants_more(self) -> bool:
        """Whether it can be given a stretch."""
        if not self._is_ready and not self._is_useless and self._pipe.poll():
            try:
                self._pipe.recv_bytes()
                self._is_ready = True
            except (EOFError, OSError):  # it could not be started, or cannot reach the store
                self._is_useless = True
        return self._is_ready and len(self._under_way) < MOST_UNDER_WAY

    def give(self, stretch: Stretch) -> None:
        """Have the roots of a stretch worked out.

        Raises:
            SecondProcessGoneError: it ended.
        """
        try:
            self._pipe.send_bytes(msgspec.msgpack.encode(stretch))
        except OSError:
            raise self._gone() from None
        self._under_way.append(stretch)

    def has_answered(self) -> bool:
        """Whether ``answer`` would not wait."""
        return self._pipe.poll()

    def answer(self) -> list[bytes]:
        """What ``roots`` says of the stretch that was given first of those not answered yet.

        Raises:
            SecondProcessGoneError: it ended.
        """
        try:
            said = self._pipe.recv_bytes()
        except (EOFError, OSError):
            raise self._gone() from None
        self._under_way.popleft()
        return msgspec.msgpack.decode(said, type=list[bytes])

    def close(self) -> None:
        """End it, whatever it is at."""
        self._process.kill()
        self._process.wait()
        self._pipe.close()

    def _gone(self) -> SecondProcessGoneError:
        return SecondProcessGoneError(
            f"The second process, which reads every other part of the log, {self._end()}: nothing "
            "is verified. Verify again; if that happens every time, see whether the machine runs "
            "out of memory."
        )

    def _end(self) -> str:
        code = self._process.wait()
        if code >= 0:
            return f"ended with exit code {code}"
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"


def serve(pipe: int, parent: int) -> None:
    """What the process does: connect, then one stretch after the other.

    Args:
        pipe: the file descriptor of its end.
        parent: the process that has started this one.
    """
    with suppress(Exception):  # the first process reads it itself, and meets what is wrong
        orders = Connection(pipe)
        place = msgspec.msgpack.decode(orders.recv_bytes(), type=Place)
        rows = EventRows(_connect(place), place.database, place.table)
        orders.send_bytes(_READY)
        decode = msgspec.msgpack.Decoder(Stretch).decode
        while _is_wanted(orders, parent):
            found = _roots(rows, decode(orders.recv_bytes()), streams=place.streams)
            orders.send_bytes(msgspec.msgpack.encode(found))
    os._exit(0)


def _connect(place: Place) -> Any:
    connection = import_module(place.driver).connect(*place.address, **place.options)
    for setting in place.settings:
        connection.execute(setting)
    return connection


def _roots(rows: EventRows, stretch: Stretch, *, streams: bool) -> list[bytes]:
    """Nothing where the database cannot read it: the first process meets that in its turn."""
    try:
        return roots(rows, stretch, streams=streams)
    except Exception:  # noqa: BLE001 - whatever it was, it is no answer
        return []


def _is_wanted(orders: Connection, parent: int) -> bool:
    """Wait for the next order; False where nobody is left to send one."""
    while not orders.poll(LOOK_SECONDS):
        if os.getppid() != parent:
            return False
    return True

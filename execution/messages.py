"""Messages through a pipe: a length of 8 bytes, big-endian, and so many bytes."""

from __future__ import annotations

from struct import Struct
from typing import IO, Final

LENGTH: Final = Struct(">Q")


def send(pipe: IO[bytes], message: bytes) -> None:
    """Write a message, all of it.

    Raises:
        BrokenPipeError: nobody is left to read it.
    """
    pipe.write(LENGTH.pack(len(message)))
    pipe.write(message)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """The next message; None at the end, also in the middle of one."""
    header = pipe.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(header)
    message = pipe.read(length)
    return message if len(message) == length else None

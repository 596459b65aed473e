"""Messages through a pipe: a length of 8 bytes, big-endian, and so many bytes."""

from __future__ import annotations

from struct import Struct
from typing import IO, Final

LENGTH: Final = Struct(">Q")


def send(pipe: IO[bytes], message: bytes | bytearray) -> None:
    """Write a message, all of it.

    Raises:
        BrokenPipeError: nobody is left to read it.
    """
    pipe.write(LENGTH.pack(len(message)))
    pipe.write(message)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """The next message; None at the end, also in the middle of one."""
    header = _read(pipe, LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(header)
    message = _read(pipe, length)
    return message if len(message) == length else None


def _read(pipe: IO[bytes], size: int) -> bytes:
    """So many bytes, also where the pipe has no buffer and gives what there is; less at the end."""
    data = b""
    while len(data) < size and (piece := pipe.read(size - len(data))):
        data += piece
    return data

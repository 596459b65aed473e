"""A proxy before PostgreSQL that gets between a client and the answer to one COMMIT."""

from __future__ import annotations

import socket
import tempfile
import threading
from pathlib import Path

import sqlalchemy as sa

SOCKET = ".s.PGSQL.5432"
PATIENCE_SECONDS = 60.0


class Proxy:
    """Listens on a socket of its own, and lets everything pass but the answer to one COMMIT.

    Args:
        url: of the store behind it.
        nth: which COMMIT of events, from 1.
        late: the client's connection breaks before the server has the COMMIT, which it gets when
            ``go_on`` is set; otherwise it breaks after the server has done it.

    Attributes:
        broken: set once the connection broke.
    """

    def __init__(self, url: str, nth: int, *, late: bool = False) -> None:
        behind = sa.make_url(url)
        self._folder = tempfile.TemporaryDirectory(prefix="storno-proxy-")
        self._server = str(Path(str(behind.query["host"])) / SOCKET)
        self._left = nth
        self._late = late
        self._answered = threading.Event()
        self._muted: socket.socket | None = None
        self.broken = threading.Event()
        self.go_on = threading.Event()
        self.url = behind.update_query_dict({"host": self._folder.name}).render_as_string()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(Path(self._folder.name) / SOCKET))
        self._listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._folder.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            for pump in (self._to_server, self._to_client):
                threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        has_events = False
        while data := _received(client):
            has_events = has_events or b"INSERT INTO events" in data
            if has_events and b"COMMIT" in data:
                has_events = False
                self._left -= 1
                if self._left == 0:
                    self._break(client, server, data)
                    return
            server.sendall(data)
        server.close()

    def _break(self, client: socket.socket, server: socket.socket, commit: bytes) -> None:
        self._muted = client
        if self._late:
            cut(client)
            self.broken.set()
            self.go_on.wait(PATIENCE_SECONDS)
            server.sendall(commit)
        else:
            server.sendall(commit)
            self._answered.wait(PATIENCE_SECONDS)
            cut(client)
            self.broken.set()

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        while data := _received(server):
            if self._muted is client:
                self._answered.set()
                continue
            try:
                client.sendall(data)
            except OSError:
                return


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except OSError:
        return b""


def cut(connection: socket.socket) -> None:
    """End a connection in both directions, also for the thread that reads from it."""
    connection.shutdown(socket.SHUT_RDWR)
    connection.close()

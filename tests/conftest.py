"""Databases for the tests: SQLite files, and PostgreSQL servers that the tests start themselves.

A test that takes ``store_url`` runs once per database; ``made_url`` gives the same with a store in
it, and ``engine`` an engine on that. ``--postgresql`` chooses the servers: ``pip`` (PostgreSQL 18,
from a wheel) and ``installed`` (the newest under /usr/lib/postgresql), by default every one that is
there.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from storno.storage.engine import create_engine

from .docs.running import ROOT
from .scheduling import pytest_collection_modifyitems, pytest_xdist_make_scheduler
from .servers import InstalledServer, PipServer, Server, installed_binaries
from .stores import Databases, Originals

__all__ = ["pytest_collection_modifyitems", "pytest_xdist_make_scheduler"]

MEMORY = Path("/dev/shm")
"""Where files are in memory, on Linux."""
ENOUGH_BYTES = 6 << 30

PUBLISHED = ROOT.parent / "shared" / "data" / "devon-spend"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgresql",
        choices=["all", "pip", "installed"],
        default="all",
        help="which PostgreSQL servers to test on",
    )


def pytest_configure() -> None:
    # A shell lets what it starts in the background ignore Ctrl-C, and tests send it to processes.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # A new database is three hundred files, and on a disk to make and drop them takes longer than
    # most tests. No test ends the machine, so what is in memory lasts as long as it has to.
    if "TMPDIR" not in os.environ and _can_hold_files(MEMORY):
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


def _can_hold_files(folder: Path) -> bool:
    """Whether there is room for the files of all tests, and some of them can be executed."""
    return (
        os.access(folder, os.W_OK)
        and not os.statvfs(folder).f_flag & os.ST_NOEXEC
        and shutil.disk_usage(folder).free >= ENOUGH_BYTES
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    servers = _servers(str(metafunc.config.getoption("--postgresql")))
    for url in ("store_url", "made_url"):
        if url in metafunc.fixturenames:
            metafunc.parametrize(url, ["sqlite", *servers], indirect=True)
    if "postgres_url" in metafunc.fixturenames:
        metafunc.parametrize("postgres_url", servers, indirect=True)


def _servers(chosen: str) -> list[str]:
    names = {"pip": "postgresql", "installed": "postgresql-installed"}
    if chosen != "all":
        return [names[chosen]]
    return list(names.values()) if installed_binaries() else [names["pip"]]


@pytest.fixture(scope="session")
def postgresql_servers() -> Iterator[dict[str, Server]]:
    """The servers by name, started when first asked for and stopped at the end."""
    servers: dict[str, Server] = {
        "postgresql": PipServer(fsync=False),
        "postgresql-installed": InstalledServer(fsync=False),
    }
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="session")
def original_stores(
    postgresql_servers: dict[str, Server], tmp_path_factory: pytest.TempPathFactory
) -> Originals:
    """What the stores of tests are copies of."""
    return Originals(tmp_path_factory.mktemp("original"), postgresql_servers)


@pytest.fixture
def databases(tmp_path: Path, original_stores: Originals) -> Iterator[Databases]:
    """The test's databases, dropped at its end."""
    databases = Databases(tmp_path, original_stores)
    yield databases
    databases.drop()


@pytest.fixture
def new_database(databases: Databases) -> Callable[[str], str]:
    """Gives the URL of an empty database by name: sqlite, postgresql, postgresql-installed."""
    return databases.empty


@pytest.fixture
def new_store(databases: Databases) -> Callable[[str], str]:
    """Gives the URL of a new store by the name of its database."""
    return databases.with_store


@pytest.fixture
def store_url(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> str:
    """The URL of a place for a store, on each database; nothing is in it yet."""
    return new_database(request.param)


@pytest.fixture
def sqlite_url(new_database: Callable[[str], str]) -> str:
    """The URL of a SQLite file that does not exist yet."""
    return new_database("sqlite")


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> str:
    """The URL of an empty PostgreSQL database, on each server."""
    return new_database(request.param)


@pytest.fixture
def made_url(request: pytest.FixtureRequest, new_store: Callable[[str], str]) -> str:
    """The URL of a new store, on each database."""
    return new_store(request.param)


@pytest.fixture
def engine(made_url: str) -> Iterator[sa.Engine]:
    """An engine on a new store, on each database."""
    engine = create_engine(made_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of the council's files, beside the checkout."""
    if not PUBLISHED.is_dir():
        message = f"the council's files are not there: {PUBLISHED} holds them where there is one"
        if os.environ.get("CI"):
            pytest.fail(f"{message}; CI must not go without")
        pytest.skip(message)
    return PUBLISHED

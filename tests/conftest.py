"""Databases for the tests: SQLite files, and PostgreSQL servers that the tests start themselves.

A test that takes ``store_url`` runs once per database; ``engine`` gives the same with a store made
in it. ``--postgresql`` chooses the servers: ``pip`` (PostgreSQL 18, from a wheel) and ``installed``
(the newest under /usr/lib/postgresql), by default every one that is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from storno.storage.engine import create_engine
from storno.storage.migrate import init

from .servers import InstalledServer, PipServer, Server, installed_binaries


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgresql",
        choices=["all", "pip", "installed"],
        default="all",
        help="which PostgreSQL servers to test on",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    servers = _servers(metafunc.config.getoption("--postgresql"))
    if "store_url" in metafunc.fixturenames:
        metafunc.parametrize("store_url", ["sqlite", *servers], indirect=True)
    elif "postgres_url" in metafunc.fixturenames:
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
        "postgresql": PipServer(),
        "postgresql-installed": InstalledServer(),
    }
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a place for a store, on each database; nothing is in it yet."""
    if request.param == "sqlite":
        yield _sqlite_url(tmp_path)
    else:
        yield from _database(request)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite file that does not exist yet."""
    return _sqlite_url(tmp_path)


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, on each server."""
    yield from _database(request)


@pytest.fixture
def engine(store_url: str) -> Iterator[sa.Engine]:
    """An engine on a new store, on each database."""
    init(store_url)
    engine = create_engine(store_url)
    yield engine
    engine.dispose()


def _sqlite_url(directory: Path) -> str:
    return f"sqlite:///{directory / 'storno.db'}"


def _database(request: pytest.FixtureRequest) -> Iterator[str]:
    server: Server = request.getfixturevalue("postgresql_servers")[request.param]
    name = f"test_{os.getpid()}_{uuid4().hex[:12]}"
    yield server.create_database(name)
    server.drop_database(name)

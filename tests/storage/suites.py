"""Runs a unittest suite that somebody else wrote on each of our databases."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import ClassVar, TypeVar
from unittest import TestCase

import pytest
import sqlalchemy as sa

from storno.storage.engine import create_engine

from ..servers import installed_binaries

_Suite = TypeVar("_Suite", bound=type[TestCase])

DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
if installed_binaries():
    DATABASES["postgresql-installed"] = "InstalledPostgreSQL"


class OnStore:
    """A store made afresh for each test, at ``url``."""

    database: ClassVar[str]
    uuids: ClassVar[bool] = True
    url: str
    engine: sa.Engine

    @pytest.fixture(autouse=True)
    def make_store(self, new_store: Callable[[str], str]) -> Iterator[None]:
        self.url = new_store(self.database)
        self.engine = create_engine(self.url)
        yield
        self.engine.dispose()


def on_each_database(suite: _Suite) -> _Suite:
    """Make a subclass of the suite for each database, beside it; it is not run itself."""
    module = sys.modules[suite.__module__]
    for database, name in DATABASES.items():
        members = {"database": database, "__module__": suite.__module__, "__test__": True}
        concrete = type(f"{suite.__name__}On{name}", (suite,), members)
        setattr(module, concrete.__name__, concrete)
    suite.__test__ = False  # type: ignore[attr-defined]
    return suite

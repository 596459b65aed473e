"""Copies of a whole store, taken while it is in use."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from ..domain.errors import CheckFailedError, ConflictError, NotFoundError, StoreError
from . import sqlite_engine
from .engine import create_engine, store_path
from .migrate import check

UNFINISHED: Final = ".unfinished"
"""What a backup's name ends in until it is whole."""


def backup(url: str | sa.URL, file: Path) -> None:
    """Copy a store as it stands at this moment into a new file; readers and writers go on.

    A SQLite store becomes a SQLite file that can be used in its place. A PostgreSQL store becomes
    an archive of its schema, by pg_dump, for pg_restore.

    Raises:
        StoreMissingError, SchemaVersionError: there is no such store, or not of this version.
        ConflictError: the file exists.
        NotFoundError: its folder does not.
        CheckFailedError: the copy is not sound; it is left under the name that ends in
            ``.unfinished``.
        StoreError: pg_dump is missing, or failed.
    """
    file = Path(os.path.abspath(file))
    if file.exists():
        raise ConflictError(f"{file} exists, and a backup overwrites nothing. Name another file.")
    if not file.parent.is_dir():
        raise NotFoundError(f"There is no folder {file.parent} for a backup. Make it first.")
    unfinished = file.with_name(file.name + UNFINISHED)
    engine = create_engine(url)
    try:
        check(engine)
        if store_path(engine) is None:
            _dump(engine, unfinished)
        else:
            _copy(engine, unfinished)
    finally:
        engine.dispose()
    _finish(unfinished, file)


def _copy(engine: sa.Engine, file: Path) -> None:
    """SQLite's online backup, in one step: a snapshot, which no later write makes start over."""
    file.unlink(missing_ok=True)
    with closing(sqlite_engine.library().connect(str(file))) as copy:
        with engine.connect() as source:
            driver: Any = source.connection.driver_connection
            driver.backup(copy)
        _refuse_damaged(copy, file)
        # So that the backup is one file, with nothing beside it; a store turns the log on again.
        copy.execute("PRAGMA journal_mode = DELETE")
    shutil.copymode(store_path(engine) or file, file)


def _refuse_damaged(copy: Any, file: Path) -> None:
    try:
        found = str(copy.execute("PRAGMA integrity_check").fetchone()[0])
    except copy.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise CheckFailedError(
            f"The copy {file} is damaged: {found}. The store itself may be: run `PRAGMA "
            "integrity_check` on it before anything else."
        )


def _dump(engine: sa.Engine, file: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise StoreError(
            "A backup of a PostgreSQL store is made by pg_dump, which is not on the PATH. Install "
            "PostgreSQL's client programs (Debian: postgresql-client), at least as new as the "
            "server."
        )
    with engine.connect() as connection:
        schema = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
    url = engine.url.set(drivername="postgresql", password=None)
    environment = dict(os.environ)
    if isinstance(engine.url.password, str):
        # Not on the command line, where every user of the machine could read it.
        environment["PGPASSWORD"] = engine.url.password
    arguments = [f'--schema="{schema}"', f"--file={file}", f"--dbname={url.render_as_string()}"]
    result = subprocess.run(
        [program, "--format=custom", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise StoreError(f"pg_dump failed, and there is no backup: {result.stderr.strip()}")


def _finish(unfinished: Path, file: Path) -> None:
    """Give the whole file its name, both safely on disk."""
    _sync(unfinished)
    unfinished.rename(file)
    _sync(file.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""The keys of personal fields, in a table of their own: outside the log, for they are destroyed.

On SQLite that is a file of its own, which only its owner may read. What is deleted from it is
overwritten with zeros, and there is no write-ahead log in which it would stay.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event

from ..domain.errors import StoreError, UsageError
from ..domain.subject import SECRET_BYTES, SubjectKey
from . import postgresql_engine, sqlite_engine
from .engine import LOCK_TIMEOUT_SECONDS

AT_ONCE: Final = 1_000
"""Keys looked for in one statement."""

_MAKING: Final = 7_305_781
"""The advisory lock of PostgreSQL under which the table is made."""

_SETTINGS: Final = (
    "PRAGMA journal_mode = DELETE",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
)

_metadata = sa.MetaData()
_keys = sa.Table(
    "storno_subject_keys",
    _metadata,
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("handle", sa.Text, unique=True, nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
)

# Both databases know this form, and SQLAlchemy's own would load both of its dialects.
_INSERT: Final = sa.text(
    "INSERT INTO storno_subject_keys (subject, handle, secret) "
    "VALUES (:subject, :handle, :secret) ON CONFLICT DO NOTHING"
)


def beside(store: sa.Engine) -> str:
    """Where a store's keys are if nothing else is said: a file beside it, or its own database."""
    url = store.url
    if store.dialect.name == "sqlite":
        url = url.set(database=f"{url.database}.keys")
    return url.render_as_string(hide_password=False)


class SqlKeys:
    """A key store behind a URL; connects when it is first asked."""

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)
        self._engine: sa.Engine | None = None

    def find(self, subjects: Sequence[str]) -> dict[str, SubjectKey]:
        """The keys of these subjects; those that have none are left out."""
        engine = self._existing()
        if engine is None:
            return {}
        with engine.begin() as connection:
            return _found(connection, subjects)

    def make(self, subjects: Sequence[str]) -> dict[str, SubjectKey]:
        """The keys of these subjects; those without one get one, kept when this returns."""
        with self._made().begin() as connection:
            found = _found(connection, subjects)
            missing = [each for each in dict.fromkeys(subjects) if each not in found]
            if missing:
                connection.execute(_INSERT, [_new(each) for each in missing])
                found |= _found(connection, missing)  # somebody may have been faster
        return found

    def read(self, handles: Sequence[str]) -> dict[str, bytes]:
        """The secrets of these keys by handle; those that are no more are left out."""
        engine = self._existing()
        if engine is None:
            return {}
        with engine.begin() as connection:
            return {
                row.handle: bytes(row.secret)
                for some in _portions(handles)
                for row in connection.execute(
                    sa.select(_keys).where(_is_among(connection, _keys.c.handle, some))
                )
            }

    def destroy(self, handle: str) -> None:
        """Destroy a key; nothing where it is no more."""
        engine = self._existing()
        if engine is not None:
            with engine.begin() as connection:
                connection.execute(sa.delete(_keys).where(_keys.c.handle == handle))

    def close(self) -> None:
        """Give up the connections."""
        if self._engine is not None:
            self._engine.dispose()

    def _existing(self) -> sa.Engine | None:
        """The key store, None where nobody has made it: who only looks makes none."""
        if self._engine is None:
            path = _path(self._url)
            if path is not None:
                if not path.exists():
                    return None
                _refuse_readable(path)
            engine = self._new_engine()
            if not sa.inspect(engine).has_table(_keys.name):
                engine.dispose()
                return None
            self._engine = engine
        return self._engine

    def _made(self) -> sa.Engine:
        """The key store, made where there is none."""
        engine = self._existing()
        if engine is None:
            if (path := _path(self._url)) is not None:
                _touch(path)
            engine = self._engine = self._new_engine()
            with engine.begin() as connection:
                if engine.dialect.name == "postgresql":  # two that make it at once would collide
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MAKING)))
                _metadata.create_all(connection)
        return engine

    def _new_engine(self) -> sa.Engine:
        backend = self._url.get_backend_name()
        if backend == "postgresql":
            return postgresql_engine.create(self._url)
        if backend != "sqlite":
            raise UsageError(
                f"keys cannot live in {backend}: name sqlite:///path, postgresql://... or a vault "
                "of your own as module:attribute."
            )
        return _sqlite(self._url)


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url.set(drivername="sqlite"),
        module=sqlite_engine.library(),
        connect_args={
            "check_same_thread": False,
            "timeout": LOCK_TIMEOUT_SECONDS,
            "isolation_level": None,
        },
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _entry: object) -> None:
        for setting in _SETTINGS:
            connection.execute(setting)

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _path(url: sa.URL) -> Path | None:
    """The file of the keys; None for PostgreSQL."""
    if url.get_backend_name() != "sqlite":
        return None
    if not url.database or url.database == ":memory:":
        raise UsageError(f"{url} names no file: keys have to be kept, as in sqlite:///keys.db.")
    return Path(url.database)


def _touch(path: Path) -> None:
    """Make the file such that nobody else can ever have opened it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(
            f"the keys of personal fields cannot be kept at {path}: {error.strerror}."
        ) from None


def _refuse_readable(path: Path) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        path.open("rb").close()
    except OSError as error:
        raise StoreError(
            f"the keys of personal fields at {path} cannot be read: {error.strerror}."
        ) from None
    if mode & 0o077:
        raise StoreError(
            f"the keys of personal fields at {path} can be read by others (mode {mode:o}): take "
            f"that away with chmod 600 {path}, and see who has read them."
        )


def _found(connection: sa.Connection, subjects: Sequence[str]) -> dict[str, SubjectKey]:
    return {
        row.subject: SubjectKey(row.handle, bytes(row.secret))
        for some in _portions(subjects)
        for row in connection.execute(
            sa.select(_keys).where(_is_among(connection, _keys.c.subject, some))
        )
    }


def _is_among(
    connection: sa.Connection, column: sa.Column[str], words: Sequence[str]
) -> sa.ColumnElement[bool]:
    """Whether a column holds one of these; in one parameter, a thousand of which take long."""
    if connection.dialect.name == "sqlite":
        values = sa.func.json_each(json.dumps(list(words))).table_valued("value")
        return column.in_(sa.select(values.c.value))
    return column == sa.any_(sa.literal(list(words), sa.ARRAY(sa.Text)))


def _portions(words: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(words), AT_ONCE):
        yield words[start : start + AT_ONCE]


def new_key() -> SubjectKey:
    """A key that nobody has."""
    return SubjectKey(secrets.token_urlsafe(16), secrets.token_bytes(SECRET_BYTES))


def _new(subject: str) -> Mapping[str, Any]:
    key = new_key()
    return {"subject": subject, "handle": key.handle, "secret": key.secret}

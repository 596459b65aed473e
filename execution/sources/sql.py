"""Records from a SQL query, page by page along a key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Literal, Self, cast

import sqlalchemy as sa
from msgspec import Struct, field
from msgspec.structs import replace

from ...domain.errors import DefinitionError, SourceError
from .base import Batch, Difference, Offset, Range
from .columns import builder, field_names
from .keys import key_offset, key_type, offset_key
from .templates import did_you_mean

Select = sa.Select[*tuple[Any, ...]]


def sql_query(
    database: str | sa.URL | sa.Engine,
    query: str | Select,
    *,
    key: str,
    parameters: Mapping[str, Any] | None = None,
) -> SqlSource:
    """Records from a query, one for each row.

    The query is read in pages ordered by the key, each in a transaction of its own, so a long run
    holds no cursor and no snapshot, and a resume goes on behind the last key. Rows that others
    insert before that key meanwhile are not seen: the source's strength is ``weak``.

    Args:
        database: a URL, or an engine.
        query: a SELECT; ``:name`` stands for one of ``parameters``, or for the run's parameter.
        key: the column to page by: unique and never null; whole numbers, text, dates or UUIDs.
            Text is paged in the database's own order, under which keys must be distinct too.
        parameters: values for the query.

    Raises:
        DefinitionError: the URL cannot be read, or the query has no such column.
    """
    try:
        place = database if isinstance(database, sa.Engine) else sa.make_url(database)
    except sa.exc.ArgumentError:
        raise DefinitionError(
            "The database's URL cannot be read: write it like sqlite:///file.db."
        ) from None
    selectable = _subquery(query, key)
    return SqlSource(place, selectable, key, dict(parameters or {}), str(query).strip())


class SqlSource(Struct, frozen=True):
    """Records from a query. See ``storno.execution.sources.base.Source``."""

    database: sa.URL | sa.Engine
    rows: sa.Subquery
    key: str
    parameters: Mapping[str, Any]
    query: str
    required: frozenset[str] = field(default_factory=frozenset)

    @property
    def strength(self) -> Literal["weak"]:
        """Weak: the query is known, the rows behind it are not."""
        return "weak"

    def bind(
        self,
        parameters: Mapping[str, Any],
        *,
        base: Path | None = None,
        required: Collection[str] = (),
    ) -> SqlSource:
        """This source for one run."""
        binds = sa.select(self.rows).compile().binds
        values = dict(self.parameters)
        for name in sorted(name for name, bind in binds.items() if bind.required):
            if name not in values and name not in parameters:
                known = ", ".join(sorted({*values, *parameters})) or "none"
                raise DefinitionError(
                    f"The query needs a value for :{name}{did_you_mean(name, parameters)}; give "
                    f"it in parameters=, or as a parameter of the job. There are: {known}."
                )
            values.setdefault(name, parameters.get(name))
        database = _beside(self.database, base)
        return replace(self, database=database, parameters=values, required=frozenset(required))

    def open(self, offset: Offset | None = None) -> SqlReader:
        """A reader that begins at an offset, or at the start."""
        return SqlReader(self, offset or {})

    def describe(self) -> dict[str, Any]:
        """The database (without its password), the query, and its values."""
        url = self.database.url if isinstance(self.database, sa.Engine) else self.database
        return {
            "kind": "sql",
            "database": url.render_as_string(hide_password=True),
            "query": self.query,
            "key": self.key,
            "parameters": {name: str(value) for name, value in self.parameters.items()},
        }


class SqlReader:
    """Reads a query page by page."""

    unit: Literal["records"] = "records"

    def __init__(self, source: SqlSource, offset: Offset) -> None:
        self._source = source
        self._offset = offset
        self._owned = not isinstance(source.database, sa.Engine)
        self._engine = _engine(source.database)
        with self._connection() as connection:
            self.columns: tuple[str, ...] | None = self._read_columns(connection)
            self.size: int | None = self.position + self._count_rest(connection)
        self._build = builder(self.columns or ())

    @property
    def position(self) -> int:
        """Rows read."""
        return int(self._offset.get("row", 0))

    def read(self, count: int) -> Batch:
        """The next records."""
        first = self.position
        with self._connection() as connection:
            # One more than asked for: whether a row follows, and whether its key is another.
            found = self._build(self._read_page(connection, count + 1).all())
        keys = [row[self._source.key] for row in found]
        self._check_distinct(keys)
        rows = found[:count]
        if rows:
            self._offset = key_offset(keys[len(rows) - 1], first + len(rows))
        return Batch(
            rows=rows,
            malformed=False,
            next_offset=self._offset,
            digest=None,
            end=len(found) <= count,
            location=lambda index: f"the row with {self._source.key} = {keys[index]!r}",
        )

    def difference(self, ranges: Iterable[Range]) -> Difference | None:  # noqa: ARG002
        """None: rows that were read cannot be compared."""
        return None

    def close(self) -> None:
        """Let go of connections, unless the engine is somebody else's."""
        if self._owned:
            self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        """A connection with a transaction that is rolled back at the end."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            if _may_pass(error, self._engine.dialect.name):
                raise ConnectionError(f"The query was interrupted: {error.orig}") from error
            raise SourceError(f"The query cannot be read: {error.orig}") from error

    def _after_last(self, query: Select) -> Select:
        """The query's rows behind the last one read."""
        key = self._source.rows.c[self._source.key]
        if not self._offset:
            return query
        last = offset_key(self._offset)
        return query.where(key > sa.literal(last, key_type(last)))

    def _read_page(self, connection: sa.Connection, count: int) -> sa.CursorResult[Any]:
        source = self._source
        query = sa.select(sa.text("*")).select_from(source.rows).order_by(source.rows.c[source.key])
        return connection.execute(self._after_last(query).limit(count), source.parameters)

    def _read_columns(self, connection: sa.Connection) -> tuple[str, ...]:
        columns = tuple(self._read_page(connection, 0).keys())
        remedy = "Name a column in the query: `... AS {}`."
        return field_names("The query", columns, {}, self._source.required, remedy)

    def _count_rest(self, connection: sa.Connection) -> int:
        source = self._source
        counts = sa.select(sa.func.count(), sa.func.count(source.rows.c[source.key]))
        query = self._after_last(counts.select_from(source.rows))
        rows, keys = connection.execute(query, source.parameters).one()
        if rows > keys:
            raise SourceError(
                f"{rows - keys} rows of the query have no {source.key} (NULL), and cannot be paged "
                "by it: leave them out in the query, or name another key."
            )
        return int(rows)

    def _check_distinct(self, keys: list[Any]) -> None:
        for key, following in pairwise(keys):
            if key == following:
                raise SourceError(
                    f"Two rows of the query have {self._source.key} = {key!r}; the key must be "
                    "unique, or rows would be lost between pages."
                )


def _subquery(query: str | Select, key: str) -> sa.Subquery:
    if isinstance(query, str):
        # The line end keeps a comment at the query's end from swallowing what is put around it.
        text = sa.text(query.strip().rstrip(";") + "\n")
        return text.columns(sa.column(key)).subquery("source")
    rows = query.subquery("source")
    if key not in rows.c:
        listed = ", ".join(rows.c.keys())
        raise DefinitionError(f"The query has no column {key!r} to page by; it has {listed}.")
    return rows


def _beside(database: sa.URL | sa.Engine, base: Path | None) -> sa.URL | sa.Engine:
    """A SQLite file's relative path, taken from the base folder."""
    if isinstance(database, sa.Engine) or database.get_backend_name() != "sqlite" or base is None:
        return database
    return database.set(database=str(base / database.database)) if database.database else database


def _engine(database: sa.URL | sa.Engine) -> sa.Engine:
    if isinstance(database, sa.Engine):
        return database
    options: dict[str, Any] = {}
    if database.get_backend_name() == "sqlite":
        if not Path(database.database or "").is_file():
            raise SourceError(f"There is no SQLite database at {database.database}.")
        options["module"] = _sqlite_module()
    try:
        return sa.create_engine(database, **options)
    except (ImportError, sa.exc.NoSuchModuleError) as error:
        raise SourceError(
            f"The driver for {database.drivername} is missing ({error}): install it; for "
            "PostgreSQL run `pip install 'storno[postgres]'`."
        ) from None


def _sqlite_module() -> ModuleType | None:
    """The SQLite library that storno's store uses, where there is one.

    Two libraries in one process that open the same file drop each other's locks, and the query may
    be over the file that holds the store.
    """
    try:
        from pysqlite3 import dbapi2
    except ImportError:
        return None
    return cast("ModuleType", dbapi2)


def _may_pass(error: sa.exc.DBAPIError, dialect: str) -> bool:
    """Whether the same query may work later: a lost connection, a lock, a deadlock."""
    if dialect == "sqlite":
        return "locked" in str(error.orig)
    return isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError))

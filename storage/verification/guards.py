"""Whether the database still refuses what it was told to refuse.

A log can be whole without its guards; but nothing of storno takes them away, so somebody did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import sqlalchemy as sa

from ..schema import LogTables, append_only
from .problems import Problem

_SQLITE_TRIGGERS: Final = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"

_POSTGRESQL_TRIGGERS: Final = """
SELECT tgname, pg_get_functiondef(tgfoid), pg_get_triggerdef(pg_trigger.oid)
FROM pg_trigger
WHERE tgrelid IN (to_regclass(%s), to_regclass(%s)) AND NOT tgisinternal AND tgenabled IN ('O', 'A')
"""


def missing_guards(connection: sa.Connection, tables: LogTables) -> Iterator[Problem]:
    """The triggers and the constraints of a log that are not there, or not as they were made."""
    found = _triggers(connection, tables)
    for name, parts in _expected(connection, tables).items():
        if not all(part in found.get(name, "") for part in parts):
            gone = "is missing or switched off" if name not in found else "was replaced"
            yield Problem(
                field="triggers",
                message=f"the trigger {name}, which keeps the log append-only, {gone}",
            )
    for table in tables:
        yield from _missing_keys(connection, table)


def _triggers(connection: sa.Connection, tables: LogTables) -> Mapping[str, str]:
    """The triggers that are there, by name, with all of their text."""
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(_SQLITE_TRIGGERS).all()
    else:
        names = (tables.events.name, tables.commits.name)
        rows = connection.exec_driver_sql(_POSTGRESQL_TRIGGERS, names).all()
    return {name: _plain(" ".join(text)) for name, *text in rows}


def _expected(connection: sa.Connection, tables: LogTables) -> Mapping[str, list[str]]:
    """What the text of each trigger has to hold."""
    statements = [_plain(each) for each in append_only(tables, connection.dialect.name)]
    if connection.dialect.name == "sqlite":
        return {each.split()[2]: [each] for each in statements}
    function, *triggers = statements
    body = function.split("$$")[1].strip()
    return {
        each.split()[2]: [body, "BEFORE DELETE OR UPDATE OR TRUNCATE", "FOR EACH STATEMENT"]
        for each in triggers
    }


def _plain(statement: str) -> str:
    """A statement without what the databases leave out of it when they keep it."""
    words = statement.replace("OR REPLACE ", "").replace("IF NOT EXISTS ", "").split()
    return " ".join(words)


def _missing_keys(connection: sa.Connection, table: sa.Table) -> Iterator[Problem]:
    inspector = sa.inspect(connection)
    found = {tuple(each["column_names"]) for each in inspector.get_unique_constraints(table.name)}
    found.add(tuple(inspector.get_pk_constraint(table.name)["constrained_columns"]))
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint | sa.PrimaryKeyConstraint):
            columns = tuple(column.name for column in constraint.columns)
            if columns not in found:
                named = f"{table.name} ({', '.join(columns)})"
                yield Problem(
                    field="constraints",
                    message=f"the constraint that makes {named} unique is missing",
                )

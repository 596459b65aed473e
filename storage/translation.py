"""What the database answers, as what it means for whoever works on the store."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ..domain.errors import StoreBusyError, StoreError, StoreUnavailableError
from .engine import answer
from .sqlite_engine import is_busy

# Deadlock, serialization failure, and the ways PostgreSQL says that it goes down or comes up.
_TRANSIENT_STATES = ("40001", "40P01", "57P01", "57P02", "57P03", "53300", "08")


def translate(error: sa.exc.DBAPIError, where: str = "") -> StoreError | sa.exc.DBAPIError:
    """A lost connection, deadlock or serialization failure; anything else as it is.

    Args:
        where: the place of the store, for the message.
    """
    message = answer(error)
    store = f"the store at {where}" if where else "the database"
    if _may_pass(error):
        return StoreUnavailableError(
            f"{store} does not answer: {message}. Resume the run once it does."
        )
    if is_busy(error):
        return StoreBusyError(
            f"{store} is locked by another process: {message}. Wait for it, or stop it, then "
            "resume the run."
        )
    if isinstance(error, _OF_THE_STORE) or type(error) is sa.exc.DatabaseError:
        return StoreError(
            f"{store} cannot be written or read: {message}. What was committed is safe: mend the "
            "cause (storno doctor looks at the store and its disk), then resume the run."
        )
    return error


_OF_THE_STORE = (sa.exc.OperationalError, sa.exc.InternalError)
"""What is wrong with the database: a full disk, a read-only server. The other classes are what is
wrong with a statement."""


def _may_pass(error: sa.exc.DBAPIError) -> bool:
    """Whether the same may work on another connection, or later."""
    if error.connection_invalidated:
        return True
    original: Any = error.orig
    state = getattr(original, "sqlstate", None)
    if state is not None:
        return str(state).startswith(_TRANSIENT_STATES)
    # Where no connection can be made there is no statement, and no code of the server's.
    connecting = error.statement is None and isinstance(error, sa.exc.OperationalError)
    return connecting and type(original).__module__.startswith("psycopg")

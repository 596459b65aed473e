"""The errors a caller can act on. Each message says what happened, where, and what to do next.

The command line maps the classes to exit codes; see ``EXIT_CODES`` in ``storno.cli``.
"""

from __future__ import annotations


class StornoError(Exception):
    """Base of everything storno raises on purpose; its message is meant for a person."""


class UsageError(StornoError):
    """The caller's words are wrong: an unknown option, a missing value, an impossible setting."""


class DefinitionError(UsageError):
    """A job, source or setting is declared in a way that cannot work."""


class NotFoundError(StornoError):
    """The thing named does not exist."""


class NotAllowedError(StornoError):
    """The thing exists, but its state or the actor's role forbids the act."""


class ApprovalRequiredError(NotAllowedError):
    """Others have to agree before it is done."""


class ConflictError(StornoError):
    """Somebody or something else got there first, or the input is not what it was."""


class StreamConflictError(ConflictError):
    """A stream already holds an event at a version that this commit wanted to write."""


class ExpectationFailedError(ConflictError):
    """A stream that this commit depends on no longer stands at the version it was read at.

    Attributes:
        stream: the stream's name.
        expected: the version the commit was decided on (0: no event).
        actual: the version found under the append lock.
    """

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(
            f"{stream} is at version {actual}, not {expected}: somebody appended to it meanwhile. "
            "Read it again and decide anew."
        )
        self.stream = stream
        self.expected = expected
        self.actual = actual

    def __reduce__(self) -> tuple[type[ExpectationFailedError], tuple[str, int, int]]:
        return ExpectationFailedError, (self.stream, self.expected, self.actual)


class InputChangedError(ConflictError):
    """The input of a run that is to go on is not what the run has read before."""


class SourceError(StornoError):
    """The input cannot be read, or is not what the source declares it to be."""


class StoreError(StornoError):
    """The store cannot be used as it is."""


class StoreMissingError(StoreError, NotFoundError):
    """There is no store at the URL, or it has no schema yet."""


class SchemaVersionError(StoreError):
    """The store's schema is older or newer than this version of storno understands."""


class StoreBusyError(StoreError, ConflictError):
    """Another connection holds the store's lock, and did not let go in time."""


class StoreUnavailableError(StoreError):
    """The connection to the store broke, or the database is restarting: worth another try."""


class UnsoundSQLiteError(StoreError):
    """The SQLite library in use has a known defect that can corrupt a store."""


class CheckFailedError(StornoError):
    """A verification or a comparison found a difference."""


class ChangedLogError(StoreError, CheckFailedError):
    """What is stored is not what storno writes: somebody else wrote it."""

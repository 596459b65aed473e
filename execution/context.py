"""What a job's function may ask for beside the record."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ..domain.errors import DefinitionError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from structlog.typing import FilteringBoundLogger


def idempotency_key(job: str, key: str, posting: int) -> str:
    """The key to hand to outside systems: the same for every try of one posting of one record."""
    return sha256(f"{job}\0{key}\0{posting}".encode()).hexdigest()[:32]


class Context:
    """The circumstances of one call of a job's function. One object serves a chunk.

    Attributes:
        parameters: the run's, validated.
        run: ``<job>/<run>``.
        attempt: the run's attempt, from 1.
        tries: how often this chunk has been tried in this attempt, from 1.
        key: the record's business key.
        logger: a structlog logger bound to the run.
    """

    __slots__ = ("_connection", "_job", "attempt", "key", "logger", "parameters", "posting", "run",
                 "tries")  # fmt: skip

    def __init__(
        self,
        *,
        job: str,
        run: str,
        parameters: Any,
        attempt: int,
        logger: FilteringBoundLogger,
    ) -> None:
        self._job = job
        self._connection: Connection | None = None
        self.run = run
        self.parameters = parameters
        self.attempt = attempt
        self.logger = logger
        self.tries = 1
        self.key = ""
        self.posting = 1

    @property
    def idempotency_key(self) -> str:
        """32 hex characters, the same at every try: outside systems can tell a repetition."""
        return idempotency_key(self._job, self.key, self.posting)

    @property
    def connection(self) -> Connection:
        """The chunk's own connection to the store's database: what it writes commits with it.

        Only in jobs declared with ``writes=True``. Never commit or roll it back yourself.
        """
        if self._connection is None:
            raise DefinitionError(
                f"job {self._job} asks for the chunk's connection: declare it with writes=True."
            )
        return self._connection

    def about(self, key: str, posting: int) -> None:
        """Tell it which record the next call is for; ``posting`` numbers its postings, from 1."""
        self.key = key
        self.posting = posting

    def use(self, connection: Connection | None) -> None:
        """Give the context the chunk's connection."""
        self._connection = connection

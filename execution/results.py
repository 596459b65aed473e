"""What a run comes to, and what is told while it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct, field

from ..domain.errors import ConflictError, UsageError
from ..domain.events import Counts, RecordFailed
from ..domain.ids import RunId


class FencedError(ConflictError):
    """Another worker took the run over: what this one had prepared is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run is started.

    Attributes:
        keys: work only on the records with these keys; the run is left stopped.
        limit: work on this many records at most; the run is left stopped.
        again: read a completed run's input once more; needs a reason.
        dry_run: work without writing anything.

    Raises:
        UsageError: a dry run of chosen keys.
    """

    keys: tuple[str, ...] = ()
    limit: int | None = None
    again: bool = False
    reason: str = ""
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.keys and self.dry_run:
            raise UsageError(
                "a dry run tries all of the input out: leave --key away, or --dry-run."
            )


class RunResult(Struct, frozen=True, kw_only=True):
    """How an attempt ended.

    Attributes:
        state: the run's, after it.
        counts: of the run's records so far, over all attempts.
        seconds: how long this attempt took.
        error: a stable code, where it failed.
        message: why it stopped or failed.
        noop: whether there was nothing to do.
        totals: currency to minor units debited by the run.
        interrupted: whether a signal stopped it.
        not_found: of the keys that were chosen those that no record has.
        failures: where it was only tried out, the first thousand records that would fail, by key.
    """

    run: RunId
    state: str
    attempt: int
    counts: Counts
    seconds: float
    error: str | None = None
    message: str | None = None
    noop: bool = False
    totals: dict[str, int] = field(default_factory=dict)
    interrupted: bool = False
    not_found: tuple[str, ...] = ()
    failures: Sequence[tuple[str, RecordFailed]] = ()


class Observer(Protocol):
    """Told about a run's progress, on the thread that runs it."""

    def started(
        self, run: RunId, attempt: int, resumed: bool, size: int | None, position: int, /
    ) -> None:
        """The attempt begins; ``size`` and ``position`` in the source's unit."""

    def committed(self, counts: Counts, position: int | None, /) -> None:
        """A chunk is committed; ``counts`` of the whole run."""

    def retrying(self, error: str, tries: int, delay_seconds: float, /) -> None:
        """A chunk will be tried again after the delay."""


class Silent:
    """An observer that tells nobody."""

    def started(
        self, run: RunId, attempt: int, resumed: bool, size: int | None, position: int, /
    ) -> None:
        """Nothing."""

    def committed(self, counts: Counts, position: int | None, /) -> None:
        """Nothing."""

    def retrying(self, error: str, tries: int, delay_seconds: float, /) -> None:
        """Nothing."""

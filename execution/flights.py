"""Commits under way: sent one behind the other, and seen into the store in that order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

from ..domain.errors import StornoError
from .committer import Committer, Pending
from .sealing import Sealed

T = TypeVar("T")

UNDER_WAY: Final = 3
"""Commits sent and not answered yet, at most. A disk now and then takes the time of some chunks for
one COMMIT: the work goes on meanwhile, and what has piled up is committed in a row. The pipe to the
committing process holds two, which bounds the memory as well."""


class _Flight(NamedTuple, Generic[T]):
    what: T
    sent: Pending

    def error(self) -> StornoError | None:
        """Wait for it; why it is not in the store, as far as one knows."""
        try:
            self.sent.result()
        except StornoError as error:
            return error
        return None


class Flights(Generic[T]):
    """What was sent and has not been answered.

    Args:
        settle: told of each in order, with the error where it was refused; whether to go on.
    """

    def __init__(
        self, committer: Committer, settle: Callable[[T, StornoError | None], bool]
    ) -> None:
        self._committer = committer
        self._settle = settle
        self._flights: deque[_Flight[T]] = deque()

    def __len__(self) -> int:
        return len(self._flights)

    def __iter__(self) -> Iterator[T]:
        """What is under way, in order."""
        return (flight.what for flight in self._flights)

    @property
    def room(self) -> int:
        """How many may be under way when another one is sent."""
        return UNDER_WAY - 1 if self._committer.queues else 0

    def send(self, what: T, sealed: Sealed, expect: Mapping[str, int]) -> None:
        """Send a commit behind those that are under way."""
        self._flights.append(_Flight(what, self._committer.submit(sealed, expect)))

    def land(self, *, at_most: int = 0) -> bool:
        """See commits into the store, until no more than so many are under way.

        Where one is refused, those behind it are over as well before it is settled: decided anew,
        it makes what they stood on.

        Returns:
            Whether to go on.
        """
        flights = self._flights
        while flights and (len(flights) > at_most or flights[0].sent.done()):
            flight = flights.popleft()
            error = flight.error()
            landed = [(flight.what, error)]
            if error is not None:
                landed += [(each.what, each.error()) for each in flights]
                flights.clear()
            for what, why in landed:
                if not self._settle(what, why):
                    return False
        return True

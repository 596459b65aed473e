"""Holding a run: the lease is renewed beside the work, and others can tell whether we live."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Self

from ..domain.errors import ConflictError, StoreError
from ..domain.ids import RunId
from ..domain.run import RunState
from .identity import is_alive, this_worker
from .journal import Journal

RENEWALS_PER_LEASE = 3

_held: set[tuple[str, str]] = set()
"""Store and lock name of every attempt that this process is at; it may outlive one that raised."""


def refuse_if_held(journal: Journal, run: RunId, state: RunState) -> None:
    """Do nothing where the run's holder is dead or its lease ran out.

    Raises:
        ConflictError: somebody who lives works on the run.
    """
    holder = state.holder
    if holder is not None and is_held(journal, run, state):
        raise ConflictError(
            f"run {run} is being worked on by process {holder.pid} on {holder.host}: wait for it, "
            f"or stop it with 'storno stop {run} --reason TEXT'."
        )


def is_held(journal: Journal, run: RunId, state: RunState) -> bool:
    """Whether the holder of a running run lives, and answers."""
    holder = state.holder
    if holder is None:
        return False
    if holder == this_worker():
        return (journal.store_id, _lock_name(run, state.attempt)) in _held
    lease = journal.lease(run.stream)
    if lease is not None and lease.expired:
        return False
    alive = is_alive(holder)
    if alive is not None:
        return alive
    free = journal.session_lock(_lock_name(run, state.attempt)).is_free()
    return lease is not None if free is None else not free


def _lock_name(run: RunId, attempt: int) -> str:
    return f"{run.stream}#{attempt}"


class Hold:
    """An attempt's hold on its run.

    Entering takes the session lock where the database has one, so that whoever looks sees that
    we live; ``begin`` writes the lease, once the attempt's first event is committed.
    """

    def __init__(
        self, journal: Journal, run: RunId, attempt: int, holder: str, lease_seconds: float
    ) -> None:
        self._journal = journal
        self._run = run
        self._holder = f"{holder}#{attempt}"
        self._seconds = lease_seconds
        self._name = (journal.store_id, _lock_name(run, attempt))
        self._lock = journal.session_lock(_lock_name(run, attempt))
        self._ended = threading.Event()
        self._renewal = threading.Thread(target=self._renew, name="storno-lease", daemon=True)

    def __enter__(self) -> Self:
        if not self._lock.acquire():
            raise ConflictError(
                f"run {self._run} is being started by another process: wait for it."
            )
        _held.add(self._name)
        return self

    def begin(self) -> None:
        """Write the lease, and keep it fresh from a thread of its own."""
        self._journal.take_lease(self._run.stream, self._holder, self._seconds)
        self._renewal.start()

    def __exit__(self, *error: object) -> None:
        _held.discard(self._name)
        self._ended.set()
        if self._renewal.is_alive():
            self._renewal.join()
        with suppress(StoreError):  # it runs out by itself
            self._journal.give_lease_back(self._run.stream, self._holder)
        self._lock.release()

    def _renew(self) -> None:
        """Renew until the end, or until somebody else holds it: then our commits are refused."""
        while not self._ended.wait(self._seconds / RENEWALS_PER_LEASE):
            with suppress(StoreError):
                renewed = self._journal.renew_lease(self._run.stream, self._holder, self._seconds)
                if not renewed:
                    return

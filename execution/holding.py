"""Holding a run: the lease is renewed beside the work, and others can tell whether we live."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Self
from uuid import uuid4

import msgspec

from ..domain.errors import ConflictError, StoreError
from ..domain.events import Worker
from ..domain.ids import ReversalId, RunId
from ..domain.reversal import ReversalState
from ..domain.run import RunState
from . import retrying
from .identity import is_alive, this_worker
from .journal import Journal

RENEWALS_PER_LEASE = 3

_renewing = threading.Lock()
os.register_at_fork(
    before=_renewing.acquire, after_in_parent=_renewing.release, after_in_child=_renewing.release
)
"""Nobody forks in the middle of a renewal: SQLite's locks as the child sees them would then be held
for ever, by a thread that it does not have."""

_held: set[tuple[str, str]] = set()
"""Store and lock name of every attempt that this process is at; it may outlive one that raised."""


Held = RunId | ReversalId
"""What one process at a time works on."""


def refuse_if_held(journal: Journal, run: Held, state: RunState | ReversalState) -> None:
    """Do nothing where the holder of a run, or of a reversal, is dead or its lease ran out.

    Raises:
        ConflictError: somebody who lives works on it.
    """
    holder = state.holder
    if holder is not None and is_held(journal, run, state):
        raise _worked_on(run, f"process {holder.pid} on {holder.host}")


def is_held(journal: Journal, run: Held, state: RunState | ReversalState) -> bool:
    """Whether the holder of a running run lives, and answers."""
    holder = state.holder
    if holder is None:
        return False
    if holder == this_worker():
        return (journal.store_id, _lock_name(run, state.attempt)) in _held
    lease = journal.lease(run.stream)
    # A lease of an attempt before this one says nothing: this one has yet to write its own.
    if lease is not None and lease.expired and lease.holder == _name(holder, state.attempt):
        return False
    alive = is_alive(holder)
    if alive is not None:
        return alive
    with journal.talking():
        lock = journal.session_lock(_lock_name(run, state.attempt))
        stands = lock.stands(since=lease.renewed_at if lease else 0)
    return lease is not None and not lease.expired if stands is None else stands


def _worked_on(run: Held, who: str) -> ConflictError:
    if isinstance(run, ReversalId):
        return ConflictError(f"reversal {run} is being executed by {who}: wait for it.")
    return ConflictError(
        f"run {run} is being worked on by {who}: wait for it, or stop it with "
        f"'storno stop {run} --reason TEXT'."
    )


def _name(holder: Worker | str, attempt: int) -> str:
    return f"{holder}#{attempt}"


def _lock_name(run: Held, attempt: int) -> str:
    return f"{run.stream}#{attempt}"


class Holding:
    """A lease that is kept fresh, and beside it a session lock that goes with our connection.

    Entering takes the session lock where the database has one, so that whoever looks sees that
    we live; ``begin`` writes the lease.

    Args:
        run: whom it is about.
        lease: the lease's name.
        holder: who we are, in the lease.
        lock: the session lock's name.
    """

    def __init__(
        self, journal: Journal, run: Held, lease: str, holder: str, lock: str, seconds: float
    ) -> None:
        self._journal = journal
        self._run = run
        self._lease = lease
        self._holder = holder
        self._seconds = seconds
        self._name = (journal.store_id, lock)
        self._lock = journal.session_lock(lock)
        self._ended = threading.Event()
        self._renewal = threading.Thread(target=self._renew, name="storno-lease", daemon=True)

    def __enter__(self) -> Self:
        with self._journal.talking():
            if not self._lock.acquire():
                raise _worked_on(self._run, self._lock.holder() or "another process")
        _held.add(self._name)
        return self

    def begin(self) -> None:
        """Write the lease, and keep it fresh from a thread of its own."""
        retrying.store_call(self._take)
        self._renewal.start()

    def _take(self) -> None:
        self._journal.take_lease(self._lease, self._holder, self._seconds)

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        _held.discard(self._name)
        self._ended.set()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            return  # at once, whether the store answers or not: with the process all of it goes
        if self._renewal.is_alive():
            self._renewal.join()
        with suppress(StoreError):  # it runs out by itself
            self._journal.give_lease_back(self._lease, self._holder)
        self._lock.release()

    def _renew(self) -> None:
        """Renew until the end, or until somebody else holds it: then our commits are refused."""
        while not self._ended.wait(self._seconds / RENEWALS_PER_LEASE):
            with suppress(StoreError), _renewing, self._journal.talking():
                renewed = self._journal.renew_lease(self._lease, self._holder, self._seconds)
                if not renewed:
                    return
                self._lock.keep()


class Hold(Holding):
    """An attempt's hold on its run, or reversal; ``begin`` follows its first event's commit."""

    def __init__(
        self, journal: Journal, run: Held, attempt: int, holder: str, lease_seconds: float
    ) -> None:
        name = _name(holder, attempt)
        lock = _lock_name(run, attempt)
        super().__init__(journal, run, run.stream, name, lock, lease_seconds)


class RetryHold(Holding):
    """A hold on a run's dead letters: who tries them again is alone with them.

    A run that is not at work has no holder of its own; its stream, which every commit of ours
    names, tells when it is started meanwhile.
    """

    def __init__(self, journal: Journal, run: RunId, lease_seconds: float) -> None:
        holder = msgspec.json.encode((this_worker(), uuid4().hex)).decode()
        lease = _retry_lease(run)
        super().__init__(journal, run, lease, holder, f"{lease}#{holder}", lease_seconds)

    def _take(self) -> None:
        gone = _refuse_if_tried(self._journal, self._run, but=self._holder)
        taken = self._journal.take_over_lease(
            self._lease, self._holder, self._seconds, instead_of=gone
        )
        if not taken:
            _refuse_if_tried(self._journal, self._run, but=self._holder)
            raise _tried(self._run, "another process")


def refuse_if_tried(journal: Journal, run: RunId) -> None:
    """Do nothing where nobody alive tries the run's dead letters again.

    Raises:
        ConflictError: somebody does.
    """
    _refuse_if_tried(journal, run)


def _refuse_if_tried(journal: Journal, run: Held, but: str = "") -> str:
    """The same; gives the holder that is gone, empty where there was none."""
    lease = journal.lease(_retry_lease(run))
    if lease is None:
        return ""
    if lease.expired or lease.holder == but:
        return lease.holder
    worker, _ = msgspec.json.decode(lease.holder, type=tuple[Worker, str])
    lock = f"{_retry_lease(run)}#{lease.holder}"
    ours = worker == this_worker()
    alive = (journal.store_id, lock) in _held if ours else is_alive(worker)
    if alive is None:
        with journal.talking():
            alive = journal.session_lock(lock).stands(since=lease.renewed_at)
    if alive is False:
        return lease.holder
    raise _tried(run, f"process {worker.pid} on {worker.host}")


def _retry_lease(run: Held) -> str:
    return f"retry/{run}"


def _tried(run: Held, who: str) -> ConflictError:
    return ConflictError(
        f"the dead letters of run {run} are being tried again by {who}: wait for it."
    )

"""A process that commits: any commit can be ordered, and what the process meets is told as the
journal tells it."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given

from storno.domain.errors import (
    ExpectationFailedError,
    StoreBusyError,
    StoreError,
    StoreUnavailableError,
    StornoError,
    StreamConflictError,
)
from storno.domain.events import RunStopRequested
from storno.domain.ids import RunId
from storno.execution.journal import Journal
from storno.execution.messages import LENGTH
from storno.execution.sealing import Sealed, seal
from storno.execution.writer_process import Order, WriterProcess, _decode, _encode_into
from storno.projections.changes import Recorded
from storno.storage.engine import create_engine, writer

from ..crashes.narrow import limit_files
from ..crashes.project import until
from ..crashes.writers import Prompt, Suffering, bytes_in, has_order, writers
from ..projections.histories import History, histories
from ..scenarios.conftest import checked
from ..scenarios.lab import ACTOR, Lab

STREAM = RunId("payments", "once").stream

pytestmark = pytest.mark.usefixtures("nobody_stays")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Processes that commit do not wait long for the store's lock."""
    monkeypatch.setattr(sys, "executable", Suffering(lock_seconds=0.2).script(tmp_path))


@given(histories())
def test_every_commit_can_be_ordered(history: History) -> None:
    for commit in history.commits:
        sealed = seal(commit)
        _encode_into(Order(sealed, {STREAM: 7}), message := bytearray())
        order = _decode(message)

        assert order == Order(sealed, {STREAM: 7})


@pytest.fixture
def process(lab: Lab) -> Iterator[WriterProcess]:
    """A process that takes orders."""
    with closing(Prompt(lab.url)) as process:
        yield process


def asked_to_stop(version: int, reason: str = "lunch") -> Sealed:
    """A commit of one event in a run's stream."""
    return seal([Recorded(STREAM, version, RunStopRequested(actor=ACTOR, reason=reason))])


def error_of(append: Callable[[], object]) -> StornoError:
    with pytest.raises(StornoError) as caught:
        append()
    return caught.value


def answer(process: WriterProcess, sealed: Sealed, expect: dict[str, int] | None = None) -> None:
    process.submit(sealed, expect or {})
    process.result()


@pytest.mark.parametrize(
    ("version", "expect", "kind"),
    [(1, {}, StreamConflictError), (2, {STREAM: 7}, ExpectationFailedError)],
    ids=["stream conflict", "expectation"],
)
def test_refusals_cross(
    lab: Lab,
    process: WriterProcess,
    version: int,
    expect: dict[str, int],
    kind: type[StornoError],
) -> None:
    answer(process, asked_to_stop(1))

    told = error_of(lambda: answer(process, asked_to_stop(version), expect))
    here = error_of(lambda: Journal(lab.store).append(asked_to_stop(version), expect))

    assert type(told) is kind
    assert (str(told), vars(told)) == (str(here), vars(here))
    answer(process, asked_to_stop(2), {STREAM: 1})
    assert len(lab.store.log.read_stream(STREAM)) == 2


def test_an_expectation_keeps_what_it_says(lab: Lab, process: WriterProcess) -> None:
    told = error_of(lambda: answer(process, asked_to_stop(1), {STREAM: 7}))

    assert isinstance(told, ExpectationFailedError)
    assert (told.stream, told.expected, told.actual) == (STREAM, 7, 0)


def test_a_lock_that_is_held_crosses(impatient: None, lab: Lab) -> None:
    other = create_engine(lab.url)
    with closing(Prompt(lab.url)) as process:
        with writer(other).begin() as holder:
            lab.store.log._database.lock(holder)
            told = error_of(lambda: answer(process, asked_to_stop(1)))
        answer(process, asked_to_stop(1))
    other.dispose()

    assert type(told) is StoreBusyError
    assert "0.2 seconds" in str(told)


def test_a_disk_that_is_full_crosses(sqlite_lab: Lab) -> None:
    with closing(Prompt(sqlite_lab.url)) as process:
        (its_process,) = writers()
        limit_files(its_process.pid, 0)
        told = error_of(lambda: answer(process, asked_to_stop(1)))

    assert type(told) is StoreError
    assert "disk I/O error" in str(told)
    assert not sqlite_lab.log()


def test_each_answer_is_seen(lab: Lab, process: WriterProcess) -> None:
    """Two came before anybody looked: the second one is seen when the first was taken."""
    process.submit(asked_to_stop(1), {})
    process.submit(asked_to_stop(2), {STREAM: 1})
    both = 2 * (LENGTH.size + len(pickle.dumps(None)))
    until(lambda: bytes_in(process._answers.fileno()) == both)

    process.result()

    assert process.has_answered()
    process.result()
    assert not process.has_answered()
    assert len(lab.store.log.read_stream(STREAM)) == 2


def on_commit(lab: Lab, what: str) -> None:
    """Let the server do something whenever a commit is written."""
    function = f"CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS '{what}'"
    trigger = "CREATE TRIGGER act BEFORE INSERT ON commits EXECUTE FUNCTION act()"
    execute(lab, function, trigger)


def execute(lab: Lab, *statements: str) -> None:
    with writer(lab.store.engine).begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def test_a_server_that_refuses_crosses(postgres_url: str) -> None:
    with checked(postgres_url) as lab, closing(Prompt(lab.url)) as process:
        on_commit(lab, "BEGIN RAISE EXCEPTION USING ERRCODE = ''53100''; END")
        told = error_of(lambda: answer(process, asked_to_stop(1)))

        assert type(told) is StoreError
        assert "53100" in str(told)
        assert not lab.log()


def test_a_connection_that_breaks_crosses(postgres_url: str) -> None:
    """The next commit takes another."""
    with checked(postgres_url) as lab, closing(Prompt(lab.url)) as process:
        on_commit(lab, "BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END")
        told = error_of(lambda: answer(process, asked_to_stop(1)))

        assert type(told) is StoreUnavailableError
        execute(lab, "DROP TRIGGER act ON commits")
        answer(process, asked_to_stop(1))


def test_half_an_order_is_the_end(sqlite_lab: Lab) -> None:
    """Somebody interrupts the run while it gives an order that no pipe holds: the process has
    nothing that it could commit, and is ended as it stands."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def interrupt_when_it_is_under_way() -> None:
        until(lambda: has_order(its_process))
        os.kill(os.getpid(), signal.SIGUSR1)

    process = Prompt(sqlite_lab.url)
    (its_process,) = writers()
    its_process.suspend()
    before = signal.signal(signal.SIGUSR1, interrupt)
    thread = threading.Thread(target=interrupt_when_it_is_under_way)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        process.submit(asked_to_stop(1, reason="x" * 3_000_000), {})
    signal.signal(signal.SIGUSR1, before)
    thread.join()

    process.close(wait=False)

    its_process.wait(60)
    assert not sqlite_lab.log()

"""SQLite lets text stand where bytes belong: readers say so, and where, instead of stumbling."""

from __future__ import annotations

import pytest

from storno.storage.store import Store

from ..storage.tampering import tampered
from .command import Storno

POSTED = "UPDATE events SET state = CAST(state AS TEXT) WHERE stream = 'record/payments/P00003'"
NO_JSON = "UPDATE events SET state = CAST('{\"' AS BLOB) WHERE stream = 'record/payments/P00003'"
OF_THE_RUN = "UPDATE events SET state = CAST(state AS TEXT) WHERE stream = 'run/payments/2026-01'"
OF_A_COMMIT = "UPDATE commits SET chain_hash = 'x' WHERE number = 1"

EVENT = "of the log was changed: text stands where storno writes bytes. Keep the store as it is"
READERS = (
    ("ledger", "entry", "payments", "P00003"),
    ("ledger", "account", "creditors:Abacus Ltd"),
    ("ledger", "export", "--format", "csv", "--out", "books.csv"),
    ("audit", "trail", "payments", "P00003"),
    ("audit", "export", "--out", "events.ndjson"),
    ("audit", "prove", "payments", "P00003"),
    ("diff", "last", "last"),
    ("reverse", "plan", "last"),
)
OF_RUNS = (
    ("show", "last", "--events"),
    ("audit", "replay"),
    ("audit", "report", "last", "--out", "report.html"),
    ("views", "rebuild"),
    ("views", "check"),
    ("dead-letters", "retry", "--all-matching"),
)


def changed(storno: Storno, statement: str) -> None:
    store = Store.open(f"sqlite:///{storno.folder / 'storno.db'}")
    with tampered(store.engine) as connection:
        connection.exec_driver_sql(statement)
    store.close()


@pytest.mark.parametrize(
    ("statement", "where", "commands"),
    [
        (POSTED, "event 6", READERS),
        (OF_THE_RUN, "event 1", OF_RUNS),
        (OF_A_COMMIT, "commit 1", (("audit", "checkpoint"),)),
    ],
    ids=["posting", "run", "commit"],
)
def test_readers_end_with_5_and_name_what_was_changed(
    ran: Storno, statement: str, where: str, commands: tuple[tuple[str, ...], ...]
) -> None:
    changed(ran, statement)

    for words in commands:
        told = ran(*words, code=5).stderr
        assert f"{where} {EVENT}" in told, words
        assert "run storno audit verify" in told
    assert not ran.json("audit", "verify", code=5)["verified"]


def test_what_is_no_event_at_all_is_named_too(ran: Storno) -> None:
    """Bytes, but none that storno writes; read one by one, and many at once."""
    changed(ran, NO_JSON)

    one = ran("audit", "trail", "payments", "P00003", code=5).stderr
    many = ran("views", "rebuild", code=5).stderr

    assert "event 6 of the log was changed: an event of storno.RecordSucceeded.v1 cannot" in one
    assert "the postings of commit 2 cannot be read" in many
    for told in (one, many):
        assert "Run storno audit verify, which says where" in told

"""The loop people write by hand: validated, committed in chunks, resumable, without an audit.

It keeps no history, no content digest and no index beyond its primary keys, and it would post a
record twice that stands twice in the file. That is the bargain Storno is measured against.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from .connect import engine
from .reading import CREDITORS, Invoice, chunks
from .task import CHUNK, Task
from .timing import Stopwatch

_METADATA = sa.MetaData()
_POSTINGS = sa.Table(
    "postings",
    _METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("invoice_number", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("side", sa.String(1), nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("effective", sa.Date, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)
_CHECKPOINTS = sa.Table(
    "checkpoints",
    _METADATA,
    sa.Column("chunk", sa.Integer, primary_key=True),
    sa.Column("records", sa.Integer, nullable=False),
)


def run(task: Task) -> tuple[float, float]:
    """Post every invoice of the file, a transaction a chunk."""
    database = engine(task.url)
    _METADATA.create_all(database)
    watch = Stopwatch()
    with watch:
        for number, invoices in enumerate(chunks(task.source, CHUNK), start=1):
            postings = [posting for invoice in invoices for posting in _postings(invoice)]
            with database.begin() as connection:
                connection.execute(sa.insert(_POSTINGS), postings)
                checkpoint = {"chunk": number, "records": len(invoices)}
                connection.execute(sa.insert(_CHECKPOINTS), checkpoint)
    database.dispose()
    return watch.reading


def _postings(invoice: Invoice) -> Iterator[dict[str, object]]:
    amount = invoice.minor_units
    for account, side in ((f"expense:{invoice.expense_account}", "D"), (CREDITORS, "C")):
        yield {
            "invoice_number": invoice.invoice_number,
            "account": account,
            "side": side,
            "amount": amount,
            "currency": invoice.currency,
            "effective": invoice.date,
            "text": invoice.text,
        }


def expected(task: Task) -> Mapping[str, int]:
    """Two postings a record, a checkpoint a chunk, and both sides equal."""
    return {
        "SELECT count(*) FROM postings": 2 * task.records,
        "SELECT count(DISTINCT invoice_number) FROM postings": task.records,
        "SELECT sum(records) FROM checkpoints": task.records,
        "SELECT sum(CASE side WHEN 'D' THEN amount ELSE -amount END) FROM postings": 0,
    }

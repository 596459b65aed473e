"""A bank that takes payments and refunds over HTTP: real, small, and not to be relied upon.

``python service.py BOOKS`` listens on a free port of the loopback address and writes its address to
the file ``service.url`` beside its books. Its books are a SQLite file: they outlive it, whatever
ends it. A request names an idempotency key; a key that is in the books is answered from them.

``--faults SEED`` lets it fail at random, always in the same way for the same seed: it answers 500
or 429, or does the work and then hangs, or cuts the line. ``--no-refunds`` refuses every refund.
"""

import argparse
import json
import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TABLES = """
CREATE TABLE IF NOT EXISTS payments (
    receipt INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, number TEXT NOT NULL,
    iban TEXT NOT NULL, amount TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS refunds (
    receipt INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, payment INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL, path TEXT NOT NULL, fate TEXT NOT NULL
);
"""

# What becomes of a request, and how often in a hundred.
FATES = {"500": 5, "429": 4, "hang": 3, "cut": 4, "ok": 84}
FAULTS_AT_MOST = 2  # for one key, so that whoever keeps trying gets through


class RefusedError(Exception):
    """The request can never be met; said with status 422."""


class Books:
    """The bank's own books."""

    def __init__(self, path: Path, seed: str | None, no_refunds: bool) -> None:
        self.path = path
        self.seed = seed
        self.no_refunds = no_refunds
        self.lock = threading.Lock()
        with self.transaction() as books:
            books.executescript(TABLES)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One writer at a time; what is committed is on the disk."""
        with self.lock:
            books = sqlite3.connect(self.path)
            try:
                with books:
                    yield books
            finally:
                books.close()

    def note(self, key: str, path: str) -> str:
        """Write a request down, and draw what becomes of it."""
        with self.transaction() as books:
            count = "SELECT count(*) FROM requests WHERE key = ?"
            (before,) = books.execute(count, (key,)).fetchone()
            fate = "ok"
            if self.seed is not None and before < FAULTS_AT_MOST:
                draw = random.Random(f"{self.seed} {key} {before}")
                (fate,) = draw.choices(list(FATES), list(FATES.values()))
            books.execute(
                "INSERT INTO requests (key, path, fate) VALUES (?, ?, ?)", (key, path, fate)
            )
        return fate

    def pay(self, key: str, order: dict[str, str]) -> dict[str, int]:
        """The receipt of a payment; it is made once for each key."""
        with self.transaction() as books:
            books.execute(
                "INSERT OR IGNORE INTO payments (key, number, iban, amount) VALUES (?, ?, ?, ?)",
                (key, order["number"], order["iban"], order["amount"]),
            )
            found = books.execute("SELECT receipt FROM payments WHERE key = ?", (key,))
            return {"receipt": found.fetchone()[0]}

    def refund(self, key: str, order: dict[str, Any]) -> dict[str, int]:
        """The receipt of a refund; it is made once for each key."""
        if self.no_refunds:
            raise RefusedError("refunds are not made today")
        with self.transaction() as books:
            payment, number = order["receipt"], order["number"]
            found = books.execute("SELECT number FROM payments WHERE receipt = ?", (payment,))
            if found.fetchone() != (number,):
                raise RefusedError(f"payment {payment} is not one of {number}")
            books.execute(
                "INSERT OR IGNORE INTO refunds (key, payment) VALUES (?, ?)", (key, payment)
            )
            found = books.execute("SELECT receipt FROM refunds WHERE key = ?", (key,))
            return {"refund": found.fetchone()[0]}


class Handler(BaseHTTPRequestHandler):
    """Answers ``POST /payments`` and ``POST /refunds``."""

    books: Books

    def do_POST(self) -> None:
        """Meet a request, or fail it as was drawn."""
        key = self.headers["Idempotency-Key"]
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fate = self.books.note(key, self.path)
        if fate.isdecimal():
            self.answer(int(fate), {"error": "try again"})
            return
        try:
            answer = {"/payments": self.books.pay, "/refunds": self.books.refund}[self.path]
            receipt = answer(key, order)
        except RefusedError as error:
            self.answer(422, {"error": str(error)})
            return
        print(self.path, key, flush=True)
        if fate == "hang":
            self.connection.recv(1)  # until the other side gives up
        if fate == "ok":
            self.answer(201, receipt)

    def answer(self, status: int, document: dict[str, object]) -> None:
        """Send a status and a JSON document."""
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """The table of requests says more."""


def main() -> None:
    """Listen until something ends it."""
    parser = argparse.ArgumentParser(description="A bank that is not to be relied upon.")
    parser.add_argument("books", type=Path)
    parser.add_argument("--faults", metavar="SEED")
    parser.add_argument("--no-refunds", action="store_true")
    options = parser.parse_args()
    Handler.books = Books(options.books, options.faults, options.no_refunds)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = options.books.with_name("service.url")
    written = address.with_suffix(".new")
    written.write_text(f"http://127.0.0.1:{server.server_port}\n")
    written.replace(address)
    print("listening", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

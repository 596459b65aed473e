"""The log as files: every event and every commit, with all that their hashes are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from .export_tables import pyarrow
from .new_files import new_file
from .render import moment

if TYPE_CHECKING:
    from ..storage.dialect import Commit, Row

WriteCommit: TypeAlias = "Callable[[Commit, Sequence[Row], Sequence[bytes]], None]"
"""Takes a commit, its events as they are stored, and their leaves."""

ROW_GROUP: Final = 50_000
"""Events of a Parquet file that are written together."""


@contextmanager
def ndjson_files(folder: Path) -> Iterator[WriteCommit]:
    """``events.ndjson`` and ``commits.ndjson``, a line for each."""
    with ExitStack() as stack:
        events, commits = (
            stack.enter_context(stack.enter_context(new_file(path, force=True)).open("wb"))
            for path in (folder / "events.ndjson", folder / "commits.ndjson")
        )
        encode = msgspec.json.Encoder().encode

        def write(commit: Commit, rows: Sequence[Row], leaves: Sequence[bytes]) -> None:
            for document in _event_documents(commit, rows, leaves):
                events.write(encode(document) + b"\n")
            commits.write(encode(_commit_document(commit)) + b"\n")

        yield write


@contextmanager
def parquet_files(folder: Path) -> Iterator[WriteCommit]:
    """``events.parquet`` and ``commits.parquet``; hashes and states are binary columns.

    Raises:
        UsageError: pyarrow is not installed.
    """
    pa, pq = pyarrow()
    schemas = _schemas(pa)
    with ExitStack() as stack:
        tables = []
        for name, schema in schemas.items():
            path = stack.enter_context(new_file(folder / f"{name}.parquet", force=True))
            tables.append(_Table(pa, stack.enter_context(pq.ParquetWriter(path, schema)), schema))
        events, commits = tables

        def write(commit: Commit, rows: Sequence[Row], leaves: Sequence[bytes]) -> None:
            events.add(
                (row.position, commit.number, commit.recorded_at, *row[1:], leaf)
                for row, leaf in zip(rows, leaves, strict=True)
            )
            commits.add([_commit_values(commit)])

        yield write
        events.flush()
        commits.flush()


class _Table:
    """Rows on their way into a Parquet file."""

    def __init__(self, pa: Any, writer: Any, schema: Any) -> None:
        self._pa, self._writer, self._schema = pa, writer, schema
        self._rows: list[Sequence[Any]] = []

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        self._rows += rows
        if len(self._rows) >= ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in self._schema)
        arrays = [
            self._pa.array(column, field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows = []


def _schemas(pa: Any) -> dict[str, Any]:
    number, text, recorded = pa.int64(), pa.string(), pa.timestamp("us", tz="UTC")
    digest = pa.binary(32)
    events = {
        "position": number,
        "commit": number,
        "recorded": recorded,
        "stream": text,
        "version": number,
        "topic": text,
        "state": pa.binary(),
        "leaf": digest,
    }
    commits = {
        "number": number,
        "first_position": number,
        "count": number,
        "recorded_at": number,
        "merkle_root": digest,
        "chain_hash": digest,
    }
    return {"events": pa.schema(events), "commits": pa.schema(commits)}


def _event_documents(
    commit: Commit, rows: Sequence[Row], leaves: Sequence[bytes]
) -> Iterator[dict[str, Any]]:
    recorded = moment(commit.recorded_at)
    for row, leaf in zip(rows, leaves, strict=True):
        yield {
            "position": row.position,
            "commit": commit.number,
            "recorded": recorded,
            "stream": row.stream,
            "version": row.version,
            "topic": row.topic,
            **_state(row.state),
            "leaf": leaf.hex(),
        }


def _state(state: bytes) -> dict[str, str]:
    """The stored bytes as text, never as JSON within JSON, which others would write anew.

    What is no text is no state of storno's; it is kept as it is all the same.
    """
    try:
        return {"state": state.decode()}
    except UnicodeDecodeError:
        return {"state_hex": state.hex()}


def _commit_values(commit: Commit) -> tuple[int | bytes, ...]:
    return (
        commit.number,
        commit.first_position,
        commit.count,
        commit.recorded_at,
        commit.merkle_root,
        commit.chain_hash,
    )


def _commit_document(commit: Commit) -> dict[str, int | str]:
    """Numbers and hashes; the time in microseconds since 1970-01-01 UTC, as it is hashed."""
    return {
        "number": commit.number,
        "first_position": commit.first_position,
        "count": commit.count,
        "recorded_at": commit.recorded_at,
        "merkle_root": commit.merkle_root.hex(),
        "chain_hash": commit.chain_hash.hex(),
    }

"""Hypothesis strategies for events, derived from their own fields."""

from __future__ import annotations

import datetime as dt
import string
from typing import Any

import msgspec
from hypothesis import strategies as st

from storno.domain.codec import EVENTS
from storno.domain.entry import PostedEntry, PostedLine
from storno.domain.events import NO_OUTPUT, Actor, Counts, Event, Worker
from storno.domain.reversal import MovedEntries, NetLine

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(0, 2**53)
NAMES = st.text(string.ascii_letters, min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
RAW = JSON.map(lambda value: msgspec.Raw(msgspec.json.encode(value)))
OFFSETS = st.dictionaries(NAMES, NUMBERS | TEXTS, max_size=3)
MINOR = st.integers(-(10**15), 10**15)
LINES = st.builds(
    PostedLine,
    account=TEXTS,
    side=st.sampled_from("DC"),
    minor=MINOR,
    currency=st.sampled_from(["EUR", "JPY", "BHD"]),
    exponent=st.integers(0, 4),
)
ENTRIES = st.builds(
    PostedEntry,
    book=TEXTS,
    effective=st.dates(),
    posting=st.dates(),
    lines=st.lists(LINES, max_size=3).map(tuple),
    text=TEXTS,
)
NET = st.builds(
    NetLine,
    book=TEXTS,
    account=TEXTS,
    currency=st.sampled_from(["EUR", "JPY", "BHD"]),
    exponent=st.integers(0, 4),
    debit=MINOR,
    credit=MINOR,
)
MOVED = st.builds(MovedEntries, book=TEXTS, period=TEXTS, to=TEXTS, entries=NUMBERS)
COUNTS = st.builds(Counts, **dict.fromkeys(Counts.__struct_fields__, NUMBERS))

_BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "actor": st.builds(Actor, name=TEXTS, os_user=TEXTS, host=TEXTS),
    "worker": st.builds(Worker, host=TEXTS, boot_id=TEXTS, pid=NUMBERS, process_started=TEXTS),
    "counts": COUNTS,
    "first_offset": OFFSETS,
    "next_offset": OFFSETS,
    "totals": st.dictionaries(NAMES, MINOR, max_size=3),
    "controls": st.dictionaries(NAMES, TEXTS, max_size=3),
    "parameters": st.dictionaries(NAMES, JSON, max_size=3),
    "source": st.dictionaries(NAMES, JSON, max_size=3),
    "skipped_keys": st.lists(TEXTS, max_size=3).map(tuple),
    "kept": st.lists(NUMBERS, max_size=3).map(tuple),
    "record": RAW,
    "payload": RAW,
    "output": st.just(NO_OUTPUT) | RAW,
    "entries": st.lists(ENTRIES, max_size=2).map(tuple),
    "lease_seconds": st.floats(0, 1e6),
    "changed": st.lists(TEXTS, max_size=3).map(tuple),
    "scope": st.dictionaries(NAMES, JSON, max_size=3),
    "net": st.lists(NET, max_size=3).map(tuple),
    "moves": st.lists(MOVED, max_size=3).map(tuple),
}
_BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: NUMBERS,
    bool: st.booleans(),
    str | None: st.none() | TEXTS,
    int | None: st.none() | NUMBERS,
    dt.date: st.dates(),
}


def events_of(kind: type[Event]) -> st.SearchStrategy[Event]:
    """Any event of a class; a worker may also be the text that a chunk's claim keeps of it."""
    made = {}
    for field in msgspec.structs.fields(kind):
        chosen = _BY_TYPE.get(field.type)
        made[field.name] = _BY_NAME[field.name] if chosen is None else chosen
    return st.builds(kind, **made)


ANY_EVENT = st.one_of([events_of(kind) for kind in EVENTS])

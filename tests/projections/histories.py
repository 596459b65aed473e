"""Histories drawn by hypothesis, step by step in any order, and some that are written out."""

from __future__ import annotations

import datetime as dt

from hypothesis import strategies as st

from .history import History
from .run_history import CONFLICT, JOB, Posting

__all__ = [
    "JOB",
    "History",
    "Posting",
    "histories",
    "repaired_history",
    "settled_history",
    "taken_back_history",
]

postings = st.builds(
    Posting,
    account=st.sampled_from(["expense:rent", "expense:pay", 'odd "\\, {}', "konto ä"]),
    minor=st.integers(-(10**15), 10**15),
    currency=st.sampled_from(["EUR", "GBP"]),
    effective=st.sampled_from([dt.date(2024, 1, 31), dt.date(2024, 2, 1)]),
)
failures = st.sampled_from(
    ["no key", CONFLICT, "not a date: 'NULL'", 'a "quoted" \\ {brace}, NUL \0', ""]
)
outcomes = st.one_of(postings, postings, failures, st.just("skipped"))
names = st.sampled_from(["2024-01", "2024-02"])
some = st.lists(outcomes, min_size=1, max_size=4)
steps: dict[str, st.SearchStrategy[tuple[object, ...]]] = {
    "complete_chunk": st.tuples(st.lists(outcomes, max_size=4)),
    "complete_full_chunk": st.tuples(some),
    "fail_chunk": st.tuples(st.integers(1, 3)),
    "work_on_keys": st.tuples(some),
    "end": st.tuples(st.sampled_from(["stopped", "failed", "completed", "completed"])),
    "retry": st.tuples(some),
    "edit": st.tuples(some),
    "discard": st.tuples(st.lists(st.integers(0, 5), min_size=1, max_size=2)),
    "reverse": st.tuples(st.integers(1, 6), st.sampled_from([0, 0, 1, 2]), st.booleans()),
    "reverse_chunk": st.tuples(st.lists(st.booleans(), min_size=1, max_size=3)),
    "end_reversal": st.tuples(st.sampled_from(["stopped", "failed", "completed"])),
    "close_period": st.tuples(st.sampled_from(["main", "a/b %"])),
}
"""What is drawn for a step, beside the name of the run."""

AT_WORK = [
    *("complete_chunk", "complete_full_chunk", "complete_full_chunk", "end"),
    *("fail_chunk", "work_on_keys", "ask_to_stop", "takeover"),
]
AT_REST = [
    *("start", "again", "retry", "edit", "discard", "reverse", "reverse", "abandon"),
    *("close_period", "reopen_period", "refuse"),
]
TAKING_BACK = [
    *("approve", "execute", "reverse_chunk", "reverse_chunk", "end_reversal", "take_all_back"),
    *("resolve", "reject", "takeover", "close_period", "reopen_period", "discard"),
]


BEGINNING = ["start", "complete_full_chunk", "end", "reverse", "reverse_chunk", "reverse_chunk"]
"""Some histories begin with so much of this, to get as far as reversals that end."""


def sensible(history: History, name: str) -> list[str]:
    """What can come of something where the run stands; else hardly any history got far."""
    state = history.state(name)
    if state == "new":
        return ["start"]
    if state == "running":
        return AT_WORK
    return TAKING_BACK if history.is_taken_back(name) else AT_REST


@st.composite
def histories(draw: st.DrawFn, max_steps: int = 30) -> History:
    """Histories of two runs of one job."""
    history = History()
    history.start(draw(names))
    for step in BEGINNING[: draw(st.integers(0, len(BEGINNING)))]:
        getattr(history, step)("2024-01", *draw(steps.get(step, st.just(()))))
    for _ in range(draw(st.integers(0, max_steps))):
        name = draw(names)
        step = draw(st.sampled_from(sensible(history, name)))
        getattr(history, step)(name, *draw(steps.get(step, st.just(()))))
    return history


def settled_history() -> History:
    """Dead letters that a later pass, and a choice of keys, settle or open again."""
    history = History()
    history.start("2024-01")
    history.complete_chunk("2024-01", ["not a date"] * 4)
    history.end("2024-01", "completed")
    history.again("2024-01")
    history.complete_chunk("2024-01", [Posting.sample(), "not a date", "not a date", "again"])
    history.work_on_keys("2024-01", [Posting.sample(), "not yet"])
    history.end("2024-01", "completed")
    history.again("2024-01")
    history.complete_chunk("2024-01", [CONFLICT, CONFLICT, Posting.sample()])
    return history


def repaired_history() -> History:
    """Dead letters that are retried, mended, moved to another key and given up."""
    history = History()
    history.start("2024-01")
    history.complete_chunk("2024-01", ["not a date"] * 3 + ["no key", "hopeless", Posting.sample()])
    history.end("2024-01", "completed")
    history.retry("2024-01", [Posting.sample(), "not yet"])
    history.edit("2024-01", [Posting.sample(), "not even so", Posting.sample()])
    history.discard("2024-01", [1])
    history.close_period("2024-01")
    history.retry("2024-01", [Posting.sample()])
    return history


def taken_back_history(name: str = "2024-01") -> History:
    """A reversal with everything that may happen to one, another in red, and a pass after them."""
    history = History()
    history.start(name)
    history.complete_chunk(name, [Posting.sample()] * 5)
    history.end(name, "completed")
    history.request(name, 4, 2, False)
    history.approve(name)
    history.approve(name)
    history.execute(name)
    history.reverse_chunk(name, [True, False])
    history.execute(name)
    history.reverse_chunk(name, [False, True])
    history.end_reversal(name, "failed")
    history.resolve(name)
    history.execute(name)
    history.end_reversal(name, "stopped")
    history.execute(name)
    history.reverse_chunk(name, [False])
    history.end_reversal(name, "stopped")
    history.resolve(name)
    history.execute(name)
    history.end_reversal(name, "completed")
    history.close_period("2024-01")
    history.request(name, 9, 0, True)
    history.execute(name)
    history.reverse_chunk(name, [True] * 9)
    history.end_reversal(name, "completed")
    history.reopen_period("2024-01")
    history.again(name)
    history.complete_chunk(name, [Posting.sample()] * 5)
    history.end(name, "completed")
    return history

"""Keys that come twice: in a chunk, in a run, in two runs, in two runs at once (scenario 26)."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from storno import Entry, Incidental, Job, Parameters, iterable, job
from storno.domain.events import ChunkCompleted, Counts, RecordFailed, RecordSucceeded

from .lab import ACTOR, Calls, Lab, Payment, Rows, Watcher, entry_of, paying, payments


class Month(Parameters):
    month: str


class Delivered(Payment):
    """A payment with a field that says nothing about it."""

    file: Annotated[str, Incidental()] = ""


def monthly(rows: Rows, act: Any = lambda payment: None, **policies: Any) -> Job:
    return paying(rows, act, parameters=Month, **policies)


def changed(row: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return row | fields


@pytest.mark.parametrize(
    ("at", "chunk_size"),
    [
        pytest.param((1, 3), 10, id="scenario 26: twice in a chunk"),
        pytest.param((1, 8), 5, id="scenario 26: twice in a run"),
        pytest.param((4, 5), 5, id="scenario 26: on both sides of a chunk's end"),
    ],
)
@pytest.mark.parametrize("same", [True, False], ids=["same content", "other content"])
def test_a_key_twice_in_a_run(lab: Lab, at: tuple[int, int], chunk_size: int, same: bool) -> None:
    rows = payments(12)
    first, second = at
    rows[second] = changed(rows[first], amount=rows[first]["amount"] if same else "99.99")

    result = lab.run(paying(rows, chunk_size=chunk_size))

    expected = Counts(skipped=1) if same else Counts(failed=1)
    assert result.counts == Counts(read=12, succeeded=11) + expected
    assert second not in lab.posted()
    assert first in lab.posted()
    key = rows[first]["number"]
    assert [key for event in lab.events(ChunkCompleted) for key in event.skipped_keys] == (
        [key] if same else []
    )
    if not same:
        (letter,) = lab.view("dead_letters")
        assert (letter["error"], letter["ordinal"], letter["key"]) == ("key-conflict", second, key)
        assert letter["posted_version"] == 1
        told = f"posted with other content by run payments/once, record {first}"
        assert told in letter["message"]
        assert '"99.99"' in letter["payload"]


def test_a_key_three_times_keeps_file_order(lab: Lab) -> None:
    """details.md, Records: duplicates inside a chunk are folded in file order."""
    rows = payments(5)
    rows[1] = changed(rows[0], currency="no currency")
    rows[3] = rows[4] = rows[0]
    rows[0], rows[1] = rows[1], rows[0]

    result = lab.run(paying(rows))

    assert result.counts == Counts(read=5, succeeded=2, skipped=2, failed=1)
    stream = [each for each in lab.log() if each.stream == "record/payments/P-000"]
    assert [type(each.event) for each in stream] == [RecordFailed, RecordSucceeded]
    assert [each.version for each in stream] == [1, 2]


@pytest.mark.parametrize("chunk_size", [3, 10])
def test_a_key_in_two_runs(lab: Lab, chunk_size: int) -> None:
    """Scenario 26, with same and with other content; the second run looks keys up."""
    lab.run(monthly(payments(10)), {"month": "1"})
    rows = payments(15, first=5)
    rows[2] = changed(rows[2], amount="0.01")

    result = lab.run(monthly(rows, chunk_size=chunk_size), {"month": "2"})

    assert result.counts == Counts(read=15, succeeded=10, skipped=4, failed=1)
    assert [event.error for event in lab.events(RecordFailed)] == ["key-conflict"]
    assert "by run payments/1, record 7" in lab.events(RecordFailed)[0].message


@pytest.mark.parametrize("same", [True, False], ids=["same content", "other content"])
def test_a_key_in_two_runs_at_once(lab: Lab, same: bool) -> None:
    """Scenario 26: another run posts the keys after this one has prepared its chunk."""
    rows = payments(9)
    others = payments(9) if same else [changed(row, amount="0.01") for row in rows]
    inner: list[Counts] = []

    def meanwhile(counts: Counts) -> None:
        if not inner:
            inner.append(lab.run(monthly(others, chunk_size=20), {"month": "2"}).counts)

    outer = lab.run(
        monthly(rows, chunk_size=3), {"month": "1"}, watcher=Watcher(on_commit=meanwhile)
    )

    lost = Counts(skipped=3) if same else Counts(failed=3)
    assert inner == [Counts(read=9, succeeded=6) + lost]
    lost = Counts(skipped=6) if same else Counts(failed=6)
    assert outer.counts == Counts(read=9, succeeded=3) + lost
    assert len(lab.posted()) == 9


def test_content_is_its_values_not_its_spelling(lab: Lab) -> None:
    """details.md, Records: content is the validated fields."""
    lab.run(monthly(payments(3)), {"month": "1"})
    rows = [changed(row, amount=row["amount"] + "0") for row in payments(3)]

    assert lab.run(monthly(rows), {"month": "2"}).counts == Counts(read=3, skipped=3)


def test_incidental_fields_are_no_content(lab: Lab) -> None:
    """details.md, Records: fields can be left out of the content by the model."""

    def deliver(month: str, **fields: str) -> Counts:
        rows = [changed(row, file=f"{month}.csv", **fields) for row in payments(2)]
        return lab.run(delivering(rows), {"month": month}).counts

    assert deliver("1") == Counts(read=2, succeeded=2)
    assert deliver("2") == Counts(read=2, skipped=2)
    assert deliver("3", account="other") == Counts(read=2, failed=2)


def delivering(rows: Rows) -> Job:
    @job(key="number", source=iterable(rows), parameters=Month, name="payments")
    def deliver(payment: Delivered) -> Entry:
        return entry_of(payment)

    return deliver


def test_a_repeated_failure_is_one_dead_letter(lab: Lab) -> None:
    """details.md, Records: a failure may follow any number of times."""
    rows = payments(2)
    rows[1] = changed(rows[1], amount="nothing")
    lab.run(monthly(rows), {"month": "1"})
    lab.run(monthly(rows), {"month": "1"}, again=True, reason="look again")
    lab.run(monthly(rows), {"month": "2"})

    letters = {(row["run"], row["key"]): row["tries"] for row in lab.view("dead_letters")}
    assert letters == {("payments/1", "P-001"): 2, ("payments/2", "P-001"): 1}
    versions = [each.version for each in lab.log() if each.stream == "record/payments/P-001"]
    assert versions == [1, 2, 3]


def test_a_failed_key_is_posted_when_it_comes_right(lab: Lab) -> None:
    """design.md, Streams: the whole life of a key is one read."""
    rows = payments(2)
    lab.run(monthly([changed(rows[0], amount="nothing"), rows[1]]), {"month": "1"})

    result = lab.run(monthly(rows), {"month": "2"})

    assert result.counts == Counts(read=2, succeeded=1, skipped=1)
    stream = [each.event for each in lab.log() if each.stream == "record/payments/P-000"]
    assert [type(event) for event in stream] == [RecordFailed, RecordSucceeded]


def test_the_function_is_called_for_new_keys_only_where_it_acts(lab: Lab) -> None:
    """details.md, Records: jobs with effects or writes look the keys up before they call."""
    calls = Calls()
    lab.run(monthly(payments(4)), {"month": "1"})

    lab.run(monthly(payments(6), calls, writes=True), {"month": "2"})

    assert calls == [4, 5]


def test_who_ran_it_is_recorded(lab: Lab) -> None:
    """design.md, Clocks and names: every human act carries its actor."""
    lab.run(paying(payments(1)))

    (row,) = lab.view("runs")
    assert row["actor"] == ACTOR.name


# Scenario 39.

ODD_KEYS = {
    "plain": "INV-1",
    "in another case": "inv-1",
    "with a slash": "2026/INV-1",
    "that looks escaped": "2026%2FINV-1",
    "with a newline": "INV\n1",
    "with blanks around it": " INV-1 ",
    "one blank": " ",
    "composed": "Mu\u0308ller",
    "precomposed": "M\u00fcller",
    "with a leading tilde": "~run/0/1",
    "a separator of other things": "a:b,c",
    "right to left": "\u202eINV-1",
    "beyond the basic plane": "\U0001f4b6",
    "long": "x" * 10_240,
    "long, other": "x" * 10_239 + "y",
    "dots": "../..",
}


def test_keys_compare_byte_for_byte(lab: Lab) -> None:
    """Scenario 39: keys with slashes, newlines, 10 kB, differing in case or Unicode form."""
    rows = [{"number": key, "amount": f"{n}"} for n, key in enumerate(ODD_KEYS.values(), 1)]

    assert lab.run(monthly(rows), {"month": "1"}).counts == Counts(
        read=len(rows), succeeded=len(rows)
    )
    again = lab.run(monthly(rows), {"month": "2"})
    assert again.counts == Counts(read=len(rows), skipped=len(rows))
    conflicting = [changed(row, amount="99") for row in rows]
    lab.run(monthly(conflicting), {"month": "3"})

    letters = lab.view("dead_letters")
    assert [row["key"] for row in sorted(letters, key=lambda row: row["ordinal"])] == list(
        ODD_KEYS.values()
    )
    streams = {each.stream for each in lab.log() if each.stream.startswith("record/")}
    assert len(streams) == len(ODD_KEYS)
    assert max(len(stream.encode()) for stream in streams) < 1_100


@pytest.mark.parametrize(
    ("key", "message"),
    [
        pytest.param("", "the key is empty", id="scenario 39: empty"),
        pytest.param("INV\0", "holds a NUL character", id="scenario 39: NUL"),
    ],
)
def test_a_key_that_names_nothing_is_a_dead_letter(lab: Lab, key: str, message: str) -> None:
    rows = [payments(1)[0], {"number": key, "amount": "1"}]

    assert lab.run(paying(rows)).counts == Counts(read=2, succeeded=1, failed=1)

    (letter,) = lab.view("dead_letters")
    assert (letter["error"], letter["key"]) == ("invalid-key", None)
    assert message in letter["message"]
    assert letter["stream"] == "record/payments/~once/0/1"


def test_a_key_function_that_fails_or_returns_no_text(lab: Lab) -> None:
    """Scenario 39, where the key is computed."""
    rows = payments(3)

    def key(payment: Payment) -> Any:
        return {"P-000": "first", "P-001": 7}[payment.number]

    result = lab.run(paying(rows, key=key))

    assert result.counts == Counts(read=3, succeeded=1, failed=2)
    messages = {row["ordinal"]: row["message"] for row in lab.view("dead_letters")}
    assert messages[1] == "the key must be text, not int"
    assert "P-002" in messages[2]


def test_a_key_of_several_fields_cannot_be_forged(lab: Lab) -> None:
    """Scenario 39: a separator inside a part does not make two keys one."""
    rows = [
        {"number": "a:b", "account": "c", "amount": "1"},
        {"number": "a", "account": "b:c", "amount": "2"},
        {"number": "a%3Ab", "account": "c", "amount": "3"},
    ]

    result = lab.run(paying(rows, key=["number", "account"]))

    assert result.counts == Counts(read=3, succeeded=3)

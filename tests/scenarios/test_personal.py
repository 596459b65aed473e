"""Personal fields are nowhere in the store as they are, and everywhere where they are needed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest

from storno import Incidental, Personal, Retry, RunOptions, iterable, job, run_job
from storno.domain import personal as marks
from storno.domain.errors import NotFoundError, StoreError, UsageError
from storno.domain.events import (
    ChunkFailed,
    RecordAttempted,
    RecordCorrected,
    RecordFailed,
    RecordReversed,
    RecordSucceeded,
    RunFailed,
)
from storno.domain.subject import SubjectKey
from storno.execution import ciphers
from storno.execution import personal as sealing
from storno.execution.forgetting import find_subject
from storno.storage.keys import SqlKeys, new_key

from .lab import ACTOR, Lab, paying, payments
from .letters import outcomes
from .persons import BILLS, Bill, Month, billing, bills, entry_of, leaks, paying_out, read
from .taking import Taking, where

PERSONAL_CODE = (marks.__file__, sealing.__file__, ciphers.__file__)


def test_what_is_posted_gives_nobody_away(lab: Lab) -> None:
    result = lab.run(billing(bills(7)))

    assert result.counts.succeeded == 7
    assert leaks(lab) == []
    first, *_ = lab.events(RecordSucceeded)
    assert json.loads(bytes(first.record))["person"] == "0", "whom it is about stays readable"
    assert read(lab, first.record)["name"] == "Grace Hopper 0"
    assert first.digest is not None
    assert first.digest.startswith("2:")


def test_a_leak_would_be_found(lab: Lab) -> None:
    rows = [{**row, "person": row["name"]} for row in bills(1)]

    lab.run(billing(rows))

    assert leaks(lab)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"amount": "much"}, id="another field"),
        pytest.param({"name": ["Grace Hopper 0"]}, id="the personal field"),
        pytest.param({"name": {"x" * 70: "Grace Hopper 0"}}, id="a value that is cut in messages"),
        pytest.param({"person": None}, id="nobody is named"),
        pytest.param({"person": ["0"]}, id="somebody is named in a way that cannot be read"),
        pytest.param({"Hoppers": "Hopper", "amount": ""}, id="a column of no field"),
        pytest.param("Grace Hopper, DE89", id="no row at all"),
    ],
)
def test_what_is_not_valid_gives_nobody_away(lab: Lab, row: Any) -> None:
    bad = row if isinstance(row, str) else bills(1)[0] | row
    if isinstance(bad, dict) and "Hoppers" in bad:
        bad["phone"] = bad.pop("Hoppers")

    lab.run(billing([bad, *bills(3, first=1)]))

    (failed,) = lab.events(RecordFailed)
    assert leaks(lab) == []
    opened = read(lab, failed.payload)
    assert opened == (bad if isinstance(bad, dict) else {"text": repr(bad)})


def raising(error: type[Exception]) -> Any:
    def act(bill: Bill) -> None:
        if bill.number == "B-001":
            raise error(f"no {bill.name.upper()} with {bill.iban!r}")

    return act


def test_what_functions_raise_gives_nobody_away(lab: Lab) -> None:
    lab.run(billing(bills(3), raising(ValueError)))

    (failed,) = lab.events(RecordFailed)
    assert failed.message == "no [name] with '[iban]'"
    assert leaks(lab) == []


def test_failed_chunks_and_runs_give_nobody_away(lab: Lab) -> None:
    retry = Retry(on=(OSError,), retries=0)
    lab.run(billing(bills(4), raising(OSError), retry=retry, chunk_size=2))
    lab.run(billing(bills(4), raising(KeyError), fatal=(KeyError,), name="others"))

    (chunk,) = lab.events(ChunkFailed)
    assert chunk.message == "OSError: no [name] with '[iban]'"
    assert "[name]" in lab.events(RunFailed, "run/others")[0].message
    assert leaks(lab) == []


def test_the_same_content_is_known_though_it_is_sealed_anew(lab: Lab) -> None:
    lab.run(billing(bills(5)))
    rows = bills(5)
    rows[1]["name"] = "Grace Murray Hopper"
    rows[2]["amount"] = "3.250"

    result = lab.run(billing(rows, name="bills", parameters=Month), {"month": "2"})

    assert (result.counts.skipped, result.counts.failed) == (4, 1)
    (failed,) = lab.events(RecordFailed)
    assert (failed.error, failed.ordinal) == ("key-conflict", 1)
    assert leaks(lab) == []


class Noted(Bill):
    note: Annotated[str, Personal(subject="person"), Incidental()] = ""


def test_an_incidental_personal_field_is_sealed_and_no_content(lab: Lab) -> None:
    def run(note: str, month: str) -> Any:
        rows = [row | {"note": note} for row in bills(2)]

        @job(key="number", source=iterable(rows), name="bills", parameters=Month)
        def pay(bill: Noted) -> Any:
            return entry_of(bill)

        return lab.run(pay, {"month": month})

    run("Hopper called", "1")

    assert run("Hopper wrote", "2").counts.skipped == 2
    assert leaks(lab) == []


def test_a_key_made_of_a_personal_field_is_refused(lab: Lab) -> None:
    lab.run(billing(bills(3), key=lambda bill: f"{bill.number} {bill.name}"))

    assert set(lab.failures().values()) == {"personal-key"}
    assert leaks(lab) == []


def test_a_dead_letter_is_retried_with_its_fields(lab: Lab) -> None:
    seen: list[str] = []
    bad = {1}

    def act(bill: Bill) -> None:
        seen.append(bill.name)
        if bad:
            raise ValueError(f"no {bill.name}")

    definition = billing(bills(2), act)
    lab.run(definition)
    bad.clear()
    seen.clear()

    tried = lab.working(definition).retry(lab.letters())

    assert set(outcomes(tried).values()) == {"succeeded"}
    assert seen == ["Grace Hopper 0", "Grace Hopper 1"]
    assert leaks(lab) == []


def test_an_edit_is_sealed_and_one_that_changes_nothing_is_none(lab: Lab) -> None:
    lab.amount_of = None
    definition = billing([bills(1)[0] | {"amount": "much"}])
    lab.run(definition)
    working = lab.working(definition)
    (place,) = lab.letters()

    tried = working.edit(place, {"amount": "2.25", "name": "Admiral Hopper"}, "paper", dry_run=True)
    edit = working.edit(place, {"amount": "2.25", "name": "Admiral Hopper"}, "paper")
    working.edit(place, {"name": "Admiral Hopper"}, "again")

    assert tried.tried is not None
    assert tried.tried.outcome == "succeeded"
    assert edit.after["name"] == "Admiral Hopper"
    assert edit.changed == ("amount", "name")
    (corrected,) = lab.events(RecordCorrected)
    assert read(lab, corrected.payload)["name"] == "Admiral Hopper"
    assert outcomes(working.retry(lab.letters())) == {0: "succeeded"}
    assert read(lab, lab.events(RecordSucceeded)[0].record)["name"] == "Admiral Hopper"
    assert leaks(lab) == []


def test_a_row_that_named_nobody_is_about_somebody_once_it_is_corrected(lab: Lab) -> None:
    definition = billing([bills(1)[0] | {"person": None}])
    lab.run(definition)
    working = lab.working(definition)

    working.edit(lab.letters()[0], {"person": "7"}, "paper")
    working.retry(lab.letters())

    (failed,), (posted,) = lab.events(RecordFailed), lab.events(RecordSucceeded)
    assert read(lab, failed.payload)["name"] == "Grace Hopper 0"
    own = find_subject(lab.store, "record=bills/once/0/0")
    theirs = find_subject(lab.store, "person=7")
    assert own.handle in bytes(failed.payload).decode()
    assert theirs.handle in bytes(posted.record).decode()


def test_effects_are_announced_stored_and_undone_with_their_fields(lab: Lab) -> None:
    refunds: list[tuple[str, Any]] = []
    definition = paying_out(bills(4), refunds)
    lab.run(definition)

    assert len(lab.events(RecordAttempted)) == 4
    assert leaks(lab) == []
    result = Taking(lab, definition).take_back(run=BILLS)

    assert (result.reversed, result.failed) == (4, 0)
    assert refunds[0] == ("Grace Hopper 0", {"paid to": "Grace Hopper 0", "receipt": "B-000"})
    assert all(b"~sealed" in bytes(event.output) for event in lab.events(RecordReversed))
    assert leaks(lab) == []


def test_what_a_handler_raises_gives_nobody_away(lab: Lab) -> None:
    definition = paying_out(bills(1), [])
    definition._handlers.clear()

    @definition.compensate
    def refund(bill: Bill, output: Any) -> None:
        raise ValueError(f"{bill.name} is gone, {output['paid to']}")

    lab.run(definition)
    taking = Taking(lab, definition)
    name = taking.submit(run=BILLS)
    taking.execute(name)

    assert taking.letters(name) == {"B-000": ("ValueError", "open")}
    assert leaks(lab) == []


def test_a_personal_field_chooses_nothing_for_a_reversal(lab: Lab) -> None:
    """What it is compared with would stand in the request."""
    lab.run(billing(bills(3)))
    taking = Taking(lab, billing(bills(3)))

    with pytest.raises(UsageError, match="'name' is personal"):
        taking.plan(where("name=Grace Hopper 1"), run=BILLS)
    assert taking.plan(where("person=1"), run=BILLS).reversible == 1


def test_who_only_tries_out_makes_no_keys(lab: Lab) -> None:
    result = lab.run(billing(bills(3)), dry_run=True)

    assert result.counts.succeeded == 3
    with pytest.raises(NotFoundError):
        find_subject(lab.store, "person=0")


def test_a_run_that_stopped_goes_on_with_the_same_keys(lab: Lab) -> None:
    definition = billing(bills(9), chunk_size=2)
    lab.run(definition, limit=3)
    before = find_subject(lab.store, "person=0")
    lab.run(definition)

    assert find_subject(lab.store, "person=0") == before
    assert lab.posted() == list(range(9))
    assert leaks(lab) == []


class Vault:
    """A key store of somebody else's, as the page of docs shows one."""

    def __init__(self) -> None:
        self.keys: dict[str, SubjectKey] = {}
        self.made = 0
        self.broken = False

    def find(self, subjects: Any) -> dict[str, SubjectKey]:
        return {each: self.keys[each] for each in subjects if each in self.keys}

    def make(self, subjects: Any) -> dict[str, SubjectKey]:
        if self.broken:
            raise ConnectionError("no vault")
        self.made += 1
        for each in subjects:
            self.keys.setdefault(each, new_key())
        return self.find(subjects)

    def read(self, handles: Any) -> dict[str, bytes]:
        return {key.handle: key.secret for key in self.keys.values() if key.handle in handles}

    def destroy(self, handle: str) -> None:
        self.keys = {name: key for name, key in self.keys.items() if key.handle != handle}

    def close(self) -> None:
        pass


def test_a_vault_is_asked_once_for_each_chunk(lab: Lab) -> None:
    vault = Vault()
    lab.store.keys.close()
    lab.store.keys = vault

    lab.run(billing(bills(300), chunk_size=100))

    assert vault.made == 3
    assert set(vault.keys) == {"person=0", "person=1", "person=2"}


def test_a_vault_that_does_not_answer_ends_the_run_which_can_go_on(lab: Lab) -> None:
    vault = Vault()
    lab.store.keys = vault
    vault.broken = True
    with pytest.raises(StoreError, match="ConnectionError: no vault"):
        lab.run(billing(bills(3)))
    vault.broken = False

    assert run_job(lab.store, billing(bills(3)), {}, ACTOR, RunOptions()).counts.succeeded == 3


def test_the_keys_are_in_a_file_that_only_its_owner_reads(sqlite_lab: Lab) -> None:
    sqlite_lab.run(billing(bills(1)))
    path = Path(sqlite_lab.url.removeprefix("sqlite:///") + ".keys")
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)

    with pytest.raises(StoreError, match="chmod 600"):
        SqlKeys(f"sqlite:///{path}").find(["person=0"])
    path.chmod(0o600)


def test_a_destroyed_key_is_nowhere_in_the_file(sqlite_lab: Lab) -> None:
    lab = sqlite_lab
    lab.run(billing(bills(50, persons=50)))
    path = Path(lab.url.removeprefix("sqlite:///") + ".keys")
    key = lab.store.keys.find(["person=7"])["person=7"]
    assert key.secret in path.read_bytes()

    lab.store.keys.destroy(key.handle)

    assert key.secret not in path.read_bytes()
    assert key.handle.encode() not in path.read_bytes()
    assert [each.name for each in path.parent.iterdir() if each.name.startswith(path.name)] == [
        path.name
    ]


def test_a_job_that_marks_nothing_pays_nothing(sqlite_lab: Lab) -> None:
    """What there is to be asked about personal fields is asked once in a run."""

    def calls(count: int) -> int:
        made = 0

        def look(frame: Any, event: str, _arg: Any) -> None:
            nonlocal made
            made += event == "call" and frame.f_code.co_filename in PERSONAL_CODE

        definition = paying(payments(count), name=f"payments-{count}")
        sys.setprofile(look)
        try:
            sqlite_lab.run(definition)
        finally:
            sys.setprofile(None)
        return made

    assert calls(10) == calls(500) == 1
    assert list(Path(sqlite_lab.url.removeprefix("sqlite:///")).parent.glob("*.keys")) == []

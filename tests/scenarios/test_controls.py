"""Control totals: the input comes to what its sender says, or its last chunk is not committed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from storno import Controls, Parameters, Retry, csv_source
from storno.domain.events import Counts, RunCompleted

from .lab import Lab, Payment, ordinal_of, paying, payments

TOTAL = sum((Decimal(row["amount"]) for row in payments(12)), Decimal(0))


class Promised(Parameters):
    records: int
    total: Decimal


@pytest.mark.parametrize(
    ("controls", "told"),
    [
        pytest.param(Controls(records=12), None, id="the number of records"),
        pytest.param(Controls(records="12"), None, id="as text"),
        pytest.param(Controls(sums={"amount": TOTAL}), None, id="a sum"),
        pytest.param(Controls(sums={"amount": str(TOTAL) + "00"}), None, id="a sum with zeros"),
        pytest.param(
            Controls(records=lambda p: p.records, sums={"amount": lambda p: p.total}), None,
            id="functions of parameters",
        ),
        pytest.param(Controls(records=11), "records: promised 11, read 12", id="a record more"),
        pytest.param(Controls(records=13), "records: promised 13, read 12", id="a record less"),
        pytest.param(
            Controls(sums={"amount": TOTAL + Decimal("0.01")}),
            f"amount: promised {TOTAL + Decimal('0.01')}, read {TOTAL}", id="a cent off",
        ),
        pytest.param(
            Controls(records=lambda p: p.records + 1, sums={"amount": lambda p: -p.total}),
            f"(amount: promised -{TOTAL}, read {TOTAL}; records: promised 13, read 12)",
            id="both are off",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("chunk_size", [5, 6, 12])
def test_control_totals(lab: Lab, controls: Controls, told: str | None, chunk_size: int) -> None:
    """details.md, Money: a mismatch fails the run before its last commit with both figures."""
    definition = paying(payments(12), controls=controls, parameters=Promised, chunk_size=chunk_size)

    result = lab.run(definition, {"records": 12, "total": str(TOTAL)})

    if told is None:
        assert result.counts == Counts(read=12, succeeded=12)
        return
    assert (result.state, result.error) == ("failed", "control-mismatch")
    assert told in str(result.message)
    assert result.counts.read == 11 // chunk_size * chunk_size
    assert lab.posted() == list(range(result.counts.read))


def test_controls_that_are_wrong_are_mended_and_the_run_goes_on(lab: Lab) -> None:
    """Scenario 42: what was committed before stays, and counts in the totals of the resume."""
    sums: dict[str, Any] = {"amount": TOTAL}
    wrong = paying(payments(12), controls=Controls(records=11, sums=sums), chunk_size=5)
    assert lab.run(wrong).counts.read == 10

    right = paying(payments(12), controls=Controls(records=12, sums=sums))

    assert lab.run(right).state == "completed"


@pytest.mark.parametrize("amount", ["1e999999999", "-1e999999999"])
def test_an_amount_without_a_sum_is_named(lab: Lab, amount: str) -> None:
    """Scenario 37, where amounts are summed before they are posted."""
    rows = payments(3)
    rows[1] = rows[1] | {"amount": amount}

    result = lab.run(paying(rows, controls=Controls(sums={"amount": 1})))

    assert result.error == "control-mismatch"
    assert "record 2: amount is Decimal(" in str(result.message)


def test_records_that_fail_count_but_have_no_sum(lab: Lab) -> None:
    """policies.Controls: the sum is over all valid records."""
    rows = payments(4)
    rows[1] = rows[1] | {"amount": "nothing"}
    rows[2] = rows[2] | {"currency": "none"}
    total = Decimal(rows[0]["amount"]) + Decimal(rows[2]["amount"]) + Decimal(rows[3]["amount"])

    result = lab.run(paying(rows, controls=Controls(records=4, sums={"amount": total})))

    assert result.counts == Counts(read=4, succeeded=2, failed=2)


def test_an_empty_input_comes_to_nothing(lab: Lab) -> None:
    """details.md, Runs: an empty input is a completed run of 0 records."""
    assert lab.run(paying([], controls=Controls(records=0))).state == "completed"
    promised = lab.run(paying([], controls=Controls(records=1), name="promised"))
    assert promised.error == "control-mismatch"


def test_totals_are_looked_at_when_failed_chunks_are_done(lab: Lab) -> None:
    """design.md, a chunk's life, 4: a run with failed chunks cannot come to its totals yet."""
    errors: list[Exception] = [TimeoutError("late")] * 2

    def act(payment: Payment) -> None:
        if ordinal_of(payment) == 3 and errors:
            raise errors.pop()

    definition = paying(
        payments(12),
        act,
        chunk_size=5,
        controls=Controls(records=11),
        retry=Retry(retries=1, first_delay_seconds=0),
    )

    assert lab.run(definition).error == "chunks-failed"
    assert lab.run(definition).error == "control-mismatch"
    assert lab.posted() == list(range(5, 12))


# A row of the file that says what the others come to.


def total_row(row: Mapping[str, Any]) -> dict[str, str] | None:
    if row["number"] != "TOTAL":
        return None
    return {"amount": row["amount"], "records": row["account"]}


TRAILER = Controls(sums={"amount": None}, trailer=total_row)


def file_of(folder: Path, *lines: str) -> str:
    file = folder / "payments.csv"
    body = [f"{row['number']},{row['amount']},rent" for row in payments(12)]
    file.write_text("\n".join(["number,amount,account", *body, *lines, ""]))
    return str(file)


@pytest.mark.parametrize("chunk_size", [4, 5, 12, 13, 100])
@pytest.mark.parametrize(
    ("trailer", "told"),
    [
        pytest.param([f"TOTAL,{TOTAL},12"], None, id="it agrees"),
        pytest.param([f"TOTAL,{TOTAL},12", "", " "], None, id="blank lines follow it"),
        pytest.param(
            [f"TOTAL,{TOTAL},13"], "records: promised 13, read 12", id="a record is missing"
        ),
        pytest.param(["TOTAL,90.99,12"], f"amount: promised 90.99, read {TOTAL}", id="a cent off"),
        pytest.param([], "the input has no trailer", id="it was cut off"),
        pytest.param(
            [f"TOTAL,{TOTAL},12", "P-999,1,rent"], "line 14: the trailer stands before the end",
            id="something follows it",
        ),
    ],
)  # fmt: skip
def test_a_trailer(
    sqlite_lab: Lab, tmp_path: Path, trailer: list[str], told: str | None, chunk_size: int
) -> None:
    """Scenario 42: a total row at the end of the file is no record, and has to agree."""
    source = csv_source(file_of(tmp_path, *trailer))

    result = sqlite_lab.run(paying([], source=source, controls=TRAILER, chunk_size=chunk_size))

    if told is None:
        assert result.counts == Counts(read=12, succeeded=12)
        return
    assert (result.state, result.error) == ("failed", "control-mismatch")
    assert told in str(result.message)
    assert not sqlite_lab.events(RunCompleted)


def test_a_total_row_that_nobody_expects_is_found_by_its_effect(lab: Lab, tmp_path: Path) -> None:
    """Scenario 42: without a trailer function the row would double the batch; the sum finds it."""
    source = csv_source(file_of(tmp_path, f"TOTAL,{TOTAL},rent"))

    result = lab.run(paying([], source=source, controls=Controls(sums={"amount": TOTAL})))

    assert result.error == "control-mismatch"
    assert f"amount: promised {TOTAL}, read {2 * TOTAL}" in str(result.message)
    assert not lab.posted()


def test_a_trailer_that_was_read_by_an_earlier_attempt(lab: Lab, tmp_path: Path) -> None:
    """Scenario 42, over a restart: what the chunks came to is kept with their outcome."""
    definition = paying(
        [], source=csv_source(file_of(tmp_path, f"TOTAL,{TOTAL},12")), controls=TRAILER,
        chunk_size=4,
    )  # fmt: skip
    lab.run(definition, limit=8)

    assert lab.run(definition).counts == Counts(read=12, succeeded=12)


def test_a_trailer_function_that_fails_is_named(lab: Lab, tmp_path: Path) -> None:
    """Scenario 41, for what the controls call."""

    def broken(row: Mapping[str, Any]) -> None:
        raise KeyError("kind")

    source = csv_source(file_of(tmp_path))
    definition = paying([], source=source, controls=Controls(trailer=broken))

    result = lab.run(definition)

    assert (result.state, result.error) == ("failed", "invalid-definition")
    assert "trailer" in str(result.message)
    assert "KeyError" in str(result.message)


def test_a_promise_that_cannot_be_computed_is_named(lab: Lab) -> None:
    """Scenario 41, for what the controls call."""
    controls = Controls(records=lambda parameters: parameters.rows)

    result = lab.run(paying(payments(3), controls=controls))

    assert (result.state, result.error) == ("failed", "control-mismatch")
    assert "has no attribute 'rows'" in str(result.message)

"""What changes between a start and a resume: the input, the job, its code (scenarios 23 and 24)."""

from __future__ import annotations

import datetime as dt
import importlib.util
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from storno import Entry, Job, Parameters, Record, csv_source, iterable, job, run_job
from storno.domain.errors import ConflictError, InputChangedError, UsageError
from storno.domain.events import RunResumed, RunStarted

from .lab import ACTOR, DAY, Lab, Payment, entry_of, paying, payments

HEADER = "number,amount\n"


def write(folder: Path, lines: list[str], name: str = "payments.csv") -> Path:
    file = folder / name
    file.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return file


LINES = [f"P-{number:03},{number}.00" for number in range(30)]


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        pytest.param(
            lambda lines: [*lines[:3], "P-003,99.00", *lines[4:]],
            "payments.csv, bytes 0 to",
            id="scenario 23: a record that was read",
        ),
        pytest.param(lambda lines: lines[1:], "payments.csv, bytes 0 to", id="a line less"),
        pytest.param(lambda lines: lines[:7], "payments.csv", id="it ends before"),
        pytest.param(
            lambda lines: [*lines[:12], "P-012,1", *lines[13:]],
            "payments.csv, bytes",
            id="scenario 23: in a later chunk",
        ),
    ],
)
def test_a_changed_input_is_refused(lab: Lab, tmp_path: Path, changed: Any, where: str) -> None:
    definition = paying([], source=csv_source(str(write(tmp_path, LINES))), chunk_size=5)
    lab.run(definition, limit=15)
    write(tmp_path, changed(LINES))

    with pytest.raises(InputChangedError, match="input changed") as error:
        lab.run(definition)

    assert where in str(error.value)
    assert not lab.events(RunResumed), "a refused start writes nothing"
    write(tmp_path, LINES)
    assert lab.run(definition).counts.succeeded == 30


def test_an_input_that_grew_is_read_to_its_new_end(lab: Lab, tmp_path: Path) -> None:
    """Scenario 23: what was not read yet is the run's to read."""
    definition = paying([], source=csv_source(str(write(tmp_path, LINES[:20]))), chunk_size=5)
    lab.run(definition, limit=10)
    write(tmp_path, LINES)

    assert lab.run(definition).counts.succeeded == 30


def test_an_input_that_is_gone_fails_the_run(lab: Lab, tmp_path: Path) -> None:
    """Scenario 23; details.md, Runs: a source that cannot be read fails the run."""
    definition = paying([], source=csv_source(str(tmp_path / "payments.csv")), chunk_size=5)

    missing = lab.run(definition)
    assert (missing.state, missing.error) == ("failed", "source-unreadable")
    assert "does not exist" in str(missing.message)
    write(tmp_path, LINES)
    lab.run(definition, limit=10)
    (tmp_path / "payments.csv").unlink()
    assert lab.run(definition).error == "source-unreadable"
    write(tmp_path, LINES)

    assert lab.run(definition).counts.succeeded == 30


def test_the_run_says_how_sure_it_is_of_its_input(lab: Lab, tmp_path: Path) -> None:
    """details.md, Runs: sources are strong, weak or none, and the run says which it had."""
    lab.run(paying([], source=csv_source(str(write(tmp_path, LINES))), name="from-file"))
    lab.run(paying(payments(3), name="from-list"))

    strengths = [event.source["strength"] for event in lab.events(RunStarted)]
    assert strengths == ["strong", "none"]
    assert lab.events(RunStarted)[0].source["size"] == len(HEADER) + sum(map(len, LINES)) + 30


# Scenario 24: the job.


class PaymentWithText(Payment):
    """Another model of the same job."""

    text: str = ""


class SamePayment(Record):
    """Payment's fields, described in other words: that changes nothing."""

    number: str
    amount: Decimal
    account: str = "expense:rent"
    currency: str = "EUR"
    date: dt.date = DAY


def of_model(model: type[Record], **policies: Any) -> Job:
    """The job ``payments`` over another record model."""

    def pay(payment: Any) -> Entry:
        return entry_of(payment)

    pay.__annotations__ = {"payment": model, "return": Entry}
    settings = {"key": "number", "source": iterable(payments(9)), "name": "payments"}
    return job(**(settings | policies))(pay)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda: of_model(PaymentWithText), id="scenario 24: the record model"),
        pytest.param(lambda: of_model(Payment, key="account"), id="scenario 24: the key"),
        pytest.param(
            lambda: of_model(Payment, key=lambda payment: payment.number), id="a key function"
        ),
        pytest.param(lambda: of_model(Payment, key=["number", "account"]), id="a longer key"),
    ],
)
def test_another_identity_is_refused(lab: Lab, changed: Any) -> None:
    lab.run(of_model(Payment, chunk_size=3), limit=3)

    with pytest.raises(ConflictError, match="key definition or record model changed"):
        lab.run(changed())

    assert not lab.events(RunResumed)
    assert lab.run(of_model(Payment)).counts.succeeded == 9


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda: of_model(Payment, chunk_size=2), id="its chunks are smaller"),
        pytest.param(lambda: of_model(Payment, tolerance=0), id="another tolerance"),
        pytest.param(lambda: of_model(SamePayment), id="its model is described in other words"),
    ],
)
def test_other_policies_are_the_same_job(lab: Lab, changed: Any) -> None:
    """Scenario 24: identity is name, key definition and the record model's fields."""
    lab.run(of_model(Payment, chunk_size=4), limit=4)

    assert lab.run(changed()).counts.succeeded == 9
    assert lab.posted() == list(range(9))


class Month(Parameters):
    month: str
    workers: int = 1
    identifying = ("month",)


def test_parameters_that_do_not_identify_may_change(lab: Lab) -> None:
    """Scenario 24; Spring Batch: non-identifying job parameters."""
    definition = paying(payments(9), parameters=Month, chunk_size=3)
    lab.run(definition, {"month": "1"}, limit=3)

    resumed = lab.run(definition, {"month": "1", "workers": "8"})

    assert (resumed.attempt, resumed.state) == (2, "completed")
    assert lab.events(RunStarted)[0].parameters == {"month": "1", "workers": 1}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        pytest.param({}, "month: Field required", id="missing"),
        pytest.param({"month": "1", "year": "2"}, "year: Extra inputs", id="unknown"),
        pytest.param({"month": "1", "workers": "many"}, "workers: Input should be", id="no number"),
    ],
)
def test_wrong_parameters_are_named(lab: Lab, values: dict[str, str], told: str) -> None:
    """Scenario 24: typed, validated parameters; nothing is started."""
    definition = paying(payments(1), parameters=Month)

    with pytest.raises(UsageError, match=told):
        run_job(lab.store, definition, values, ACTOR)

    assert not lab.log()


CODE = """
import datetime as dt
from decimal import Decimal
from storno import Entry, Record, credit, debit, iterable, job

class Bill(Record):
    number: str
    amount: Decimal

@job(key="number", source=iterable([{{"number": f"B-{{n}}", "amount": "1"}} for n in range(6)]),
     chunk_size=2)
def bills(bill: Bill) -> Entry:
    lines = [debit("{account}", bill.amount, "EUR"), credit("bank", bill.amount, "EUR")]
    return Entry(lines, effective=dt.date(2026, 1, 1))
"""


@pytest.fixture
def module_file(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "bills.py"
    sys.modules.pop("storno_test_bills", None)


def load(file: Path, account: str) -> ModuleType:
    file.write_text(CODE.format(account=account))
    spec = importlib.util.spec_from_file_location("storno_test_bills", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_changed_code_is_recorded_with_the_attempt(lab: Lab, module_file: Path) -> None:
    """Scenario 24; details.md, Runs: with other code it is recorded."""
    lab.run(load(module_file, "rent").bills, limit=2)
    lab.run(load(module_file, "rent").bills, limit=2)

    result = lab.run(load(module_file, "rent:office").bills)

    assert result.state == "completed"
    first, second, third = [row["code"] for row in lab.view("attempts")]
    assert first == second != third
    assert lab.balances() == {
        ("rent", "EUR"): 400, ("rent:office", "EUR"): 200, ("bank", "EUR"): -600
    }  # fmt: skip

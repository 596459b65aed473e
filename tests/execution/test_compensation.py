"""What a job says of taking back what it did, and what is refused when it is defined or run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storno import (
    Context,
    Effect,
    Entry,
    Job,
    Record,
    ReversalPolicy,
    Store,
    init_store,
    iterable,
    job,
    run_job,
)
from storno.domain.errors import DefinitionError
from storno.execution.catalog import find_job, load_catalog
from storno.execution.project import Project


class Payment(Record):
    number: str


class Other(Record):
    number: str


def call_out(payment: Payment) -> Effect:
    return Effect(output={"receipt": payment.number})


def paying(**options: Any) -> Job:
    settings: dict[str, Any] = {
        "key": "number",
        "source": iterable([]),
        "name": "payments",
        "effect": True,
    }
    return job(**(settings | options))(call_out)


def take_back(payment: Payment, output: dict[str, str]) -> str:
    return f"{payment.number}: {output['receipt']}"


def take_back_knowing(payment: Payment, output: dict[str, str], context: Context) -> str:
    return f"{take_back(payment, output)}: {context}"


def test_a_handler_is_called_with_what_it_takes() -> None:
    plain, knowing = paying(), paying()
    context: Any = "the context"

    assert plain.compensate(take_back) is take_back
    knowing.compensate(take_back_knowing)

    call = (Payment(number="P1"), {"receipt": "R1"}, context)
    assert plain.compensation is not None
    assert plain.compensation(*call) == "P1: R1"
    assert plain.compensation.name == "take_back"
    assert knowing.compensation is not None
    assert knowing.compensation(*call) == "P1: R1: the context"


def test_a_handler_is_of_its_job_alone_and_does_not_change_what_it_equals() -> None:
    first, second = paying(), paying()
    same = Job(**{name: getattr(first, name) for name in first.__dataclass_fields__
                  if name != "_handlers"})  # fmt: skip

    first.compensate(take_back)

    assert second.compensation is None
    assert first == same
    assert first.identity == same.identity


@pytest.mark.parametrize(
    "handler",
    [
        lambda record, output: None,
        lambda record, output, context: None,
    ],
)
def test_hints_may_be_left_out(handler: Callable[..., None]) -> None:
    paying().compensate(handler)


def test_a_handler_may_take_any_base_of_the_record() -> None:
    def any_record(record: Record, output: object) -> None: ...
    def anything(record: Any, output: Any) -> None: ...

    paying().compensate(any_record)
    paying().compensate(anything)


def of_another_record(record: Other, output: object) -> None: ...
def of_a_number(record: int, output: object) -> None: ...
def of_a_record_alone(record: Payment) -> None: ...
def of_four(record: Payment, output: object, context: Context, more: object) -> None: ...
def of_any_number(*words: object) -> None: ...
def of_words_only(record: Payment, *, output: object) -> None: ...
async def of_another_time(record: Payment, output: object) -> None: ...
def of_nobody(record: Nobody, output: object) -> None: ...  # type: ignore[name-defined] # noqa: F821


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (of_another_record, "takes a Other, and the job's records are Payment"),
        (of_a_number, "takes a int"),
        (of_a_record_alone, "must take a record and the output of its effect"),
        (of_four, "must take a record and the output of its effect"),
        (of_any_number, "must take a record and the output of its effect"),
        (of_words_only, "must take a record and the output of its effect"),
        (of_another_time, "must take a record and the output of its effect"),
        (of_nobody, "name 'Nobody' is not defined"),
    ],
)
def test_a_handler_that_cannot_be_called_is_refused(handler: Callable[..., Any], told: str) -> None:
    definition = paying()

    with pytest.raises(DefinitionError, match=re.escape(told)) as raised:
        definition.compensate(handler)

    assert f"job payments: {handler.__name__}" in str(raised.value)
    assert definition.compensation is None


def test_a_job_has_one_handler() -> None:
    definition = paying()
    definition.compensate(take_back)

    with pytest.raises(DefinitionError, match="second handler, beside take_back"):
        definition.compensate(take_back_knowing)


def test_a_handler_needs_an_effect_that_can_be_taken_back() -> None:
    def post(payment: Payment) -> Entry: ...

    posting = job(key="number", source=iterable([]))(post)

    with pytest.raises(DefinitionError, match="entries are reversed without a handler"):
        posting.compensate(take_back)
    with pytest.raises(DefinitionError, match="keep one of them"):
        paying(irreversible="the letter is posted").compensate(take_back)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"irreversible": ""}, "says why in words"),
        ({"irreversible": " \n"}, "says why in words"),
        ({"irreversible": True}, "says why in words"),
        ({"irreversible": "why", "effect": False}, "entries can always be reversed"),
        ({"on_failure": "revers"}, "is none of leave, reverse. Did you mean 'reverse'?"),
        ({"on_failure": "reverse", "irreversible": "why"}, "cannot be taken back"),
        ({"on_failure_approved": True}, "goes with on_failure='reverse'"),
        ({"reversals": {"approvals": 1}}, "must be a ReversalPolicy(...)"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(told)):
        paying(**options)


def test_a_standing_rule_may_need_approval_or_none() -> None:
    """details.md: where the job needs approvals and does not say otherwise, the reversal waits."""
    needs = ReversalPolicy(approvals=1)

    waits = paying(on_failure="reverse", reversals=needs)
    goes = paying(on_failure="reverse", on_failure_approved=True, reversals=needs)

    assert (waits.on_failure, waits.on_failure_approved) == ("reverse", False)
    assert goes.on_failure_approved


def test_a_job_whose_effect_nothing_takes_back_is_not_run(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/storno.db"
    init_store(url)
    store = Store.open(url)
    try:
        with pytest.raises(DefinitionError) as raised:
            run_job(store, paying(), {})
        assert store.log.head() is None
        assert run_job(store, paying(irreversible="a letter"), {}).state == "completed"
    finally:
        store.close()
    assert "@call_out.compensate" in str(raised.value)
    assert 'irreversible="why"' in str(raised.value)


MODULE = """
from storno import Effect, Record, iterable, job

class Payment(Record):
    number: str

@job(key="number", source=iterable([]), effect=True, name="payments")
def pay(payment: Payment) -> Effect: ...

@job(key="number", source=iterable([]), effect=True, irreversible="a letter")
def letters(payment: Payment) -> Effect: ...
"""
HANDLER = """
@pay.compensate
def take_back(payment: Payment, output: object) -> None: ...
"""


def project_with(folder: Path, **modules: str) -> Project:
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "storno.toml").write_text(f"jobs = {[f'{name}.py' for name in modules]}")
    return Project.find(folder, environment={})


def test_a_catalog_lists_a_job_without_its_handler_as_broken(tmp_path: Path) -> None:
    project = project_with(tmp_path, night=MODULE)

    catalog = load_catalog(project)

    assert list(catalog.jobs) == ["payments", "letters"]
    (broken,) = catalog.broken
    assert str(broken).startswith("night.py: job payments has an effect, and nothing says how")
    assert find_job(project, "letters", current=tmp_path).irreversible == "a letter"
    for spec in ("payments", "night.py:payments", "night.py:pay"):
        with pytest.raises(DefinitionError, match=re.escape("@pay.compensate")):
            find_job(project, spec, current=tmp_path)


def test_a_handler_below_its_job_makes_it_whole(tmp_path: Path) -> None:
    project = project_with(tmp_path, night=MODULE + HANDLER)

    assert not load_catalog(project).broken
    compensation = find_job(project, "payments", current=tmp_path).compensation
    assert compensation is not None
    assert compensation.name == "take_back"


def test_a_handler_may_stand_in_another_module_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "apart_jobs.py").write_text(MODULE)
    (tmp_path / "apart_handlers.py").write_text(f"from apart_jobs import Payment, pay\n{HANDLER}")
    (tmp_path / "storno.toml").write_text('jobs = ["apart_jobs", "apart_handlers"]')
    project = Project.find(tmp_path, environment={})

    assert not load_catalog(project).broken
    assert find_job(project, "payments", current=tmp_path).compensation is not None


def test_no_job_goes_by_the_name_of_reversals_dead_letters() -> None:
    """Those of its runs would be shown, counted and executed again as a reversal's."""
    with pytest.raises(DefinitionError, match="job name 'reversal': the dead letters of reversals"):
        paying(name="reversal", irreversible="cash")

    assert paying(name="reversals", irreversible="cash").name == "reversals"

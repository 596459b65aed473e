"""Finding jobs by what somebody types, and saying what is wrong where one cannot be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from storno.domain.errors import DefinitionError, NotFoundError
from storno.execution.catalog import find_job, load_catalog
from storno.execution.project import Project

JOB = """
from decimal import Decimal
from storno.domain.entry import Entry
from storno.domain.record import Record
from storno.execution.job import job
from storno.execution.sources.csv_files import csv_source

class Payment(Record):
    number: str

@job(key="number", source=csv_source("payments.csv"), name={name!r})
def {function}(payment: Payment) -> Entry:
    return Entry([])
"""


def write_job(file: Path, name: str = "payments", function: str = "pay") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(JOB.format(name=name, function=function))


def project_with(folder: Path, *places: str) -> Project:
    listed = ", ".join(f'"{place}"' for place in places)
    (folder / "storno.toml").write_text(f"jobs = [{listed}]")
    return Project.find(folder, environment={})


def test_a_job_is_found_by_its_name(tmp_path: Path) -> None:
    write_job(tmp_path / "jobs.py")
    project = project_with(tmp_path, "jobs.py")

    assert find_job(project, "payments", current=tmp_path).name == "payments"
    assert load_catalog(project).places == {"payments": "jobs.py"}


@pytest.mark.parametrize("name", ["payments", "pay"])
def test_a_job_is_found_by_file_and_name_or_variable(tmp_path: Path, name: str) -> None:
    write_job(tmp_path / "night" / "jobs.py")
    project = Project.find(tmp_path, environment={})

    assert find_job(project, f"night/jobs.py:{name}", current=tmp_path).name == "payments"


def test_a_job_is_found_by_module_and_name(tmp_path: Path) -> None:
    write_job(tmp_path / "night_jobs" / "monthly.py")
    project = Project.find(tmp_path, environment={})

    assert find_job(project, "night_jobs.monthly:payments", current=tmp_path).name == "payments"


@pytest.mark.parametrize("spec", ["paymets", "jobs.py:paymets"])
def test_an_unknown_job_gets_did_you_mean(tmp_path: Path, spec: str) -> None:
    write_job(tmp_path / "jobs.py")
    project = project_with(tmp_path, "jobs.py")

    with pytest.raises(NotFoundError, match="Did you mean 'payments'"):
        find_job(project, spec, current=tmp_path)


def test_without_a_project_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="storno init"):
        find_job(Project.find(tmp_path, environment={}), "payments", current=tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import os\nraise KeyError('month')", "broken.py line 2: KeyError: 'month'"),
        ("def payments(:\n", "broken.py line 1: SyntaxError"),
        ("raise SystemExit(3)", "broken.py line 1: SystemExit: 3"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_named_with_its_line(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "broken.py").write_text(text)

    with pytest.raises(DefinitionError) as raised:
        find_job(project_with(tmp_path, "broken.py"), "payments", current=tmp_path)

    assert told in str(raised.value)


def test_a_broken_file_does_not_hide_the_jobs_of_the_others(tmp_path: Path) -> None:
    write_job(tmp_path / "jobs.py")
    project = project_with(tmp_path, "missing.py", "jobs.py", "no.such.module")

    catalog = load_catalog(project)

    assert list(catalog.jobs) == ["payments"]
    assert len(catalog.broken) == 2
    assert find_job(project, "payments", current=tmp_path).name == "payments"


def test_two_jobs_of_one_name_are_refused(tmp_path: Path) -> None:
    write_job(tmp_path / "january.py")
    write_job(tmp_path / "february.py")

    with pytest.raises(DefinitionError, match=r"in january\.py and in february\.py"):
        load_catalog(project_with(tmp_path, "january.py", "february.py"))


def test_one_job_imported_twice_is_one_job(tmp_path: Path) -> None:
    write_job(tmp_path / "shared_once.py")
    (tmp_path / "again.py").write_text("from shared_once import pay\n")

    assert list(load_catalog(project_with(tmp_path, "shared_once", "again.py")).jobs) == [
        "payments"
    ]

"""Settings: which hold, where each comes from, and what is said when one is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from storno.domain.access import Role
from storno.domain.errors import DefinitionError, UsageError
from storno.domain.policy import REASONS, ReversalPolicy
from storno.execution.checkpoints import Checkpoints
from storno.execution.project import Project, without_password

FROM_FLAG = "sqlite:////books/flag.db"
FROM_ENVIRONMENT = "sqlite:////books/environment.db"
FROM_FILE = "sqlite:////books/file.db"


def write_settings(folder: Path, text: str) -> None:
    (folder / "storno.toml").write_text(text)


@pytest.mark.parametrize(
    ("flag", "environment", "file", "store", "origin"),
    [
        (FROM_FLAG, FROM_ENVIRONMENT, FROM_FILE, FROM_FLAG, "--store"),
        (None, FROM_ENVIRONMENT, FROM_FILE, FROM_ENVIRONMENT, "STORNO_STORE"),
        (None, None, FROM_FILE, FROM_FILE, "storno.toml"),
    ],
)
def test_flag_beats_environment_beats_file(
    tmp_path: Path,
    flag: str | None,
    environment: str | None,
    file: str,
    store: str,
    origin: str,
) -> None:
    write_settings(tmp_path, f'store = "{file}"')
    variables = {"STORNO_STORE": environment} if environment else {}

    project = Project.find(tmp_path, store=flag, environment=variables)

    assert (project.store.value, project.store.origin) == (store, origin)


def test_the_default_store_stands_beside_the_project(tmp_path: Path) -> None:
    write_settings(tmp_path, "")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    project = Project.find(below, environment={})

    assert project.root == tmp_path.resolve()
    assert project.store.value == f"sqlite:///{tmp_path.resolve()}/storno.db"
    assert project.store.origin == "default"


def test_a_relative_store_starts_where_it_was_written(tmp_path: Path) -> None:
    write_settings(tmp_path, 'store = "sqlite:///books/storno.db"')
    below = tmp_path / "below"
    below.mkdir()

    from_file = Project.find(below, environment={})
    from_flag = Project.find(below, store="sqlite:///other.db", environment={})

    assert from_file.store.value == f"sqlite:///{tmp_path.resolve()}/books/storno.db"
    assert from_flag.store.value == f"sqlite:///{below.resolve()}/other.db"


def test_without_a_file_the_current_folder_is_the_project(tmp_path: Path) -> None:
    project = Project.find(tmp_path, environment={})

    assert (project.root, project.file) == (tmp_path.resolve(), None)
    assert project.settings.jobs == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('stor = "sqlite:///x.db"', "unknown key 'stor'. Did you mean 'store'?"),
        ('[chart]\nacounts = ["bank"]', "unknown key 'chart.acounts'. Did you mean 'accounts'?"),
        ('jobs = "jobs.py"', "jobs: input should be a list, not 'jobs.py'"),
        ("store = 3", "store: input should be a valid string, not 3"),
        ("[roles]\naprover = []", "unknown key 'roles.aprover'. Did you mean 'approver'?"),
        ("[roles]\nclerk = []", "Known: operator, approver, auditor."),
        ('[roles]\noperator = "ann"', "roles.operator: input should be a list, not 'ann'"),
        ("[roles]\noperator = [1]", "roles.operator.0: input should be a valid string, not 1"),
        ('[roles]\noperator = [" "]', "roles.operator: ' ' is no name of an actor"),
        ('[roles]\nauditor = ["a\\u0000"]', "roles.auditor: 'a\\x00' is no name of an actor"),
        ("[reversal]\napprovals = 1", "unknown key 'reversal'. Did you mean 'reversals'?"),
        ("[reversals]\naprovals = 1", "'reversals.aprovals'. Did you mean 'approvals'?"),
        ("[reversals]\napprovals = -1", "reversals: approvals is a whole number"),
        ('[reversals]\napprovals = "1"', "reversals.approvals: input should be a valid integer"),
        ("[reversals]\napprovals = true", "reversals.approvals: input should be a valid integer"),
        ('[reversals]\nabove = {EUR = "1"}', "reversals: above says from which amount"),
        ("[reversals]\napprovals = 1\nabove = {EUR = 0.5}", "EUR = 0.5: write the amount as text"),
        ('[reversals]\napprovals = 1\nabove = {ERU = "1"}', "'ERU' is no ISO 4217 currency"),
        ("[reversals]\nreasons = []", "reversals: reasons is a list of at least one"),
        ('[reversals]\nreasons = "01"', "reversals.reasons: input should be a list, not '01'"),
        ('[reversals]\nform = "rad"', "'rad' is none of black, red. Did you mean 'red'?"),
        ("store = = 1", "is not valid TOML: Invalid value (at line 1, column 9)"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file_and_key(
    tmp_path: Path, text: str, told: str
) -> None:
    write_settings(tmp_path, text)

    with pytest.raises(DefinitionError) as raised:
        Project.find(tmp_path, environment={})

    assert str(tmp_path / "storno.toml") in str(raised.value)
    assert told in str(raised.value)


def test_what_is_no_url_is_refused_with_the_url_it_may_have_meant(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"sqlite:///books\.db"):
        Project.find(tmp_path, store="books.db", environment={})


def test_every_setting_says_where_it_comes_from(tmp_path: Path) -> None:
    write_settings(tmp_path, 'jobs = ["jobs.py"]\n[chart]\naccounts = ["bank", "expense:*"]')

    found = {each.name: (each.value, each.origin) for each in Project.find(
        tmp_path, store="postgresql://clerk:secret@host/books", environment={}
    ).values}  # fmt: skip

    assert found == {
        "project": (str(tmp_path.resolve()), "storno.toml"),
        "store": ("postgresql://clerk:***@host/books", "--store"),
        "jobs": ("jobs.py", "storno.toml"),
        "chart.accounts": ("bank, expense:*", "storno.toml"),
        "chart.books": ("any", "default"),
        "roles": ("none: everybody may do everything", "default"),
        "reversals.approvals": ("0", "default"),
        "reversals.reasons": (", ".join(REASONS), "default"),
        "reversals.form": ("black", "default"),
        "reversals.year_begins": ("1", "default"),
        "checkpoints": ("none are taken", "default"),
    }


def test_the_chart_comes_from_the_file(tmp_path: Path) -> None:
    write_settings(tmp_path, '[chart]\naccounts = ["bank"]\nbooks = ["main", "tax"]')

    chart = Project.find(tmp_path, environment={}).chart

    assert (chart.accounts, chart.books) == (("bank",), ("main", "tax"))


ROLES = """
[roles]
operator = ["ann", " bob "]
approver = []
"""
REVERSALS = """
[reversals]
approvals = 1
above = { EUR = "10000.00", JPY = 1500000 }
reasons = ["01", "Fehlbuchung"]
form = "red"
year_begins = 4
"""


def test_roles_come_from_the_file(tmp_path: Path) -> None:
    write_settings(tmp_path, ROLES)

    project = Project.find(tmp_path, environment={})

    assert project.roles.members == {
        Role.OPERATOR: frozenset({"ann", "bob"}),
        Role.APPROVER: frozenset(),
    }
    listed = {each.name: (each.value, each.origin) for each in project.values}
    assert listed["roles.operator"] == ("ann, bob", "storno.toml")
    assert listed["roles.approver"] == ("nobody", "storno.toml")
    assert listed["roles.auditor"] == ("nobody", "default")


@pytest.mark.parametrize("text", ["", "[roles]"])
def test_without_a_role_nobody_is_kept_out(tmp_path: Path, text: str) -> None:
    write_settings(tmp_path, text)

    assert Project.find(tmp_path, environment={}).roles.members == {}


def test_what_reversals_ask_for_comes_from_the_file(tmp_path: Path) -> None:
    write_settings(tmp_path, REVERSALS)

    project = Project.find(tmp_path, environment={})

    assert project.reversals == ReversalPolicy(
        approvals=1,
        above={"EUR": "10000.00", "JPY": 1_500_000},
        reasons=("01", "Fehlbuchung"),
        form="red",
        year_begins=4,
    )
    listed = {each.name: (each.value, each.origin) for each in project.values}
    assert listed["reversals.approvals"] == ("1", "storno.toml")
    assert listed["reversals.above"] == ("EUR 10000.00, JPY 1500000", "storno.toml")
    assert listed["reversals.reasons"] == ("01, Fehlbuchung", "storno.toml")
    assert listed["reversals.form"] == ("red", "storno.toml")
    assert listed["reversals.year_begins"] == ("4", "storno.toml")


def test_a_password_is_never_shown() -> None:
    assert without_password("postgresql://a:b@c/d") == "postgresql://a:***@c/d"
    assert without_password("postgresql://c/d") == "postgresql://c/d"


def test_checkpoints_are_kept_where_the_file_says(tmp_path: Path) -> None:
    write_settings(
        tmp_path,
        """
        [checkpoints]
        folder = "kept"
        git = "/srv/audit"
        url = "s3://audit:secret@bucket/kept"
        sign = "storno.key"
        timestamp = "https://tsa.example.org"
        """,
    )
    project = Project.find(tmp_path, environment={})

    assert project.checkpoints == Checkpoints(
        folder=tmp_path.resolve() / "kept",
        git=Path("/srv/audit"),
        url="s3://audit:secret@bucket/kept",
        sign=tmp_path.resolve() / "storno.key",
        timestamp="https://tsa.example.org",
    )
    assert {each.name: each.value for each in project.values if "checkpoints" in each.name} == {
        "checkpoints.folder": "kept",
        "checkpoints.git": "/srv/audit",
        "checkpoints.sign": "storno.key",
        "checkpoints.timestamp": "https://tsa.example.org",
        "checkpoints.url": "s3://audit:***@bucket/kept",
    }


def test_without_a_table_no_checkpoints_are_taken(tmp_path: Path) -> None:
    write_settings(tmp_path, "")
    assert Project.find(tmp_path, environment={}).checkpoints is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "checkpoints: name a folder, a git repository or a url"),
        ('folder = ""', "checkpoints.folder: string should have at least 1 character, not ''"),
        ("folder = 3", "checkpoints.folder: input should be a valid string, not 3"),
        ('url = "kept"', "checkpoints.url: 'kept' is no URL"),
        ('folder = "kept"\ntimestamp = "tsa"', "checkpoints.timestamp: 'tsa' is no address"),
        ('to = "kept"', r"unknown key 'checkpoints.to'\. .*Known: folder, git, url"),
    ],
)
def test_a_table_of_checkpoints_that_cannot_be_meant_is_refused(
    tmp_path: Path, table: str, message: str
) -> None:
    write_settings(tmp_path, f"[checkpoints]\n{table}")
    with pytest.raises(DefinitionError, match=message):
        Project.find(tmp_path, environment={})

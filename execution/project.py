"""The project: storno.toml, the settings that hold, and where each of them comes from.

A flag beats the environment, the environment beats storno.toml, storno.toml beats the default.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError
from pydantic_core import ErrorDetails

from ..domain.access import Role, Roles, actor_name
from ..domain.account_names import ROOTS, AccountNames
from ..domain.entry import Chart
from ..domain.errors import DefinitionError, UsageError
from ..domain.policy import ReversalPolicy
from ..domain.reversal import Form
from ..domain.suggest import did_you_mean

if TYPE_CHECKING:
    from .checkpoints import Checkpoints

SETTINGS_FILE = "storno.toml"
DEFAULT_STORE = "sqlite:///storno.db"
STORE_VARIABLE = "STORNO_STORE"

_ATTRIBUTE = re.compile(r"[\w.]+:\w+")
_RELATIVE_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?![/:])(.+)")

Written = Annotated[str, Field(min_length=1)]
"""Text that may be left out, and not left empty."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChartSettings(_Table):
    """``[chart]``: the accounts (names or shell patterns) and books that may be posted to."""

    accounts: tuple[str, ...] = ()
    books: tuple[str, ...] = ()


class RoleSettings(_Table):
    """``[roles]``: the names of the actors who have each role."""

    operator: tuple[str, ...] = ()
    approver: tuple[str, ...] = ()
    auditor: tuple[str, ...] = ()


class ReversalSettings(_Table):
    """``[reversals]``: what ``ReversalPolicy`` holds, which also checks the values."""

    approvals: StrictInt | None = None
    above: dict[str, Any] | None = None
    reasons: tuple[str, ...] | None = None
    form: str | None = None
    year_begins: StrictInt | None = None


class CheckpointSettings(_Table):
    """``[checkpoints]``: what ``Checkpoints`` holds, which also checks the values."""

    folder: Written | None = None
    git: Written | None = None
    url: Written | None = None
    sign: Written | None = None
    timestamp: Written | None = None


class PersonalSettings(_Table):
    """``[personal]``: where the keys of personal fields are, a URL or ``module:attribute``."""

    keys: str | None = None


class ExportSettings(_Table):
    """``[export]``: which accounts (names or shell patterns) belong below each root elsewhere."""

    assets: tuple[str, ...] = ()
    liabilities: tuple[str, ...] = ()
    equity: tuple[str, ...] = ()
    income: tuple[str, ...] = ()
    expenses: tuple[str, ...] = ()


class Settings(_Table):
    """What storno.toml may hold.

    Attributes:
        store: the URL of the store; a relative SQLite path starts at the file's folder.
        jobs: files (``jobs.py``) and modules (``package.module``) that define jobs.
        chart: accounts and books; empty ones allow any.
        roles: who may do what; without any, everybody may do everything.
        reversals: what reversals ask for, where a job does not say otherwise.
        checkpoints: where checkpoints of the log are kept, taken as runs end.
        personal: where the keys of personal fields are.
        export: where accounts stand in other programs' books.
    """

    store: str | None = None
    jobs: tuple[str, ...] = ()
    chart: ChartSettings = ChartSettings()
    roles: RoleSettings = RoleSettings()
    reversals: ReversalSettings = ReversalSettings()
    checkpoints: CheckpointSettings | None = None
    personal: PersonalSettings = PersonalSettings()
    export: ExportSettings = ExportSettings()


_TABLES: dict[str, type[BaseModel]] = {
    "chart": ChartSettings,
    "roles": RoleSettings,
    "reversals": ReversalSettings,
    "checkpoints": CheckpointSettings,
    "personal": PersonalSettings,
    "export": ExportSettings,
}


class Setting(Struct, frozen=True):
    """A value that holds, and the flag, variable or file it comes from."""

    name: str
    value: str
    origin: str


class Project(Struct, frozen=True):
    """Where jobs, their input and their store are found.

    Attributes:
        root: the folder of storno.toml, else the current one; relative input paths start here.
        file: storno.toml, None where there is none.
        store: the URL of the store, its path absolute.
    """

    root: Path
    file: Path | None
    settings: Settings
    store: Setting

    @classmethod
    def find(
        cls, start: Path, *, store: str | None = None, environment: Mapping[str, str] | None = None
    ) -> Project:
        """The project of a folder or of the nearest folder above it.

        Args:
            start: where to begin to look for storno.toml.
            store: the URL that a flag named.
            environment: the process's where not given.

        Raises:
            DefinitionError: storno.toml cannot be read; the message names file and key.
            UsageError: what stands for the store is no URL.
        """
        variables = os.environ if environment is None else environment
        start = start.resolve()
        file = _nearest(start)
        root = file.parent if file else start
        settings = read_settings(file) if file else Settings()
        if store is not None:
            chosen = Setting("store", _anchored(store, start), "--store")
        elif variables.get(STORE_VARIABLE):
            chosen = Setting("store", _anchored(variables[STORE_VARIABLE], start), STORE_VARIABLE)
        elif settings.store is not None:
            chosen = Setting("store", _anchored(settings.store, root), SETTINGS_FILE)
        else:
            chosen = Setting("store", _anchored(DEFAULT_STORE, root), "default")
        return cls(root, file, settings, chosen)

    @property
    def chart(self) -> Chart:
        """The accounts and books that may be posted to."""
        return Chart(self.settings.chart.accounts, self.settings.chart.books)

    @property
    def roles(self) -> Roles:
        """Who may do what."""
        return _roles(self.settings.roles)

    @property
    def reversals(self) -> ReversalPolicy:
        """What reversals ask for; ``overridden_by`` what the job says is what holds."""
        return _policy(self.settings.reversals)

    @property
    def checkpoints(self) -> Checkpoints | None:
        """Where checkpoints are kept; None where none are taken."""
        return _checkpoints(self.settings.checkpoints, self.root)

    @property
    def keys(self) -> str | None:
        """Where the keys of personal fields are: a URL or ``module:attribute``; None: by default.

        A relative SQLite path starts at the project's folder.
        """
        place = self.settings.personal.keys
        return _anchored(place, self.root) if place is not None and "://" in place else place

    @property
    def account_names(self) -> AccountNames:
        """What accounts are called in other programs."""
        table = self.settings.export
        return AccountNames({root: getattr(table, root.lower()) for root in ROOTS})

    @property
    def values(self) -> tuple[Setting, ...]:
        """Every setting with its origin, as ``storno doctor`` lists them."""
        chart = self.settings.chart
        return (
            Setting("project", str(self.root), SETTINGS_FILE if self.file else "current folder"),
            Setting("store", without_password(self.store.value), self.store.origin),
            self._listed("jobs", self.settings.jobs, self.settings, empty="none"),
            self._listed("chart.accounts", chart.accounts, chart),
            self._listed("chart.books", chart.books, chart),
            *self._of_roles(),
            *self._of_reversals(),
            *self._of_checkpoints(),
            *self._of_personal(),
            *self._of_export(),
        )

    def _of_roles(self) -> Iterator[Setting]:
        roles = self.settings.roles
        if not roles.model_fields_set:
            yield Setting("roles", "none: everybody may do everything", "default")
            return
        for role in Role:
            names = tuple(sorted(self.roles.members.get(role, ())))
            yield self._listed(f"roles.{role}", names, roles, empty="nobody")

    def _of_reversals(self) -> Iterator[Setting]:
        policy, table = self.reversals, self.settings.reversals
        limits = tuple(f"{currency} {amount:f}" for currency, amount in policy.limits.items())
        yield self._listed("reversals.approvals", (str(policy.approvals or 0),), table)
        if limits:
            yield self._listed("reversals.above", limits, table)
        yield self._listed("reversals.reasons", policy.codes, table)
        yield self._listed("reversals.form", (policy.form_for(),), table)
        yield self._listed("reversals.year_begins", (str(policy.first_month),), table)

    def _of_checkpoints(self) -> Iterator[Setting]:
        table = self.settings.checkpoints
        if table is None:
            yield Setting("checkpoints", "none are taken", "default")
            return
        for key in sorted(table.model_fields_set):
            value = without_password(getattr(table, key))
            yield Setting(f"checkpoints.{key}", value, SETTINGS_FILE)

    def _of_personal(self) -> Iterator[Setting]:
        if self.keys is not None:
            yield Setting("personal.keys", without_password(self.keys), SETTINGS_FILE)

    def _of_export(self) -> Iterator[Setting]:
        table = self.settings.export
        for key in sorted(table.model_fields_set):
            yield self._listed(f"export.{key}", getattr(table, key), table, empty="none")

    def _listed(
        self, name: str, values: tuple[str, ...], table: BaseModel, empty: str = "any"
    ) -> Setting:
        given = name.rpartition(".")[2] in table.model_fields_set
        return Setting(name, ", ".join(values) or empty, SETTINGS_FILE if given else "default")


def read_settings(file: Path) -> Settings:
    """The settings of a storno.toml.

    Raises:
        DefinitionError: it is no TOML, or a key is unknown, or its value cannot be meant.
    """
    settings = _parsed(file)
    try:
        _roles(settings.roles)
        _policy(settings.reversals)
        _checkpoints(settings.checkpoints, file.parent)
        _check_keys(settings.personal.keys)
    except UsageError as error:
        raise DefinitionError(f"{file}: {error}") from None
    return settings


def _parsed(file: Path) -> Settings:
    try:
        return Settings.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{file} is not valid TOML: {error}.") from None
    except OSError as error:
        raise DefinitionError(f"{file} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        faults = " ".join(_fault(each) for each in error.errors())
        raise DefinitionError(f"{file}: {faults}") from None


def _roles(table: RoleSettings) -> Roles:
    members: dict[Role, frozenset[str]] = {}
    for role in Role:
        if role in table.model_fields_set:
            try:
                members[role] = frozenset(map(actor_name, getattr(table, role)))
            except UsageError as error:
                raise UsageError(f"roles.{role}: {error}") from None
    return Roles(members)


def _policy(table: ReversalSettings) -> ReversalPolicy:
    return ReversalPolicy(
        approvals=table.approvals,
        above=table.above,
        reasons=table.reasons,
        form=cast("Form | None", table.form),  # the policy refuses what is none
        year_begins=table.year_begins,
    )


def _checkpoints(table: CheckpointSettings | None, root: Path) -> Checkpoints | None:
    if table is None:
        return None
    from .checkpoints import Checkpoints  # brings the store's drivers along

    def under_root(path: str | None) -> Path | None:
        return None if path is None else Path(os.path.abspath(root / path))

    return Checkpoints(
        folder=under_root(table.folder),
        git=under_root(table.git),
        url=table.url,
        sign=under_root(table.sign),
        timestamp=table.timestamp,
    )


def _check_keys(place: str | None) -> None:
    if place is not None and "://" not in place and not _ATTRIBUTE.fullmatch(place):
        raise UsageError(
            f"personal.keys: {place!r} is neither a URL, such as sqlite:///keys.db, nor the vault "
            "that you name as module:attribute."
        )


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def _nearest(start: Path) -> Path | None:
    for folder in (start, *start.parents):
        file = folder / SETTINGS_FILE
        if file.is_file():
            return file
    return None


def _anchored(url: str, base: Path) -> str:
    """The URL with the path of a SQLite file made absolute."""
    if "://" not in url:
        raise UsageError(
            f"{url!r} is no URL of a store. For a SQLite file write sqlite:///{url}; for "
            "PostgreSQL postgresql://user@host/database."
        )
    return _RELATIVE_SQLITE.sub(lambda match: f"{match[1]}{base / match[2]}", url, count=1)


def _fault(error: ErrorDetails) -> str:
    path = [str(part) for part in error["loc"]]
    key = ".".join(path)
    if error["type"] != "extra_forbidden":
        return f"{key}: {_lowered(error['msg'])}, not {_shown(error['input'])}."
    table = _TABLES[path[0]] if len(path) > 1 else Settings
    known = tuple(table.model_fields)
    return f"unknown key {key!r}.{did_you_mean(path[-1], known)} Known: {', '.join(known)}."


def _lowered(message: str) -> str:
    message = message.replace("valid tuple", "list")
    return message[:1].lower() + message[1:]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

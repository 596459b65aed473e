"""What ``storno doctor`` looks at. Every look is its own: one that fails hides no other."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..domain.errors import StornoError
from ..execution.catalog import load_catalog
from ..execution.identity import ACTOR_VARIABLE, resolve_actor
from ..execution.project import Project
from ..storage import migrate, sqlite_engine
from ..storage.engine import store_path
from ..storage.store import Store
from .options import Common
from .render import count, duration

PACKAGES = ("SQLAlchemy", "pydantic", "eventsourcing", "msgspec", "pysqlite3", "psycopg", "pyarrow")
LOW_DISK_BYTES = 1 << 30
CLOCK_TOLERANCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the checkup.

    Attributes:
        origin: where the value comes from, for settings.
        problem: what is wrong with it and what to do, None where it is in order.
    """

    section: str
    name: str
    value: str
    origin: str | None = None
    problem: str | None = None


def examine(options: Common) -> list[Finding]:
    """Look at everything."""
    findings = [*_versions(), _sqlite()]
    try:
        project = Project.find(Path.cwd(), store=options.store)
    except StornoError as error:
        return [*findings, Finding("Settings", "project", str(Path.cwd()), problem=str(error))]
    findings += _settings(project)
    findings += _jobs(project)
    findings += _store(project)
    return findings


def _versions() -> Iterator[Finding]:
    yield Finding("Versions", "storno", version("storno"))
    yield Finding("Versions", "Python", f"{platform.python_version()} ({sys.executable})")
    yield Finding("Versions", "system", f"{platform.system()} {platform.release()}")
    for package in PACKAGES:
        try:
            yield Finding("Versions", package, version(package))
        except PackageNotFoundError:
            yield Finding("Versions", package, "not installed")


def _sqlite() -> Finding:
    module = sqlite_engine.library()
    value = f"{module.sqlite_version} (from {module.__name__.partition('.')[0]})"
    if sqlite_engine.is_sound(module.sqlite_version_info):
        return Finding("Versions", "SQLite", value)
    problem = (
        "this version can corrupt a store that several connections use at once (fixed in 3.51.3): "
        "install the package pysqlite3"
    )
    return Finding("Versions", "SQLite", value, problem=problem)


def _settings(project: Project) -> Iterator[Finding]:
    for setting in project.values:
        yield Finding("Settings", setting.name, setting.value, setting.origin)
    try:
        actor = resolve_actor(None)
        origin = ACTOR_VARIABLE if os.environ.get(ACTOR_VARIABLE) else "default"
        value = f"{actor.name} ({actor.os_user} at {actor.host})"
        yield Finding("Settings", "actor", value, origin)
    except StornoError as error:
        yield Finding("Settings", "actor", "-", problem=str(error))


def _jobs(project: Project) -> Iterator[Finding]:
    try:
        catalog = load_catalog(project)
    except StornoError as error:
        yield Finding("Jobs", "jobs", "-", problem=str(error))
        return
    for name, place in catalog.places.items():
        yield Finding("Jobs", name, place)
    for broken in catalog.broken:
        yield Finding("Jobs", "not loaded", "", problem=str(broken))


def _store(project: Project) -> Iterator[Finding]:
    try:
        store = Store.open(project.store.value)
    except StornoError as error:
        yield Finding("Store", "reachable", "no", problem=str(error))
        return
    try:
        yield Finding("Store", "reachable", "yes")
        yield Finding("Store", "id", store.store_id)
        yield Finding("Store", "schema", migrate.REVISION)
        head = store.log.head()
        yield Finding("Store", "commits", count(head.number if head else 0))
        yield _clock(store)
        yield from _checkpoints(project, store)
        yield from _disk(store)
    finally:
        store.close()


def _clock(store: Store) -> Finding:
    """The database's clock against ours; half the way there and back is taken off."""
    before = time.time()
    database = store.log.now() / 1_000_000
    after = time.time()
    difference = database - (before + after) / 2
    value = f"{duration(abs(difference))} {'ahead' if difference > 0 else 'behind'} of this process"
    if abs(difference) <= CLOCK_TOLERANCE_SECONDS + (after - before):
        return Finding("Store", "database clock", f"within {CLOCK_TOLERANCE_SECONDS:g} s")
    problem = "commits and leases go by the database's clock: set the clocks of both by NTP"
    return Finding("Store", "database clock", value, problem=problem)


def _checkpoints(project: Project, store: Store) -> Iterator[Finding]:
    """Whether they can be taken, where storno.toml asks for them."""
    checkpoints = project.checkpoints
    if checkpoints is None:
        return
    try:
        checkpoints.check(store.store_id)
    except StornoError as error:
        yield Finding("Store", "checkpoints", "cannot be taken", problem=str(error))
        return
    yield Finding("Store", "checkpoints", ", ".join(map(str, checkpoints.places)))


def _disk(store: Store) -> Iterator[Finding]:
    path = store_path(store.engine)
    if path is None:
        return
    free = shutil.disk_usage(Path(path).parent).free
    size = sum(each.stat().st_size for each in Path(path).parent.glob(Path(path).name + "*"))
    yield Finding("Store", "size on disk", f"{size / 1e6:.1f} MB")
    problem = (
        "a chunk that does not fit fails its run: make room" if free < LOW_DISK_BYTES else None
    )
    yield Finding("Store", "free disk", f"{free / 1e9:.1f} GB", problem=problem)

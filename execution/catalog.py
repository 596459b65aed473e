"""Finding jobs: by a name from storno.toml, or by a file or module and a name in it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import cast

from msgspec import Struct

from ..domain.errors import DefinitionError, NotFoundError
from ..domain.subject import KeyStore
from ..domain.suggest import did_you_mean
from .compensation import check_compensation
from .job import Job
from .project import SETTINGS_FILE, Project

KEY_STORE = ("find", "make", "read", "destroy", "close")
"""What a vault has to answer to."""


class Catalog(Struct, frozen=True):
    """The jobs of a project.

    Attributes:
        jobs: by name, in the order of storno.toml; also those that lack their handler.
        places: a job's name to the file or module that defines it, as storno.toml writes it.
        broken: what could not be loaded or cannot be run, and why.
    """

    jobs: Mapping[str, Job]
    places: Mapping[str, str]
    broken: tuple[DefinitionError, ...]


def load_catalog(project: Project) -> Catalog:
    """Load all that storno.toml names; what fails to load does not hide the rest.

    Raises:
        DefinitionError: two jobs have the same name.
    """
    jobs: dict[str, Job] = {}
    places: dict[str, str] = {}
    broken: list[DefinitionError] = []
    for place in project.settings.jobs:
        try:
            module = load_module(place, project.root, project.root)
        except DefinitionError as error:
            broken.append(error)
            continue
        for job in jobs_of(module).values():
            if jobs.setdefault(job.name, job) is not job:
                raise DefinitionError(
                    f"two jobs are called {job.name!r}, in {places[job.name]} and in {place}: "
                    "a job's name is what its records and runs are stored under, rename one."
                )
            places.setdefault(job.name, place)
    # When all is loaded: a handler may stand in another module than its job.
    for name, job in jobs.items():
        try:
            _check_whole(job, places[name])
        except DefinitionError as error:
            broken.append(error)
    return Catalog(jobs, places, tuple(broken))


def key_store(project: Project) -> str | KeyStore | None:
    """Where the project's keys of personal fields are, as ``Store.open`` takes it.

    Raises:
        DefinitionError: the vault that storno.toml names cannot be loaded.
    """
    place = project.keys
    if place is None or "://" in place:
        return place
    module, _, attribute = place.partition(":")
    found = getattr(load_module(module, project.root, project.root), attribute, None)
    if isinstance(found, type):
        with _faults_named(place, ""):
            found = found()
    missing = [name for name in KEY_STORE if not callable(getattr(found, name, None))]
    if missing:
        raise DefinitionError(
            f"personal.keys = {place!r} is no key store: it has no {', '.join(missing)}."
        )
    return cast("KeyStore", found)


def find_job(project: Project, spec: str, *, current: Path) -> Job:
    """The job that was meant.

    Args:
        spec: a job's name, ``path/to/file.py:name`` or ``package.module:name``.
        current: the folder at which a path in ``spec`` starts.

    Raises:
        NotFoundError: there is none; the message says which there are.
        DefinitionError: the file that should define it cannot be loaded, or it lacks its handler.
    """
    place, colon, name = spec.rpartition(":")
    if not colon:
        return _by_name(project, spec)
    return _in_place(project, place, name, current)


def _in_place(project: Project, place: str, name: str, current: Path) -> Job:
    module = load_module(place, current, project.root)
    jobs = jobs_of(module)
    by_either = {job.name: job for job in jobs.values()} | jobs
    if name in by_either:
        return _check_whole(by_either[name], place)
    raise NotFoundError(
        f"{place} defines no job {name!r}.{did_you_mean(name, by_either)} {_listing(by_either)}"
    )


def _check_whole(job: Job, place: str) -> Job:
    """The job, if it says how its effect is taken back; else an error with its place."""
    try:
        check_compensation(job)
    except DefinitionError as error:
        raise DefinitionError(f"{place}: {error}") from None
    return job


def jobs_of(module: ModuleType) -> dict[str, Job]:
    """The jobs in a module, by the names of its variables."""
    return {name: value for name, value in vars(module).items() if isinstance(value, Job)}


def load_module(place: str, base: Path, root: Path) -> ModuleType:
    """Load a file (``jobs.py``, relative to ``base``) or a module (``package.module``).

    What it imports is also looked for in ``root``.

    Raises:
        DefinitionError: there is no such file or module, or loading it raised; the message names
            the line.
    """
    for folder in (str(base), str(root)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    if place.endswith(".py") or "/" in place:
        return _load_file((base / place).resolve(), place)
    return _load_named(place)


def _by_name(project: Project, name: str) -> Job:
    catalog = load_catalog(project)
    if name in catalog.jobs:
        return _check_whole(catalog.jobs[name], catalog.places[name])
    if catalog.broken:
        raise catalog.broken[0]
    if project.file is None:
        raise NotFoundError(
            f"there is no job {name!r}: no {SETTINGS_FILE} in {project.root} or above. Go to the "
            "project's folder, make one with `storno init DIR`, or name a file: path/to/file.py:"
            f"{name}."
        )
    raise NotFoundError(
        f"there is no job {name!r} in {project.file}.{did_you_mean(name, catalog.jobs)} "
        f"{_listing(catalog.jobs)}"
    )


def _listing(jobs: Mapping[str, Job]) -> str:
    return f"Its jobs: {', '.join(jobs)}." if jobs else "It names no jobs."


def _load_file(file: Path, place: str) -> ModuleType:
    # The name is the path's own, so that two projects' jobs.py are two modules in one process.
    name = f"storno_jobs_{sha256(str(file).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    if not file.is_file():
        raise DefinitionError(f"there is no file {place} ({file}).")
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise DefinitionError(f"{place} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _faults_named(place, str(file)):
            spec.loader.exec_module(module)
    except DefinitionError:
        del sys.modules[name]
        raise
    return module


def _load_named(name: str) -> ModuleType:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise DefinitionError(
            f"there is no module {name!r}: write package.module, or a file ending in .py."
        )
    with _faults_named(name, spec.origin or name):
        return importlib.import_module(name)


@contextmanager
def _faults_named(place: str, file: str) -> Iterator[None]:
    """Whatever a module raises when it is loaded is a fault of its own, at a line of its own."""
    try:
        yield
    except DefinitionError as error:
        raise DefinitionError(f"{_line_of(error, place, file)}: {error}") from error
    except (Exception, SystemExit) as error:
        name = type(error).__name__
        raise DefinitionError(f"{_line_of(error, place, file)}: {name}: {error}") from error


def _line_of(error: BaseException, place: str, file: str) -> str:
    if isinstance(error, SyntaxError) and error.filename == file:
        return f"{place} line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)
             if frame.filename == file]  # fmt: skip
    return f"{place} line {lines[-1]}" if lines else place

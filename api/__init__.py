"""Storno: financial batch jobs whose every step is an event.

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .domain.entry import Chart, Entry, EntryError, Line, credit, debit
    from .domain.errors import StornoError
    from .domain.money import Rounding
    from .domain.policy import ReversalPolicy
    from .domain.record import Incidental, Record
    from .execution.context import Context
    from .execution.job import Effect, Job, Parameters, job
    from .execution.policies import Controls, Retry, Tolerance
    from .execution.results import Observer, RunOptions, RunResult
    from .execution.runner import abandon_run, run_job, stop_run
    from .execution.sources import csv_source, iterable, json_lines, parquet, sql_query
    from .storage.migrate import init as init_store
    from .storage.store import Store

__all__ = [
    "Chart",
    "Context",
    "Controls",
    "Effect",
    "Entry",
    "EntryError",
    "Incidental",
    "Job",
    "Line",
    "Observer",
    "Parameters",
    "Record",
    "Retry",
    "ReversalPolicy",
    "Rounding",
    "RunOptions",
    "RunResult",
    "Store",
    "StornoError",
    "Tolerance",
    "abandon_run",
    "credit",
    "csv_source",
    "debit",
    "init_store",
    "iterable",
    "job",
    "json_lines",
    "parquet",
    "run_job",
    "sql_query",
    "stop_run",
]

_HOMES = {
    "domain.entry": ("Chart", "Entry", "EntryError", "Line", "credit", "debit"),
    "domain.errors": ("StornoError",),
    "domain.money": ("Rounding",),
    "domain.policy": ("ReversalPolicy",),
    "domain.record": ("Incidental", "Record"),
    "execution.context": ("Context",),
    "execution.job": ("Effect", "Job", "Parameters", "job"),
    "execution.policies": ("Controls", "Retry", "Tolerance"),
    "execution.results": ("Observer", "RunOptions", "RunResult"),
    "execution.runner": ("abandon_run", "run_job", "stop_run"),
    "execution.sources": ("csv_source", "iterable", "json_lines", "parquet", "sql_query"),
    "storage.migrate": ("init_store",),
    "storage.store": ("Store",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_OTHER_NAMES = {"init_store": "init"}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'storno' has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), _OTHER_NAMES.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

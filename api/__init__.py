"""Storno: financial batch jobs whose every step is an event.

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compensations.scope import Condition, Scope
    from .domain.entry import Chart, Entry, EntryError, Line, credit, debit
    from .domain.errors import StornoError
    from .domain.money import Rounding
    from .domain.personal import Personal
    from .domain.policy import ReversalPolicy
    from .domain.record import Incidental, Record
    from .domain.subject import KeyStore, SubjectKey
    from .execution.checkpoints import Checkpoints
    from .execution.context import Context
    from .execution.forgetting import forget_subject
    from .execution.job import Effect, Job, Parameters, job
    from .execution.periods import close_period, reopen_period
    from .execution.policies import Controls, Retry, Tolerance
    from .execution.results import Observer, RunOptions, RunResult
    from .execution.reversals import (
        approve_reversal,
        plan_reversal,
        reject_reversal,
        submit_reversal,
    )
    from .execution.reversing import ReversalResult, execute_reversal
    from .execution.runner import abandon_run, run_job, stop_run
    from .execution.sources import csv_source, iterable, json_lines, parquet, sql_query
    from .storage.migrate import init as init_store
    from .storage.store import Store

__all__ = [
    "Chart",
    "Checkpoints",
    "Condition",
    "Context",
    "Controls",
    "Effect",
    "Entry",
    "EntryError",
    "Incidental",
    "Job",
    "KeyStore",
    "Line",
    "Observer",
    "Parameters",
    "Personal",
    "Record",
    "Retry",
    "ReversalPolicy",
    "ReversalResult",
    "Rounding",
    "RunOptions",
    "RunResult",
    "Scope",
    "Store",
    "StornoError",
    "SubjectKey",
    "Tolerance",
    "abandon_run",
    "approve_reversal",
    "close_period",
    "credit",
    "csv_source",
    "debit",
    "execute_reversal",
    "forget_subject",
    "init_store",
    "iterable",
    "job",
    "json_lines",
    "parquet",
    "plan_reversal",
    "reject_reversal",
    "reopen_period",
    "run_job",
    "sql_query",
    "stop_run",
    "submit_reversal",
]

_HOMES = {
    "compensations.scope": ("Condition", "Scope"),
    "domain.entry": ("Chart", "Entry", "EntryError", "Line", "credit", "debit"),
    "domain.errors": ("StornoError",),
    "domain.money": ("Rounding",),
    "domain.personal": ("Personal",),
    "domain.policy": ("ReversalPolicy",),
    "domain.record": ("Incidental", "Record"),
    "execution.checkpoints": ("Checkpoints",),
    "domain.subject": ("KeyStore", "SubjectKey"),
    "execution.context": ("Context",),
    "execution.forgetting": ("forget_subject",),
    "execution.job": ("Effect", "Job", "Parameters", "job"),
    "execution.periods": ("close_period", "reopen_period"),
    "execution.policies": ("Controls", "Retry", "Tolerance"),
    "execution.results": ("Observer", "RunOptions", "RunResult"),
    "execution.reversals": (
        "approve_reversal",
        "plan_reversal",
        "reject_reversal",
        "submit_reversal",
    ),
    "execution.reversing": ("ReversalResult", "execute_reversal"),
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

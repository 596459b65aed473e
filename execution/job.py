"""Jobs: a decorated function from a record to an entry, with its policies."""

from __future__ import annotations

import inspect
import json
import re
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ..domain.dead_letter import OF_REVERSALS
from ..domain.entry import ClosedPeriod, Entry
from ..domain.errors import DefinitionError, UsageError
from ..domain.ids import RunId, run_name
from ..domain.money import Rounding
from ..domain.policy import ReversalPolicy
from ..domain.record import Record
from .compensation import Compensation, OnFailure, check_options, compensation_of
from .policies import DEFAULT_TOLERANCE, Controls, Retry, Tolerance
from .sources.base import Source

_JOB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")

_WORDS = frozenset({"title", "description", "examples"})
_VALUES = frozenset({"const", "default", "enum", "required"})
_NAMED = frozenset({"$defs", "properties"})
"""Parts of a JSON schema: words about it, values as they are, and schemas by names of our own."""

MAX_CHUNK_SIZE = 100_000

Handler = TypeVar("Handler", bound=Callable[..., Any])
Key = str | tuple[str, ...] | Callable[[Any], str]


class Parameters(BaseModel):
    """Base of a job's parameters: a frozen pydantic model.

    All of them identify the run, unless ``identifying`` names those that do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    identifying: typing.ClassVar[tuple[str, ...] | None] = None


class NoParameters(Parameters):
    """The parameters of a job that takes none."""


class Effect(msgspec.Struct, frozen=True):
    """What a record did outside the ledger.

    Attributes:
        output: JSON-able; stored, and handed to whoever undoes the effect.
        entries: what is posted with it.
    """

    output: Any
    entries: Sequence[Entry] = ()


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job's definition; made by the decorator ``job``. Calling it calls the function."""

    name: str
    function: Callable[..., Any]
    model: type[Record]
    takes_context: bool
    key: Key
    source: Source
    parameters: type[Parameters] = NoParameters
    chunk_size: int = 1_000
    chunk_seconds: float | None = None
    retry: Retry = field(default_factory=Retry)
    tolerance: Tolerance = DEFAULT_TOLERANCE
    fatal: tuple[type[BaseException], ...] = ()
    record_seconds: float | None = 60.0
    lease_seconds: float = 60.0
    controls: Controls | None = None
    rounding: Rounding | None = None
    start_limit: int | None = None
    book: str = "main"
    closed_period: ClosedPeriod = ClosedPeriod.REFUSE
    effect: bool = False
    writes: bool = False
    irreversible: str | None = None
    on_failure: OnFailure = "leave"
    on_failure_approved: bool = False
    reversals: ReversalPolicy | None = None
    # Declared below the job, when it is made already; its text is part of the job's code.
    _handlers: list[Compensation] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function returns, so that a job can be tested as the function it is."""
        return self.function(*args, **kwargs)

    def compensate(self, function: Handler) -> Handler:
        """Declare what takes the effect of one posting back; used as a decorator below the job.

        Args:
            function: called with the record as it was posted, the stored output of its effect, and
                a context where it takes three arguments; returns what is stored with the reversal,
                JSON-able, or None.

        Raises:
            DefinitionError: the job has no effect, is irreversible or has a handler already, or
                the function cannot be called so.
        """
        self._handlers.append(compensation_of(self, function))
        return function

    @property
    def compensation(self) -> Compensation | None:
        """The handler that takes its effect back."""
        return self._handlers[0] if self._handlers else None

    @property
    def looks_ahead(self) -> bool:
        """Whether the next chunk may be prepared while the database commits this one."""
        return not (self.effect or self.writes)

    @cached_property
    def validate_many(self) -> Callable[[list[Any]], list[Record]]:
        """Validates raw rows in bulk."""
        return cast(
            "Callable[[list[Any]], list[Record]]",
            TypeAdapter(list[self.model]).validate_python,  # type: ignore[name-defined]
        )

    @cached_property
    def key_of(self) -> Callable[[Record], str]:
        """The business key of a record."""
        key = self.key
        if callable(key):
            return key
        if isinstance(key, str):
            field_of = attrgetter(key)
            if self.model.model_fields[key].annotation is str:
                return field_of
            return lambda record: _key_text(field_of(record))
        names = key
        return lambda record: ":".join(
            _key_text(getattr(record, name)).replace("%", "%25").replace(":", "%3A")
            for name in names
        )

    @property
    def logs(self) -> bool:
        """Whether one of its functions is given a context, and a logger with it."""
        return self.takes_context or self.compensation is not None

    @property
    def key_text(self) -> str:
        """The key's definition, as identity sees it."""
        if callable(self.key):
            return _function_text(self.key)
        return self.key if isinstance(self.key, str) else ":".join(self.key)

    @cached_property
    def identity(self) -> str:
        """Digest of what a resume may not change: name, key definition, the record's fields."""
        schema = _without_words(self.model.model_json_schema(by_alias=False))
        definition = json.dumps([self.name, self.key_text, schema], sort_keys=True)
        return sha256(definition.encode()).hexdigest()

    @cached_property
    def code(self) -> str:
        """Digest of the job's source code, recorded with each attempt."""
        return sha256(_source_text(self.function).encode()).hexdigest()

    def parse_parameters(self, values: Mapping[str, Any]) -> Parameters:
        """The validated parameters.

        Raises:
            UsageError: one is missing, unknown or not of its type.
        """
        try:
            return self.parameters.model_validate(dict(values))
        except ValidationError as error:
            names = ", ".join(self.parameters.model_fields) or "none"
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
            )
            raise UsageError(f"job {self.name}: {faults}. Its parameters: {names}.") from None

    def run_id(self, parameters: Parameters) -> RunId:
        """The run that these parameters name."""
        identifying = self.parameters.identifying
        names = self.parameters.model_fields if identifying is None else identifying
        plain = parameters.model_dump(mode="json")
        return RunId(self.name, run_name([plain[name] for name in names]))

    def stored_parameters(self, parameters: Parameters) -> dict[str, Any]:
        """The parameters as they are stored with the run, and read again by a resume."""
        return parameters.model_dump(mode="json")


def job(  # noqa: PLR0913 - a job's policies are named where it is defined
    *,
    key: Key,
    source: Source,
    name: str | None = None,
    parameters: type[Parameters] | None = None,
    chunk_size: int = 1_000,
    chunk_seconds: float | None = None,
    retry: Retry | None = None,
    tolerance: Tolerance | int | str = DEFAULT_TOLERANCE,
    fatal: tuple[type[BaseException], ...] = (),
    record_seconds: float | None = 60.0,
    lease_seconds: float = 60.0,
    controls: Controls | None = None,
    rounding: Rounding | str | None = None,
    start_limit: int | None = None,
    book: str = "main",
    closed_period: ClosedPeriod | str = ClosedPeriod.REFUSE,
    effect: bool = False,
    writes: bool = False,
    irreversible: str | None = None,
    on_failure: OnFailure = "leave",
    on_failure_approved: bool = False,
    reversals: ReversalPolicy | None = None,
) -> Callable[[Callable[..., Any]], Job]:
    """Make a function from a record to an entry a job.

    Args:
        key: the field, or fields, or a function of the record that gives its business key, unique
            in the job for all time: payroll-like keys need their period in them.
        source: where the records come from.
        name: the function's name where not given.
        parameters: the model of the run's parameters.
        chunk_size: records committed together, at most.
        chunk_seconds: a chunk also closes after this time; with ``writes`` on SQLite 10 at most.
        retry: how transient errors are retried.
        tolerance: failed records before the run fails: a number, ``"2%"``, or a Tolerance.
        fatal: errors that fail the run at once.
        record_seconds: time limit of one record; None for none. It ends Python code by a signal,
            and the process where code in C hangs for twice that time.
        lease_seconds: after which a holder that does not answer is taken over.
        controls: totals the input must come to.
        rounding: the rule for amounts finer than their currency; without one they are errors.
        start_limit: how often a run may be started.
        book: the book of entries that name none.
        closed_period: what becomes of an entry whose posting date lies in a closed period:
            ``"refuse"`` makes its record a dead letter, ``"next-open"`` moves the posting date to
            the first day of the next open period.
        effect: the function does something outside the ledger and returns ``Effect``; what takes
            it back is declared below the job, with ``compensate``.
        writes: the function writes rows through ``context.connection``.
        irreversible: why nothing can take the effect back; instead of a handler.
        on_failure: ``"reverse"`` takes back what a run has posted when it fails, with the reason
            code ``run-failed``; where others have to agree to reversals, it waits for them.
        on_failure_approved: that reversal needs nobody's approval.
        reversals: what reversals of this job ask for, where it differs from ``storno.toml``.

    Raises:
        DefinitionError: the definition cannot work; the message says why.
    """

    def decorate(function: Callable[..., Any]) -> Job:
        model, takes_context = _signature(function)
        definition = Job(
            name=name or function.__name__,
            function=function,
            model=model,
            takes_context=takes_context,
            key=tuple(key) if isinstance(key, list) else key,
            source=source,
            parameters=parameters or NoParameters,
            chunk_size=chunk_size,
            chunk_seconds=chunk_seconds,
            retry=retry or Retry(),
            tolerance=Tolerance.of(tolerance),
            fatal=fatal,
            record_seconds=record_seconds,
            lease_seconds=lease_seconds,
            controls=controls,
            rounding=None if rounding is None else _rounding(rounding),
            start_limit=start_limit,
            book=book,
            closed_period=_closed_period(closed_period),
            effect=effect,
            writes=writes,
            irreversible=irreversible,
            on_failure=on_failure,
            on_failure_approved=on_failure_approved,
            reversals=reversals,
        )
        _check(definition)
        return definition

    return decorate


def _check(job: Job) -> None:
    """Refuse what cannot work, at definition and not at night."""
    _check_names(job)
    if not callable(getattr(job.source, "open", None)):
        raise DefinitionError(
            f"job {job.name}: source= must be a source, such as csv_source('file.csv'), "
            f"not {type(job.source).__name__}."
        )
    if not issubclass(job.parameters, Parameters):
        raise DefinitionError(f"job {job.name}: parameters= must be a subclass of Parameters.")
    if not 1 <= job.chunk_size <= MAX_CHUNK_SIZE:
        raise DefinitionError(f"job {job.name}: chunk_size from 1 to {MAX_CHUNK_SIZE:,}.")
    for option in ("chunk_seconds", "record_seconds", "lease_seconds"):
        value = getattr(job, option)
        if value is not None and value <= 0:
            raise DefinitionError(f"job {job.name}: {option} must be above zero.")
    if job.start_limit is not None and job.start_limit < 1:
        raise DefinitionError(f"job {job.name}: start_limit must be at least 1.")
    if job.reversals is not None and not isinstance(job.reversals, ReversalPolicy):
        raise DefinitionError(f"job {job.name}: reversals= must be a ReversalPolicy(...).")
    check_options(job)


def _check_names(job: Job) -> None:
    if not _JOB_NAME.fullmatch(job.name):
        raise DefinitionError(
            f"job name {job.name!r}: letters, digits, '_', '.', '-', beginning with a letter."
        )
    if job.name == OF_REVERSALS:
        raise DefinitionError(
            f"job name {job.name!r}: the dead letters of reversals go by it, and the job's own "
            "would be taken for theirs: give it another one, with name= or as the function's name."
        )
    fields = job.model.model_fields
    names = () if callable(job.key) else (job.key,) if isinstance(job.key, str) else job.key
    if not names and not callable(job.key):
        raise DefinitionError(f"job {job.name}: its key names no field, of {', '.join(fields)}.")
    for missing in [name for name in names if name not in fields]:
        raise DefinitionError(
            f"job {job.name}: key field {missing!r} is not in {job.model.__name__}, "
            f"which has {', '.join(fields)}."
        )
    for personal in [name for name in names if name in job.model.personal_fields]:
        raise DefinitionError(
            f"job {job.name}: key field {personal!r} is personal, and a key is stored as it "
            "is, for good: name a field that says nothing by itself, such as a number."
        )
    for summed in job.controls.sums if job.controls else ():
        if summed not in fields:
            raise DefinitionError(f"job {job.name}: controls sum {summed!r}, which is no field.")


def _signature(function: Callable[..., Any]) -> tuple[type[Record], bool]:
    """The record model that the function takes, and whether it takes a context."""
    name = getattr(function, "__name__", repr(function))
    try:
        hints = typing.get_type_hints(function)
    except NameError as error:
        raise DefinitionError(
            f"job {name}: {error}: define the record model at module level, above the job."
        ) from None
    arguments = list(inspect.signature(function).parameters)
    if not 1 <= len(arguments) <= 2:
        raise DefinitionError(f"job {name} must take a record, and may take a context after it.")
    model = hints.get(arguments[0])
    if not (isinstance(model, type) and issubclass(model, Record)):
        raise DefinitionError(
            f"job {name}: annotate its first argument with a subclass of storno.Record."
        )
    return model, len(arguments) == 2


def _rounding(rule: Rounding | str) -> Rounding:
    try:
        return Rounding(rule)
    except ValueError:
        rules = ", ".join(each.value for each in Rounding)
        raise DefinitionError(f"rounding={rule!r} is none of {rules}.") from None


def _closed_period(rule: ClosedPeriod | str) -> ClosedPeriod:
    try:
        return ClosedPeriod(rule)
    except ValueError:
        rules = ", ".join(each.value for each in ClosedPeriod)
        raise DefinitionError(f"closed_period={rule!r} is none of {rules}.") from None


def _without_words(schema: Any) -> Any:
    """A JSON schema without what only describes, so that a better docstring changes nothing."""
    if isinstance(schema, list):
        return [_without_words(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for name, part in schema.items():
        if name in _NAMED:
            kept[name] = {key: _without_words(each) for key, each in part.items()}
        elif name in _VALUES:
            kept[name] = part
        elif name not in _WORDS:
            kept[name] = _without_words(part)
    return kept


def _key_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value)


def _function_text(function: Callable[..., Any]) -> str:
    """A function's own source; what it was compiled to where there is none."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        return code.co_code.hex() if code is not None else repr(function)


def _source_text(function: Callable[..., Any]) -> str:
    """The source of the module that a function stands in; its own code where there is no file."""
    module = sys.modules.get(getattr(function, "__module__", ""))
    file = getattr(module, "__file__", None) or inspect.getsourcefile(function)
    if file is not None and Path(file).is_file():
        return Path(file).read_text(encoding="utf-8", errors="replace")
    return repr(getattr(function, "__code__", function))

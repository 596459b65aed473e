"""What a job says of taking back what it did: the handler of its effect, or why there is none.

Ledger entries reverse by themselves; what a record did outside of the ledger does not.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from ..domain.errors import DefinitionError
from ..domain.suggest import did_you_mean

if TYPE_CHECKING:
    from ..domain.record import Record
    from .context import Context
    from .job import Job

OnFailure = Literal["leave", "reverse"]
ON_FAILURE: Final[tuple[OnFailure, ...]] = ("leave", "reverse")
"""What becomes of the postings of a run that fails: they stay, or they are taken back."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Compensation(Struct, frozen=True):
    """A job's handler. Calling it takes back the effect of one posting.

    Attributes:
        function: as it was declared.
        takes_context: whether it wants the context too.
    """

    function: Callable[..., Any]
    takes_context: bool

    @property
    def name(self) -> str:
        """The function's name."""
        return _name(self.function)

    def __call__(self, record: Record, output: Any, context: Context) -> Any:
        """What the handler returns: JSON-able, or None.

        Args:
            record: as it was posted.
            output: of the effect, as it was stored and read again: lists for tuples.
            context: of this call, with the reversal's idempotency key.
        """
        if self.takes_context:
            return self.function(record, output, context)
        return self.function(record, output)


def compensation_of(job: Job, function: Callable[..., Any]) -> Compensation:
    """The handler that a function is for a job.

    Raises:
        DefinitionError: the job has no use for it, or it cannot be called with record and output.
    """
    name = _name(function)
    if not job.effect:
        raise DefinitionError(
            f"job {job.name}: {name} would take its effect back, and it declares none: entries are "
            "reversed without a handler. Declare the job effect=True, or remove the handler."
        )
    if job.irreversible is not None:
        raise DefinitionError(
            f"job {job.name}: {name} would take back what irreversible= says cannot be taken back: "
            "keep one of them."
        )
    if job.compensation is not None:
        raise DefinitionError(
            f"job {job.name}: {name} would be its second handler, beside {job.compensation.name}: "
            "a job has one."
        )
    return Compensation(function, _takes_context(job, name, function))


def check_options(job: Job) -> None:
    """Refuse what a job cannot say of taking back, whatever stands below it."""
    if job.irreversible is not None:
        if not isinstance(job.irreversible, str) or not job.irreversible.strip():
            raise DefinitionError(f"job {job.name}: irreversible= says why in words.")
        if not job.effect:
            raise DefinitionError(
                f"job {job.name}: irreversible= is about an effect, and it declares none: entries "
                "can always be reversed."
            )
    if job.on_failure not in ON_FAILURE:
        raise DefinitionError(
            f"job {job.name}: on_failure={job.on_failure!r} is none of {', '.join(ON_FAILURE)}."
            f"{did_you_mean(str(job.on_failure), ON_FAILURE)}"
        )
    if job.on_failure == "reverse" and job.irreversible is not None:
        raise DefinitionError(
            f"job {job.name}: on_failure='reverse' would take back what irreversible= says cannot "
            "be taken back."
        )
    if job.on_failure_approved and job.on_failure != "reverse":
        raise DefinitionError(
            f"job {job.name}: on_failure_approved=True goes with on_failure='reverse'."
        )


def check_compensation(job: Job) -> None:
    """Refuse a job whose effect nothing takes back; a handler stands below the job it is for.

    Raises:
        DefinitionError: it has neither a handler nor a word on why there is none.
    """
    if job.effect and job.compensation is None and job.irreversible is None:
        own = _name(job.function)
        raise DefinitionError(
            f"job {job.name} has an effect, and nothing says how to take it back. Either declare a "
            f"handler below it: @{own}.compensate, then def take_back(record: "
            f"{job.model.__name__}, output). Or say in the job why there can be none: "
            'irreversible="why".'
        )


def _takes_context(job: Job, name: str, function: Callable[..., Any]) -> bool:
    parameters = list(inspect.signature(function).parameters.values())
    positional = all(each.kind in _POSITIONAL for each in parameters)
    if not positional or not 2 <= len(parameters) <= 3 or inspect.iscoroutinefunction(function):
        raise DefinitionError(
            f"job {job.name}: {name} must take a record and the output of its effect, and may take "
            "a context after them: def take_back(record, output, context)."
        )
    try:
        hint = typing.get_type_hints(function).get(parameters[0].name, Any)
    except NameError as error:
        raise DefinitionError(
            f"job {job.name}: {name}: {error}: annotate it with what the module defines above it."
        ) from None
    if isinstance(hint, type) and hint is not Any and not issubclass(job.model, hint):
        raise DefinitionError(
            f"job {job.name}: {name} takes a {hint.__name__}, and the job's records are "
            f"{job.model.__name__}."
        )
    return len(parameters) == 3


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", repr(function))

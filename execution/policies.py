"""What a job says about retries, failures it tolerates, and totals that must agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ..domain.errors import DefinitionError

PERCENT_COUNTS_FROM = 1_000
"""Records read before a percentage of them says anything."""

TRANSIENT: tuple[type[Exception], ...] = (TimeoutError, ConnectionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How a chunk is tried again after a transient error.

    Attributes:
        on: the errors that are transient; database deadlocks and lost connections always are.
        retries: how often after the first try.
        first_delay_seconds: before the first retry.
        factor: by which each further delay grows.
        cap_seconds: the longest delay.
        jitter: whether the delay is drawn between zero and the computed one (full jitter).
    """

    on: tuple[type[Exception], ...] = TRANSIENT
    retries: int = 3
    first_delay_seconds: float = 1.0
    factor: float = 2.0
    cap_seconds: float = 60.0
    jitter: bool = True

    def __post_init__(self) -> None:
        if self.retries < 0 or self.first_delay_seconds < 0 or self.cap_seconds < 0:
            raise DefinitionError("Retry: retries and delays cannot be negative.")
        if self.factor < 1:
            raise DefinitionError("Retry: factor must be at least 1, or the delays would shrink.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How many records may fail before the run fails. With both limits, the larger one counts.

    Attributes:
        records: a number of records over the whole run.
        percent: of the records read; counts from 1,000 records on and at the end.
    """

    records: int | None = None
    percent: float | None = None

    def __post_init__(self) -> None:
        if self.records is None and self.percent is None:
            raise DefinitionError("Tolerance: name records=, percent=, or both.")
        if (self.records or 0) < 0 or not 0 <= (self.percent or 0) <= 100:
            raise DefinitionError("Tolerance: records from 0, percent from 0 to 100.")

    @classmethod
    def of(cls, value: Tolerance | int | str) -> Tolerance:
        """From ``5`` or ``"2%"``."""
        if isinstance(value, Tolerance):
            return value
        if isinstance(value, int):
            return cls(records=value)
        try:
            return cls(percent=float(value.removesuffix("%")))
        except ValueError:
            raise DefinitionError(
                f"tolerance={value!r}: write a number of records, such as 5, or '2%'."
            ) from None

    def allowed(self, read: int, *, at_end: bool) -> float:
        """How many of ``read`` records may have failed."""
        limits: list[float] = []
        if self.records is not None:
            limits.append(self.records)
        if self.percent is not None:
            if at_end or read >= PERCENT_COUNTS_FROM:
                limits.append(read * self.percent / 100)
            elif self.records is None:
                return float("inf")
        return max(limits)

    def __str__(self) -> str:
        parts = [f"{self.records} records"] if self.records is not None else []
        parts += [f"{self.percent:g}% of the records"] if self.percent is not None else []
        return " or ".join(parts)


DEFAULT_TOLERANCE = Tolerance(records=100, percent=1)

Expected = Decimal | int | str | Callable[[Any], Decimal | int | str]
Trailer = Callable[[Mapping[str, Any]], Mapping[str, Decimal | int | str] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """Totals that the input must come to, or the run fails before its last commit.

    Attributes:
        records: how many records; a value, or a function of the run's parameters.
        sums: field to the sum of its values over all valid records; None where the trailer
            says it.
        trailer: recognises a closing row in the raw input and returns what it promises, such as
            ``{"records": 12, "amount": "1250.00"}``, and None for every other row. The row is
            then no record.
    """

    records: Expected | None = None
    sums: Mapping[str, Expected | None] = field(default_factory=dict)
    trailer: Trailer | None = None

    def __post_init__(self) -> None:
        if self.records is None and not self.sums and self.trailer is None:
            raise DefinitionError("Controls: name records=, sums= or trailer=.")

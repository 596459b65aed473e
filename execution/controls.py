"""Control totals: what the input promises to come to, against what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context as DecimalContext
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from ..domain.errors import DefinitionError, StornoError
from .draw import Drawn, describe
from .policies import Controls, Expected, Trailer
from .sources.base import Batch, Malformed

RECORDS = "records"
_PROMISED = "promised."
_WIDE = DecimalContext(prec=64)


class ControlMismatchError(StornoError):
    """The input does not come to its control totals."""


class ControlSums(Struct):
    """What has been summed so far; kept per chunk in its outcome, so that a resume goes on.

    Attributes:
        sums: ``records`` and each summed field.
        promised: what a trailer in the input promised.
    """

    sums: dict[str, Decimal] = field(default_factory=dict)
    promised: dict[str, Decimal] = field(default_factory=dict)

    def add(self, stored: Mapping[str, str]) -> None:
        """Add what a chunk came to."""
        for name, text in stored.items():
            if name.startswith(_PROMISED):
                self.promised[name.removeprefix(_PROMISED)] = Decimal(text)
            else:
                self.sums[name] = _WIDE.add(self.sums.get(name, Decimal(0)), Decimal(text))

    def check(self, controls: Controls, parameters: Any) -> None:
        """Compare with everything that was promised.

        Raises:
            ControlMismatchError: with both figures of each that differs.
        """
        expected = {
            name: _value(each, parameters)
            for name, each in controls.sums.items()
            if each is not None
        }
        if controls.records is not None:
            expected[RECORDS] = _value(controls.records, parameters)
        faults = [
            f"{name}: promised {promised}, read {self.sums.get(name, Decimal(0))}"
            for name, promised in {**expected, **self.promised}.items()
            if self.sums.get(name, Decimal(0)) != promised
        ]
        if controls.trailer is not None and not self.promised:
            faults.append("the input has no trailer")
        if faults:
            raise ControlMismatchError(
                f"the input does not come to its control totals ({'; '.join(faults)}): "
                "compare it with its sender's figures; the last chunk was not committed."
            )


def take_trailer(controls: Controls, batch: Batch) -> tuple[Batch, dict[str, str]]:
    """The batch without its trailer row, and what that promises."""
    assert controls.trailer is not None, "asked only where there is one"
    for index, row in enumerate(batch.rows):
        promised = None if isinstance(row, Malformed) else _promised(controls.trailer, row)
        if promised is None:
            continue
        if index + 1 < len(batch.rows) or not batch.end:
            raise ControlMismatchError(
                f"{batch.location(index)}: the trailer stands before the end of the input."
            )
        rest = Batch(
            batch.rows[:index],
            batch.malformed,
            batch.next_offset,
            batch.digest,
            batch.end,
            batch.location,
        )
        return rest, {_PROMISED + name: str(value) for name, value in promised.items()}
    return batch, {}


def _promised(trailer: Trailer, row: Mapping[str, Any]) -> dict[str, Decimal] | None:
    try:
        promised = trailer(row)
        if promised is None:
            return None
        return {name: _decimal(value) for name, value in promised.items()}
    except Exception as error:
        raise DefinitionError(
            f"the job's trailer function raised {type(error).__name__}: {describe(error)}."
        ) from error


def chunk_sums(controls: Controls, drawn: Drawn) -> dict[str, str]:
    """What one chunk's records come to; records that are not valid count, but cannot be summed."""
    sums = {RECORDS: str(len(drawn.records))}
    for name in controls.sums:
        total = Decimal(0)
        for index, record in enumerate(drawn.records):
            if record is None:
                continue
            value = getattr(record, name)
            try:
                total = _WIDE.add(total, _decimal(value))
            except ArithmeticError:
                raise ControlMismatchError(
                    f"{drawn.location(index)}: {name} is {value!r}, which has no sum."
                ) from None
        sums[name] = str(total)
    return sums


def _value(expected: Expected, parameters: Any) -> Decimal:
    try:
        return _decimal(expected(parameters) if callable(expected) else expected)
    except Exception as error:
        raise ControlMismatchError(
            f"a control total cannot be computed, {type(error).__name__}: {describe(error)}: "
            "mend the job's controls, then resume the run."
        ) from error


def _decimal(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))

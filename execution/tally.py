"""The run's running totals, and what they allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from ..domain.events import Counts
from .controls import ControlMismatchError, ControlSums
from .job import Job
from .plan import Plan


class Tally(Struct):
    """Counts over all attempts of the pass under way.

    Attributes:
        failed_chunks: how many chunks failed for good and stay so.
    """

    counts: Counts = field(default_factory=Counts)
    totals: dict[str, int] = field(default_factory=dict)
    controls: list[Mapping[str, str]] = field(default_factory=list)
    failed_chunks: int = 0

    @classmethod
    def of(cls, plan: Plan, counts: Counts | None = None) -> Tally:
        """Where earlier attempts left off.

        Args:
            counts: what the run's totals say, where dead letters may have been settled since.
        """
        counts = plan.counts if counts is None else counts
        return cls(counts, dict(plan.totals), list(plan.controls), len(plan.redo))

    def add(self, counts: Counts, totals: Mapping[str, int], controls: Mapping[str, str]) -> None:
        """A chunk is committed."""
        self.counts += counts
        for currency, minor in totals.items():
            self.totals[currency] = self.totals.get(currency, 0) + minor
        self.controls.append(controls)

    def copy(self) -> Tally:
        """One to add to that leaves this one as it is."""
        return Tally(self.counts, dict(self.totals), list(self.controls), self.failed_chunks)

    def with_totals(self, totals: Mapping[str, int]) -> dict[str, int]:
        """The totals with a chunk's added."""
        return {
            currency: self.totals.get(currency, 0) + totals.get(currency, 0)
            for currency in sorted({*self.totals, *totals})
        }

    def breach(self, job: Job, counts: Counts, *, at_end: bool) -> str | None:
        """Why the run has to fail, if a chunk with these counts is too much for its tolerance."""
        failed = self.counts.failed + counts.failed
        read = self.counts.read + counts.read
        if failed <= job.tolerance.allowed(read, at_end=at_end):
            return None
        return (
            f"{failed} of {read} records failed, and the job tolerates {job.tolerance}. The chunk "
            "that went over it was not committed: mend the records or the job."
        )

    def mismatch(self, job: Job, chunk: Mapping[str, str], parameters: Any) -> str | None:
        """Why the run has to fail, if the input with its last chunk is not what was promised."""
        if job.controls is None:
            return None
        sums = ControlSums()
        for stored in (*self.controls, chunk):
            sums.add(stored)
        try:
            sums.check(job.controls, parameters)
        except ControlMismatchError as error:
            return str(error)
        return None

"""The log of a run: on stderr, warnings alone unless asked for more."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..execution.job import Job


def configure_log(job: Job | None = None, *, verbose: bool) -> None:
    """Send the log to stderr: all of it, or warnings and worse.

    Args:
        job: whose functions alone will log. Where it has none that is given a logger, nothing is
            done: structlog brings a console renderer along, a tenth of the time to a first commit.
    """
    if job is not None and not (job.logs or "structlog" in sys.modules):
        return
    import structlog

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if verbose else logging.WARNING
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )

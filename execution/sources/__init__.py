"""Where records come from: files, SQL queries, iterables."""

from __future__ import annotations

from .base import Batch, Difference, Malformed, Offset, Range, Reader, Source
from .csv_files import csv_source

__all__ = [
    "Batch",
    "Difference",
    "Malformed",
    "Offset",
    "Range",
    "Reader",
    "Source",
    "csv_source",
]

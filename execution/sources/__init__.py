"""Where records come from: files, SQL queries, iterables."""

from __future__ import annotations

from .base import Batch, Difference, Malformed, Offset, Range, Reader, Source
from .csv_files import csv_source
from .iterables import iterable
from .json_lines import json_lines
from .parquet import parquet
from .sql import sql_query

__all__ = [
    "Batch",
    "Difference",
    "Malformed",
    "Offset",
    "Range",
    "Reader",
    "Source",
    "csv_source",
    "iterable",
    "json_lines",
    "parquet",
    "sql_query",
]

"""What a template holds, and the files that every project has."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import dedent

SEED = 2026
"""The samples are the same on every machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A project to start from.

    Attributes:
        summary: what its job does, in a line.
        jobs: the text of jobs.py.
        run: the words after ``storno`` that run it on the sample.
        job: the job's name.
        account: an account that the sample posts to.
        lesson: a paragraph of the README: what the sample's faults are.
        sample: makes the input: a file's name to its text.
    """

    summary: str
    jobs: str
    run: str
    job: str
    account: str
    lesson: str
    sample: Callable[[], Mapping[str, str]]


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The rows as a CSV file's text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def project_files(template: Template) -> dict[str, str]:
    """Every file of the project: its path to its text."""
    return {
        "storno.toml": SETTINGS,
        "jobs.py": dedent(template.jobs).lstrip(),
        ".gitignore": "storno.db*\n",
        "README.md": _readme(template),
        **template.sample(),
    }


SETTINGS = """\
# Settings of this project; `storno doctor` says which hold, and where each comes from.

# The store: every event, and the views made from them. For PostgreSQL:
# store = "postgresql://user@localhost/ledger"
store = "sqlite:///storno.db"

# Files and modules that define jobs.
jobs = ["jobs.py"]

# Accounts that may be posted to, as names or patterns. Without them any account may be.
# [chart]
# accounts = ["bank", "expense:*"]
"""


def _readme(template: Template) -> str:
    return f"""\
# {template.summary}

Made by `storno init`. The input in `input/` is made up; it holds a few faults on purpose, so that
there is something to see.

```
storno {template.run}
storno dead-letters list
storno ledger trial-balance
storno ledger account {template.account}
storno runs
storno doctor
```

{template.lesson.strip()}

Run the first command once more: nothing happens, because the run is completed and every record is
posted once. Interrupt it with Ctrl-C and start it again: it goes on where it stopped.

- `jobs.py` defines the job: the record, its key, its source, and the entry that it posts.
- `storno.toml` names the store and the files that define jobs.
- `storno.db` is the store. Its events are never changed or deleted.
"""

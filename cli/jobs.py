"""``storno jobs``: the jobs of this project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from .errors import DONE, FAILED
from .options import COMMON, Common, command, group, note

if TYPE_CHECKING:
    from ..domain.policy import ReversalPolicy
    from ..execution.job import Job
    from ..execution.project import Project


@command("list", "storno jobs list", "storno jobs list --json")
def list_jobs(*, common: Common = COMMON) -> int:
    """List the jobs that storno.toml names, and what could not be loaded."""
    from ..execution.catalog import load_catalog
    from .render import say, write_json
    from .session import open_project
    from .tables import Column, write_table

    project = open_project(common)
    catalog = load_catalog(project)
    if common.json:
        write_json([{"job": name, "defined_in": catalog.places[name]} for name in catalog.jobs])
    elif catalog.jobs:
        rows = [
            (
                name,
                ", ".join(job.parameters.model_fields) or "-",
                job.key_text,
                catalog.places[name],
            )
            for name, job in catalog.jobs.items()
        ]
        columns = (Column("job"), Column("parameters"), Column("key"), Column("defined in"))
        write_table(columns, rows)
    elif not catalog.broken:
        place = project.file or f"{project.root} (it has no storno.toml)"
        say(f"No jobs. Name the files that define them under jobs in {place}.")
    for error in catalog.broken:
        say(f"error: {error}")
    return FAILED if catalog.broken else DONE


@command("show", "storno jobs show payments", "storno jobs show jobs.py:payments --json")
def show_job(
    job: Annotated[str, note("A name, path/to/file.py:name or package.module:name")],
    /,
    *,
    common: Common = COMMON,
) -> int:
    """Show a job: its parameters, record, key, source and policies."""
    from ..execution.catalog import find_job
    from .render import write_fields, write_json
    from .session import open_project

    project = open_project(common)
    document = describe(find_job(project, job, current=Path.cwd()), project)
    if common.json:
        write_json(document)
    else:
        flat = document | {
            f"reversals.{name}": each for name, each in document["reversals"].items()
        }
        del flat["reversals"]
        write_fields({name: _text(value) for name, value in flat.items()})
    return DONE


def describe(job: Job, project: Project) -> dict[str, Any]:
    """A job's definition with what holds for it in this project, JSON-able."""
    return {
        "job": job.name,
        "parameters": {name: _type(field) for name, field in job.parameters.model_fields.items()},
        "record": {name: _type(field) for name, field in job.model.model_fields.items()},
        "key": job.key_text,
        "source": _source(job),
        "chunk_records": job.chunk_size,
        "chunk_seconds": job.chunk_seconds,
        "retries": job.retry.retries,
        "tolerance": str(job.tolerance),
        "record_seconds": job.record_seconds,
        "rounding": job.rounding.value if job.rounding else None,
        "book": job.book,
        "closed_period": job.closed_period.value,
        "start_limit": job.start_limit,
        "effect": job.effect,
        "writes": job.writes,
        "compensation": job.compensation.name if job.compensation else None,
        "irreversible": job.irreversible,
        "on_failure": job.on_failure,
        "on_failure_approved": job.on_failure_approved,
        "reversals": _policy(project.reversals.overridden_by(job.reversals)),
    }


def _policy(policy: ReversalPolicy) -> dict[str, Any]:
    return {
        "approvals": policy.approvals or 0,
        "above": {currency: f"{amount:f}" for currency, amount in policy.limits.items()},
        "reasons": policy.codes,
        "form": policy.form_for(),
        "year_begins": policy.first_month,
    }


def _source(job: Job) -> dict[str, Any]:
    """What the job reads; files by their patterns, as nobody has filled in parameters yet."""
    from ..execution.sources.line_files import LineSource

    source: object = job.source
    if isinstance(source, LineSource):
        return {"kind": source.format.kind, "paths": [*source.files.patterns]}
    return {"kind": type(source).__name__}


def _type(field: Any) -> str:
    annotation = field.annotation
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{name}: {_text(each)}" for name, each in value.items()) or "-"
        case list() | tuple():
            return ", ".join(map(_text, value)) or "-"
        case _:
            return str(value)


jobs = group("jobs", "List and show the jobs of this project.", list_jobs, show_job)

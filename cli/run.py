"""``storno run`` and ``storno resume``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..domain.errors import UsageError
from .errors import DEAD_LETTERS, DONE, FAILED, INTERRUPTED, NOT_FOUND
from .options import RUNNING, Running, at_least_one, command, note

if TYPE_CHECKING:
    from ..execution.job import Job
    from ..execution.project import Project
    from ..execution.results import RunOptions, RunResult
    from ..storage.store import Store

Params = Annotated[
    tuple[str, ...], note("A parameter of the job; may be repeated", name="--param", metavar="K=V")
]
Keys = Annotated[
    tuple[str, ...],
    note(
        "Only the record with this key; may be repeated; leaves the run stopped",
        name="--key",
        metavar="KEY",
    ),
]
Limit = Annotated[
    int | None, note("Only so many records; leaves the run stopped", metavar="N", name="--limit")
]
DryRun = Annotated[bool, note("Work through the input and write nothing", name="--dry-run")]


@command(
    "run",
    "storno run payments --param month=2026-01",
    "storno run jobs/payroll.py:payroll --param month=2026-01 --dry-run",
    "storno run payments --param month=2026-01 --key P00057 --key P00118",
    "storno run payments --param month=2026-01 --again --reason 'late records'",
)
def run(
    job: Annotated[str, note("A name, path/to/file.py:name or package.module:name")],
    /,
    *,
    parameters: Params = (),
    keys: Keys = (),
    limit: Limit = None,
    dry_run: DryRun = False,
    again: Annotated[bool, note("Read a completed run's input once more")] = False,
    reason: Annotated[str, note("Why; needed with --again", metavar="TEXT")] = "",
    running: Running = RUNNING,
) -> int:
    """Run a job, or go on with a run of it that stopped or failed.

    Job and parameters name the run. What is posted is never posted twice: a completed run that is
    started again does nothing, and says so.
    """
    from ..execution.catalog import find_job
    from ..execution.results import RunOptions
    from .session import open_project

    if reason and not again:
        raise UsageError(
            "--reason goes with --again, which reads a completed run's input once more."
        )
    project = open_project(running)
    definition = find_job(project, job, current=Path.cwd())
    values = parse_parameters(definition, parameters)
    options = RunOptions(
        keys=keys, limit=at_least_one(limit), again=again, reason=reason, dry_run=dry_run
    )
    return execute(project, definition, values, options, running, "run")


@command("resume", "storno resume payments/2026-01", "storno resume last")
def resume(
    run: Annotated[str, note("A run as 'storno runs' prints it, the start of one, or last")],
    /,
    *,
    job: Annotated[
        str | None,
        note("Where the job is defined, if storno.toml does not name it", metavar="JOB"),
    ] = None,
    keys: Keys = (),
    limit: Limit = None,
    running: Running = RUNNING,
) -> int:
    """Go on with a run that stopped, failed, or lost its process.

    It begins with the chunks that failed, and goes on at the first record that is not committed.
    """
    from ..execution.catalog import find_job
    from ..execution.results import RunOptions
    from .find import find_run
    from .session import open_project, opened

    project = open_project(running)
    options = RunOptions(keys=keys, limit=at_least_one(limit))
    with opened(project) as store:
        found = find_run(store, run)
    definition = find_job(project, job or found.job, current=Path.cwd())
    return execute(project, definition, found.parameters, options, running, "resume")


def parse_parameters(job: Job, pairs: tuple[str, ...]) -> dict[str, str]:
    """``K=V`` words as the values of the job's parameters.

    Raises:
        UsageError: a word is no pair, or names no parameter of the job, or one twice.
    """
    from ..domain.suggest import did_you_mean

    known = job.parameters.model_fields
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--param {pair}: write it as NAME=VALUE.")
        if name not in known:
            listed = f"Its parameters: {', '.join(known)}." if known else "It takes none."
            raise UsageError(
                f"job {job.name} has no parameter {name!r}.{did_you_mean(name, known)} {listed}"
            )
        if name in values:
            raise UsageError(f"--param {name} is given twice.")
        values[name] = value
    return values


def execute(
    project: Project,
    job: Job,
    values: Mapping[str, Any],
    options: RunOptions,
    running: Running,
    act: str,
) -> int:
    """Run the job to its end, show it while it runs, and say what came of it."""
    from ..execution.runner import run_job
    from .checkpointing import finish, ready
    from .log import configure_log
    from .progress import display
    from .session import authorized, opened

    configure_log(job, verbose=running.verbose)
    run = str(job.run_id(job.parse_parameters(values)))
    actor = authorized(project, running, act, run, dry_run=options.dry_run)
    with opened(project) as store:
        checkpoints = None if options.dry_run else ready(project, store)
        shown = display()
        try:
            result = run_job(
                store,
                job,
                values,
                actor,
                options,
                shown,
                base=project.root,
                chart=project.chart,
                reversals=project.reversals,
            )
        finally:
            shown.close()
        tell(store, result, options, json=running.json)
        return finish(checkpoints, store, exit_code_of(result, options), running)


def exit_code_of(result: RunResult, options: RunOptions) -> int:
    """The exit code of a run's result; 3 also where chosen keys failed, or records would."""
    from .summary import chosen_keys_failed

    if result.interrupted:
        return INTERRUPTED
    if result.noop:
        return DONE
    if result.error is not None:  # also where what it had posted is taken back by now
        return FAILED
    if result.not_found:
        return NOT_FOUND
    finished = result.state == "completed" or options.dry_run
    failed = chosen_keys_failed(result) if options.keys else finished and result.counts.failed
    return DEAD_LETTERS if failed else DONE


def tell(store: Store, result: RunResult, options: RunOptions, *, json: bool) -> None:
    """The result as a document, or as a summary for people."""
    from .summary import write_summary

    if json:
        from .render import write_json
        from .summary import result_document

        write_json(result_document(store, result, dry_run=options.dry_run))
    else:
        write_summary(result, dry_run=options.dry_run)

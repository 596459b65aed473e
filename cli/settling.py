"""``storno dead-letters edit``, ``retry`` and ``discard``: dead letters are worked off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..domain.errors import NotAllowedError, NotFoundError, StornoError, UsageError
from .errors import DEAD_LETTERS, DONE, FAILED, INTERRUPTED, exit_code
from .options import ACTING, OPTIONS, RUNNING, Acting, Running, command, note

if TYPE_CHECKING:
    from ..domain.events import Actor
    from ..execution.dead_letters import Retry, Working
    from ..execution.project import Project
    from ..storage.queries import DeadLetterPlace
    from ..storage.store import Store

JobWord = Annotated[
    str | None, note("The job: a name, path/to/file.py:name or package.module:name")
]
KeyWords = Annotated[str, note("The records' keys, as the list shows them")]
AllMatching = Annotated[bool, note("All that the filters leave, instead of JOB and KEY")]
OfRun = Annotated[
    str | None, note("Only of this run: its name, the start of it, or last", metavar="RUN")
]
DryRun = Annotated[bool, note("Say what would come of it, and write nothing", name="--dry-run")]
Reason = Annotated[str, note("Why; it is recorded", metavar="TEXT")]


@Parameter(name="*", group=OPTIONS)
@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which dead letters are meant; what is not given chooses nothing.

    Attributes:
        run: the word for a run.
        job: a job's name.
        error: a stable code.
        key: a business key.
    """

    run: OfRun = None
    job: Annotated[str | None, note("Only of this job", metavar="NAME")] = None
    error: Annotated[str | None, note("Only with this error", metavar="CODE")] = None
    key: Annotated[str | None, note("Only of this key", metavar="KEY")] = None


FILTERS = Filters()


@command(
    "edit",
    "storno dead-letters edit payments P00057 --set amount=1234.50 --reason typo",
    "storno dead-letters edit payments P00041 --set number=P00241 --reason typo",
)
def edit(
    job: Annotated[str, note("A name, path/to/file.py:name or package.module:name")],
    key: Annotated[str, note("The record's key, as the list shows it")],
    /,
    *,
    sets: Annotated[
        tuple[str, ...],
        note("A field and its new value; may be repeated", name="--set", metavar="FIELD=VALUE"),
    ],
    reason: Reason,
    run: OfRun = None,
    record: Annotated[
        int | None, note("Which of several with this key: its number in the input", metavar="N")
    ] = None,
    dry_run: DryRun = False,
    running: Running = RUNNING,
) -> int:
    """Correct what a dead letter holds; what failed stays as it was, beside it.

    The record must be valid with it. It is posted by storno dead-letters retry; with another key
    it is posted under that one.
    """
    from ..domain.ids import RunId
    from .opening import opened_documents
    from .render import write_json
    from .session import authorized, open_project, opened
    from .settling_pages import edit_document, write_edit

    project = open_project(running)
    changes = _pairs(sets)
    with opened(project) as store:
        place = _one(store, _named(project, job), key, _run(store, run), record)
        _refuse_reversals([place])
        actor = authorized(project, running, "dead-letters edit", key, dry_run=dry_run)
        working = _working(project, store, place, actor, job=job)
        done = working.edit(place, changes, reason, dry_run=dry_run)
        run_name = str(RunId.parse(place.run))
        (document,) = opened_documents(
            store, [edit_document(done, run_name, reason, dry_run=dry_run)]
        )
    if running.json:
        write_json(document)
    else:
        write_edit(document)
    would_fail = done.faults is not None or (done.tried is not None and done.tried.error)
    return DEAD_LETTERS if dry_run and would_fail else DONE


@command(
    "retry",
    "storno dead-letters retry payments P00057 P00118",
    "storno dead-letters retry --all-matching --run last --dry-run",
    "storno dead-letters retry --all-matching --error unknown-account",
    usage="(JOB KEY ... | --all-matching) [OPTIONS]",
)
def retry(
    job: JobWord = None,
    /,
    *keys: KeyWords,
    all_matching: AllMatching = False,
    filters: Filters = FILTERS,
    dry_run: DryRun = False,
    running: Running = RUNNING,
) -> int:
    """Try records again that failed, as they were corrected, or as they are.

    They are read from the store, not from the input, and count in their run. Exits with 3 where
    some failed again.
    """
    from .checkpointing import finish, ready
    from .log import configure_log
    from .opening import opened_documents
    from .render import write_json
    from .session import authorized, open_project, opened
    from .settling_pages import retry_document, write_retry

    configure_log(verbose=running.verbose)
    project = open_project(running)
    results: list[Retry] = []
    refused: list[tuple[str, StornoError]] = []
    with opened(project) as store:
        places = _chosen(project, store, job, keys, filters, all_matching=all_matching)
        _refuse_reversals(places)
        about = " ".join(keys) or "all that match"
        actor = authorized(project, running, "dead-letters retry", about, dry_run=dry_run)
        checkpoints = None if dry_run else ready(project, store)
        for name, of_run in groupby(places, key=lambda place: place.run):
            try:
                results.append(
                    _retry_run(
                        project, store, list(of_run), actor, job or filters.job, dry_run=dry_run
                    )
                )
            except StornoError as problem:
                if len({place.run for place in places}) == 1:
                    raise
                refused.append((name, problem))
            if results and results[-1].interrupted:
                break
        document = retry_document(results, refused, dry_run=dry_run)
        (document,) = opened_documents(store, [document])
        if running.json:
            write_json(document)
        else:
            write_retry(document)
        return finish(checkpoints, store, _retry_code(results, refused), running)


@command(
    "discard",
    "storno dead-letters discard payments P00041 --reason 'sent twice by the bank'",
    "storno dead-letters discard --all-matching --run last --reason 'a copy'",
    usage="(JOB KEY ... | --all-matching) --reason TEXT [OPTIONS]",
)
def discard(
    job: JobWord = None,
    /,
    *keys: KeyWords,
    reason: Reason,
    all_matching: AllMatching = False,
    filters: Filters = FILTERS,
    dry_run: DryRun = False,
    yes: Annotated[bool, note("Do not ask", name=("--yes", "-y"))] = False,
    acting: Acting = ACTING,
) -> int:
    """Give records up that failed: they are not posted, and wait for nobody any more.

    What a reversal could not take back is settled by that: somebody saw to it elsewhere.
    """
    from ..execution import dead_letters
    from .ask import confirm
    from .progress import steps
    from .render import counted, say, write_json
    from .session import authorized, open_project, opened
    from .settling_pages import say_what

    if not reason.strip():
        raise UsageError("discarding a dead letter needs a reason: add --reason TEXT.")
    project = open_project(acting)
    with opened(project) as store:
        places = _chosen(
            project, store, job, keys, filters, all_matching=all_matching, again="discarded"
        )
        discarded = 0
        if dry_run or not acting.json:
            say_what(places)
        if places and not dry_run:
            about = " ".join(keys) or "all that match"
            actor = authorized(project, acting, "dead-letters discard", about)
            confirm(f"Discard {counted(len(places), 'dead letter')}, for good?", yes=yes)
            with steps("Discarding") as step:
                discarded = dead_letters.discard(
                    store, places, actor, reason, lambda done: step(done, len(places))
                )
    if acting.json:
        found = {"matching": len(places), "discarded": discarded}
        write_json(found | {"reason": reason, "dry_run": dry_run})
    elif not dry_run:
        say(f"Discarded {counted(discarded, 'dead letter')}.")
    return DONE


def _retry_run(
    project: Project,
    store: Store,
    places: Sequence[DeadLetterPlace],
    actor: Actor,
    job: str | None,
    *,
    dry_run: bool,
) -> Retry:
    from .progress import steps

    working = _working(project, store, places[0], actor, job=job)
    with steps(places[0].run) as step:
        return working.retry(places, dry_run=dry_run, progress=lambda done: step(done, len(places)))


def _working(
    project: Project, store: Store, place: DeadLetterPlace, actor: Actor, *, job: str | None
) -> Working:
    """The letter's job and run; ``job`` says where the job is defined."""
    from ..execution.catalog import find_job
    from ..execution.dead_letters import Working
    from .find import find_run

    found = find_run(store, place.run)
    definition = find_job(project, job or place.job, current=Path.cwd())
    return Working(
        store=store,
        job=definition,
        run=found.id,
        parameters=found.parameters,
        actor=actor,
        chart=project.chart,
    )


def _named(project: Project, job: str) -> str:
    """A job's name; it may be given by the place where it is defined."""
    from ..execution.catalog import find_job

    return find_job(project, job, current=Path.cwd()).name if ":" in job else job


def _run(store: Store, word: str | None) -> str | None:
    from .find import find_letters_run

    return None if word is None else find_letters_run(store, word)


def _chosen(
    project: Project,
    store: Store,
    job: str | None,
    keys: Sequence[str],
    filters: Filters,
    *,
    all_matching: bool,
    again: str = "",
) -> list[DeadLetterPlace]:
    """The dead letters that are meant: those that wait, run by run.

    Args:
        again: the state of those for which doing it once more is nothing, not an error.

    Raises:
        UsageError: neither keys are named nor all that match, or both.
        NotFoundError: a key has none.
        NotAllowedError: those of a key are settled.
    """
    from ..storage import queries
    from .standing import say_if_no_letter

    run = _run(store, filters.run)
    if all_matching:
        if job is not None:
            raise UsageError("name JOB and KEY, or --all-matching with filters, not both.")
        of_job = None if filters.job is None else _named(project, filters.job)
        places = queries.dead_letter_places(
            store, run=run, job=of_job, error=filters.error, key=filters.key
        )
        if not places:
            say_if_no_letter(store, of_job, filters.error)
        return places
    if job is None or not keys:
        raise UsageError("name JOB and KEY, or --all-matching with filters such as --run RUN.")
    if filters.job or filters.error or filters.key:
        raise UsageError("--job, --error and --key go with --all-matching.")
    places = []
    for key in dict.fromkeys(keys):
        found = _of_key(store, _named(project, job), key, run)
        waiting = [place for place in found if place.state in queries.WAITING]
        if not waiting and found[0].state != again:
            raise NotAllowedError(f"dead letter {key!r} of job {job} is {found[0].state} already.")
        places += waiting
    return sorted(places, key=lambda place: (place.run, place.partition, place.ordinal))


def _of_key(store: Store, job: str, key: str, run: str | None) -> list[DeadLetterPlace]:
    from ..storage import queries
    from .dead_letters import no_letter
    from .documents import letter_key
    from .standing import refuse_unknown

    found = queries.dead_letter_places(store, job=job, key=key, run=run, states=None)
    if not found:
        once = queries.dead_letters_once_of(store, job, key)
        found = [queries.place_of(row) for row in once if run in (None, row.run)]
    if not found:
        refuse_unknown(store, job)
        known = queries.dead_letter_places(store, job=job, states=None)
        raise no_letter(job, key, [letter_key(place) for place in known])
    return found


def _one(store: Store, job: str, key: str, run: str | None, record: int | None) -> DeadLetterPlace:
    """The one dead letter that is to be edited.

    Raises:
        UsageError: several have the key.
    """
    from ..storage import queries

    found = _of_key(store, job, key, run)
    if record is not None:
        found = [place for place in found if place.ordinal == record]
        if not found:
            raise NotFoundError(f"job {job} has no dead letter {key!r} of record {record}.")
    waiting = [place for place in found if place.state in queries.WAITING] or found
    if len(waiting) > 1:
        listed = ", ".join(f"{place.run} --record {place.ordinal}" for place in waiting[:5])
        raise UsageError(
            f"{len(waiting)} dead letters have the key {key!r}: add --run and --record, as in "
            f"--run {listed}."
        )
    return waiting[0]


def _refuse_reversals(places: Sequence[DeadLetterPlace]) -> None:
    for place in places:
        kind, _, reversal = place.run.partition("/")
        if kind != place.job:
            raise NotAllowedError(
                f"dead letter {place.key!r} is of reversal {reversal}, which tries it again when "
                f"it is executed again: storno reverse execute {reversal}."
            )


def _pairs(words: Sequence[str]) -> dict[str, str]:
    """``FIELD=VALUE`` words.

    Raises:
        UsageError: a word is no pair, or a field is given twice.
    """
    values: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--set {word}: write it as FIELD=VALUE.")
        if name in values:
            raise UsageError(f"--set {name} is given twice.")
        values[name] = value
    return values


def _retry_code(results: Sequence[Retry], refused: Sequence[tuple[str, StornoError]]) -> int:
    if any(each.interrupted for each in results):
        return INTERRUPTED
    if refused:
        return exit_code(refused[0][1])
    if any(each.error for each in results):
        return FAILED
    left = sum(each.count("failed") + each.count("refused") for each in results)
    return DEAD_LETTERS if left else DONE

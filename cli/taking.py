"""What the words of ``storno reverse`` mean: a run, a scope, a plan's file, the job's policy."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compensations.plan import Blocker, Foreseen, Plan, Request
from ..compensations.scope import Condition, Scope
from ..domain.errors import NotAllowedError, NotFoundError, UsageError
from ..domain.ids import RunId
from ..domain.money import AmountError, at_places
from ..domain.policy import ReversalPolicy
from ..domain.reversal import MovedEntries, NetLine
from ..execution.catalog import find_job
from ..execution.project import Project
from ..execution.reversals import plan_reversal, posting_run
from ..storage import queries
from ..storage.store import Store
from .find import FoundRun, find_run
from .moments import parse_day
from .standing import refuse_unknown

if TYPE_CHECKING:
    from ..execution.job import Job

WAYS = "Name a run, or write --record JOB KEY ... or --chunk RUN N ..."


def scoped(
    store: Store,
    run: str | None,
    records: tuple[str, ...] | None,
    chunks: tuple[str, ...] | None,
    where: tuple[str, ...],
) -> tuple[FoundRun, Scope]:
    """The run that is meant, and what of it.

    Args:
        records: a job and keys; None where the option is not there.
        chunks: a run and numbers; likewise.

    Raises:
        UsageError: too little or too much is said.
        NotFoundError: there is no such run, or no such record was posted.
        NotAllowedError: it is a reversal that is to be taken back.
    """
    options = (("--record", records), ("--chunk", chunks))
    given = [name for name, words in options if words is not None]
    if run is not None and given:
        raise UsageError(f"{given[0]} names its run or its job itself: leave {run!r} out.")
    if len(given) > 1 or (where and given):
        raise UsageError("--record, --chunk and --where exclude each other.")
    if records is not None:
        return _of_records(store, records)
    if chunks is not None:
        return _of_chunks(store, chunks)
    if run is None:
        raise UsageError(f"what is to be taken back? {WAYS}")
    conditions = tuple(Condition.parse(text) for text in where)
    return _run(store, run), Scope(where=conditions)


def _of_records(store: Store, words: tuple[str, ...]) -> tuple[FoundRun, Scope]:
    job, *keys = words or ("",)
    if not keys:
        raise UsageError("--record: write the job's name, then the keys of its records.")
    try:
        run = posting_run(store, job, keys)
    except NotFoundError:
        refuse_unknown(store, job)
        raise
    return find_run(store, str(run)), Scope(keys=tuple(keys))


def _of_chunks(store: Store, words: tuple[str, ...]) -> tuple[FoundRun, Scope]:
    word, *numbers = words or ("",)
    if not numbers or not all(number.isdecimal() for number in numbers):
        raise UsageError("--chunk: write the run, then the numbers of its chunks.")
    return _run(store, word), Scope(chunks=tuple(sorted({int(n) for n in numbers})))


def _run(store: Store, word: str) -> FoundRun:
    """The run that is to be taken back; a reversal is not (accounting-rules, 5)."""
    try:
        return find_run(store, word)
    except NotFoundError:
        if any(row.reversal == word for row in queries.reversals(store)):
            raise NotAllowedError(
                f"{word} is a reversal, and a reversal is not reversed: post anew what it took "
                "back, with storno run JOB ... --again --reason TEXT."
            ) from None
        raise


def definition_of(project: Project, name: str) -> Job | None:
    """The job of that name, None where the project defines none.

    Raises:
        DefinitionError: the file that should define it cannot be loaded.
    """
    try:
        return find_job(project, name, current=Path.cwd())
    except NotFoundError:
        return None


def policy_of(project: Project, job: Job | None) -> ReversalPolicy:
    """What the job says about its reversals, else storno.toml, else the default."""
    return project.reversals.overridden_by(None if job is None else job.reversals)


def planned(
    store: Store,
    project: Project,
    run: FoundRun,
    scope: Scope,
    job: Job | None,
    *,
    date: str | None,
    red: bool,
) -> Plan:
    """The plan of what the options say."""
    policy = policy_of(project, job)
    return plan_reversal(
        store,
        run.id,
        scope,
        form=policy.form_for("red" if red else None),
        date=None if date is None else parse_day(date, "--date"),
        job=job,
        year_begins=policy.first_month,
    )


def plan_file(path: Path, document: dict[str, Any]) -> None:
    """Write a plan.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--out {path}: {error.strerror}.") from None


def _run_or_file(store: Store, what: str) -> FoundRun:
    try:
        return _run(store, what)
    except NotFoundError as error:
        raise NotFoundError(f"{what!r} is no file, and {error}") from None


def submitted(store: Store, project: Project, what: str) -> tuple[Request, Foreseen | None]:
    """What a plan's file asks for, with what it says; or all of a run.

    Raises:
        UsageError: the file is no plan.
        NotFoundError: there is neither such a file nor such a run.
    """
    path = Path(what)
    if not path.is_file():
        run = _run_or_file(store, what)
        form = policy_of(project, definition_of(project, run.job)).form_for()
        return Request(str(run.id), Scope(), form), None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return _asked(document), _foreseen(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, AmountError):
        raise UsageError(
            f"{what} is no plan: write one with storno reverse plan RUN --out {what}."
        ) from None


def _asked(document: dict[str, Any]) -> Request:
    form, date = document["form"], document["date"]
    if form not in ("black", "red"):
        raise ValueError(form)
    return Request(
        str(RunId.parse(document["run"])),
        Scope.read(document["scope"]),
        form,
        None if date is None else parse_day(date, "date"),
    )


def _foreseen(document: dict[str, Any]) -> Foreseen:
    """What ``plan_document`` wrote of the plan."""
    return Foreseen(
        digest=str(document["plan"]),
        reversible=int(document["reversible"]),
        blocked=int(document["blocked"]),
        net=tuple(map(_net_line, document["net"])),
        moves=tuple(
            MovedEntries(each["book"], each["period"], each["to"], int(each["entries"]))
            for each in document["moves"]
        ),
        blockers=tuple(Blocker(each["key"], each["why"]) for each in document["not_reversible"]),
    )


def _net_line(line: dict[str, Any]) -> NetLine:
    exponent = len(line["debit"].partition(".")[2])
    debit, credit = (
        at_places(Decimal(line[side]), line["currency"], exponent) for side in ("debit", "credit")
    )
    return NetLine(line["book"], line["account"], line["currency"], exponent, debit, credit)

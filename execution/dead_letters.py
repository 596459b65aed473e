"""Working dead letters off: they are corrected, tried again, or given up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ..domain import dead_letter as dead_letters
from ..domain import run as runs
from ..domain.dead_letter import DeadLetter
from ..domain.entry import Chart
from ..domain.errors import (
    ConflictError,
    ExpectationFailedError,
    NotAllowedError,
    StreamConflictError,
    UsageError,
)
from ..domain.events import Actor, Counts, Event, RecordCorrected
from ..domain.ids import ChunkId, RunId
from ..domain.run import RunState
from ..projections.changes import Recorded
from ..projections.dead_letters import KEYED, RETRIED
from . import letters as mailbox
from . import payloads, retrying
from .attempt import COMMIT_TRIES, Setting
from .holding import RetryHold
from .identity import this_worker
from .job import Job
from .journal import DeadLetterPlace, Journal, Store
from .letters import Covered, Letter
from .personal import Privacy
from .plan import Item, Plan
from .preparation import Feed
from .results import Silent
from .retried import Group, LetterPreparer, Retried, Tried, draw_letters
from .retrying import InterruptedRetryError
from .sealing import seal
from .signals import StopFlag, stopping
from .trying_out import try_out
from .wiring import parts, posting_rules

DISCARDED_AT_ONCE = 1_000
"""Dead letters given up in one commit."""

KILLED = "process-died"

Progress = Callable[[int], None]
"""Told how many are done, after each commit."""


class Retry(Struct, frozen=True, kw_only=True):
    """What came of trying the dead letters of one run again.

    Attributes:
        tried: what came of each.
        error: what ended it before all were tried; None where nothing did.
        interrupted: whether a signal did.
    """

    run: RunId
    tried: list[Tried]
    error: str | None = None
    interrupted: bool = False

    def count(self, outcome: str) -> int:
        """How many came to this."""
        return sum(each.outcome == outcome for each in self.tried)


class Edit(Struct, frozen=True, kw_only=True):
    """What a correction does to a record.

    Attributes:
        before: what was to be tried.
        after: what is from now on.
        changed: the fields that are not as they failed.
        moved_to: the key it has by that, where it is another one.
        faults: why it would not be valid.
        tried: what trying it again would come to; None where it was not tried out.
    """

    letter: Letter
    before: Any
    after: dict[str, Any]
    changed: tuple[str, ...]
    moved_to: str | None = None
    faults: str | None = None
    tried: Tried | None = None


class Working(Struct, frozen=True, kw_only=True):
    """A job, one of its runs, and who works on the run's dead letters.

    Attributes:
        parameters: the run's, as they are stored.
    """

    store: Store
    job: Job
    run: RunId
    parameters: Mapping[str, Any]
    actor: Actor
    chart: Chart = field(default_factory=Chart)

    def retry(
        self,
        places: Sequence[DeadLetterPlace],
        *,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> Retry:
        """Try dead letters of the run again: those that wait, as they were corrected or failed.

        Args:
            dry_run: only say what would come of it, and leave no trace.
            progress: told how many are done after each chunk.

        Raises:
            NotAllowedError: the run was abandoned or taken back.
            ConflictError: somebody works on the run or on its dead letters, or its job is another.
            FencedError: somebody began to do so meanwhile; what is committed stays.
        """
        journal = Journal(self.store)
        state = self._state(journal)
        if not places:
            return Retry(run=self.run, tried=[])
        flag = StopFlag()
        with stopping(flag):
            if dry_run:
                return self._dry_run(journal, state, places, flag)
            with RetryHold(journal, self.run, self.job.lease_seconds) as hold:
                hold.begin()
                return self._retry(journal, self._state(journal, held=True), places, flag, progress)

    def edit(
        self,
        place: DeadLetterPlace,
        changes: Mapping[str, str],
        reason: str,
        *,
        dry_run: bool = False,
    ) -> Edit:
        """Correct a dead letter's record; what failed stays as it was, beside it.

        Args:
            changes: the fields to set, as text.
            dry_run: only say what would come of it.

        Raises:
            UsageError: no reason, no such field, or, without ``dry_run``, not a valid record.
            NotAllowedError: it is posted or discarded, or the run was abandoned or taken back.
            ConflictError: somebody works on it.
        """
        journal = Journal(self.store)
        first: DeadLetter | None = None
        for _ in range(COMMIT_TRIES):
            state = self._state(journal)
            (letter,) = mailbox.read(journal, [place])
            if first is not None and letter.letter != first:
                raise ConflictError(
                    f"dead letter {letter.name} of run {self.run} was changed by somebody else "
                    "meanwhile: look at it again, then edit it."
                )
            first = letter.letter
            edit, moves = self._edited(journal, letter, changes, reason, dry_run=dry_run)
            if dry_run:
                return self._with_outcome(journal, state, edit, moves)
            if edit.faults is not None:
                raise UsageError(f"the record would not be valid, {edit.faults}.")
            if self._append(journal, state, [(letter, moves)]):
                return edit
        raise ConflictError(f"somebody keeps changing dead letter {place.key}: edit it later.")

    def _edited(
        self,
        journal: Journal,
        letter: Letter,
        changes: Mapping[str, str],
        reason: str,
        *,
        dry_run: bool,
    ) -> tuple[Edit, tuple[Event, ...]]:
        known = letter.letter
        if mailbox.is_of_reversal(letter.place):
            return _unchanged(letter), dead_letters.correct(known, b"", (), self.actor, reason)
        before = letter.values
        after = payloads.corrected(self.job, letter, changes)
        changed = payloads.changed_fields(self.job, letter, after)
        privacy = Privacy.of(journal, self.job, lasting=not dry_run)
        encoded = payloads.stored(letter, after, privacy)
        moves = dead_letters.correct(known, encoded, changed, self.actor, reason)
        tried = _as_corrected(letter, moves, after)
        drawn = draw_letters(self.job, self._no_chunk, [tried], 0, letter.place.partition, privacy)
        failed = drawn.failures.get(0)
        faults = failed.message if failed is not None else payloads.refusal(self.job, tried)
        moved_to = None
        if failed is None and drawn.streams[0] != letter.stream:
            moved_to = drawn.keys[0]
            moves = dead_letters.correct(
                known, encoded, changed, self.actor, reason, moved_to=moved_to
            )
        edit = Edit(
            letter=letter,
            before=before,
            after=after,
            changed=changed,
            moved_to=moved_to,
            faults=faults,
        )
        return edit, moves

    def _with_outcome(
        self, journal: Journal, state: RunState, edit: Edit, moves: tuple[Event, ...]
    ) -> Edit:
        if edit.faults is not None:
            return edit
        letter = _as_corrected(edit.letter, moves, edit.after)
        preparer = self._preparer(journal, state, StopFlag(), dry_run=True)
        try:
            with preparer.watchdog.watching():
                (tried,) = try_out(journal, self.job, self._no_chunk, preparer, [letter])
        finally:
            preparer.isolated.close()
        return replace(edit, tried=tried)

    @property
    def _no_chunk(self) -> ChunkId:
        """Where records are drawn that nothing is written of."""
        return ChunkId(self.run, f"{RETRIED}0", 0)

    def _append(
        self, journal: Journal, state: RunState, moved: Iterable[tuple[Letter, tuple[Event, ...]]]
    ) -> bool:
        """Append what is done to letters, if they and the run are as they were read."""
        return append(journal, {self.run.stream: state.version}, moved)

    def _state(self, journal: Journal, *, held: bool = False) -> RunState:
        """Where the run stands; whoever is at it is told to wait.

        Args:
            held: whether we hold its dead letters already.
        """
        state = mailbox.run_at_rest(journal, self.run, held=held)
        runs.permit_retry(state, str(self.run))
        runs.check_identity(state, self.job.identity)
        return state

    def _preparer(
        self, journal: Journal, state: RunState, flag: StopFlag, *, dry_run: bool = False
    ) -> LetterPreparer:
        parameters = self.job.parse_parameters(self.parameters)
        return LetterPreparer(
            **parts(journal, self.job, self.run, parameters, state.attempt, dry_run=dry_run),
            rules=posting_rules(journal, self.job, self.chart),
            feed=Feed(self.job.source),
            partition="",
            flag=flag,
        )

    def _dry_run(
        self,
        journal: Journal,
        state: RunState,
        places: Sequence[DeadLetterPlace],
        flag: StopFlag,
    ) -> Retry:
        preparer = self._preparer(journal, state, flag, dry_run=True)
        try:
            with preparer.watchdog.watching():
                letters = mailbox.read(journal, places)
                tried = try_out(journal, self.job, self._no_chunk, preparer, letters)
        finally:
            preparer.isolated.close()
        return Retry(run=self.run, tried=tried, interrupted=flag.by_signal)

    def _retry(
        self,
        journal: Journal,
        state: RunState,
        places: Sequence[DeadLetterPlace],
        flag: StopFlag,
        progress: Progress | None,
    ) -> Retry:
        preparer = self._preparer(journal, state, flag)
        groups = list(self._groups(journal, state, places))
        setting = self._setting(journal, state, preparer, flag)
        attempt = Retried(setting, preparer, groups, self.actor, progress)
        try:
            with preparer.watchdog.watching():
                attempt.work()
        finally:
            preparer.isolated.close()
        trouble = attempt.trouble
        error = None
        if trouble is not None and not isinstance(trouble.error, InterruptedRetryError):
            tries = f" ({trouble.tries} tries)" if trouble.tries > 1 else ""
            error = f"{trouble.error}{tries}; the chunk that it was at is not written."
        return Retry(run=self.run, tried=attempt.tried, error=error, interrupted=flag.by_signal)

    def _groups(
        self, journal: Journal, state: RunState, places: Sequence[DeadLetterPlace]
    ) -> Iterator[Group]:
        """Letters that may share chunks: counted by the run or not, killers for themselves."""
        number = 1 + journal.last_partition(self.run, RETRIED, KEYED + RETRIED)
        covered = Covered(journal, self.run, state)

        def kind(place: DeadLetterPlace) -> tuple[bool, bool, str]:
            counted = (place.partition, place.ordinal) in covered
            return place.error == KILLED, not counted, place.partition

        ordered = sorted(places, key=lambda place: (kind(place), place.ordinal))
        for (isolated, uncounted, partition), group in groupby(ordered, key=kind):
            chunks = f"{KEYED if uncounted else ''}{RETRIED}{number}"
            yield Group(chunks, partition, isolated, list(group))

    def _setting(
        self, journal: Journal, state: RunState, preparer: LetterPreparer, flag: StopFlag
    ) -> Setting:
        nothing = Item(self._no_chunk, 0, {}, 0)
        return Setting(
            journal=journal,
            job=self.job,
            run=self.run,
            parameters=self.parameters,
            state=state,
            plan=Plan((), nothing, Counts(), {}, (), ()),
            versions={},
            tail=None,
            preparer=preparer,
            observer=Silent(),
            flag=flag,
            worker=str(this_worker()),
        )


def _as_corrected(letter: Letter, moves: tuple[Event, ...], row: dict[str, Any]) -> Letter:
    """The letter after its correction; as it is where that changes nothing."""
    known = letter.letter
    for event in moves:
        assert isinstance(event, RecordCorrected), "an edit is a correction"
        known = replace(known, status=dead_letters.Status.CORRECTED, correction=event)
    closed = tuple(
        name for name in letter.closed if name in row and row[name] == letter.values[name]
    )
    return replace(letter, letter=known, values=row, closed=closed)


def _unchanged(letter: Letter) -> Edit:
    values = letter.values
    return Edit(letter=letter, before=values, after=values, changed=())


def discard(
    store: Store,
    places: Sequence[DeadLetterPlace],
    actor: Actor,
    reason: str,
    progress: Progress | None = None,
) -> int:
    """Give dead letters up, in commits of bounded size; those that are stay as they are.

    What a reversal could not take back is settled by that.

    Returns:
        How many were given up.

    Raises:
        UsageError: no reason.
        NotAllowedError: one is posted, or may have been carried out.
        ConflictError: somebody works on its run.
    """
    journal = Journal(store)
    discarded = done = 0
    for run, of_run in groupby(places, key=lambda place: place.run):
        listed = list(of_run)
        for start in range(0, len(listed), DISCARDED_AT_ONCE):
            some = listed[start : start + DISCARDED_AT_ONCE]
            discarded += _discard(journal, run, some, actor, reason)
            done += len(some)
            if progress is not None:
                progress(done)
    return discarded


def _discard(
    journal: Journal, run: str, places: Sequence[DeadLetterPlace], actor: Actor, reason: str
) -> int:
    for _ in range(COMMIT_TRIES):
        expect: dict[str, int] = {}
        covered: Covered | None = None
        if not mailbox.is_of_reversal(places[0]):
            name = RunId.parse(run)
            state = mailbox.run_at_rest(journal, name)
            runs.permit_discard(state, run)
            expect = {name.stream: state.version}
            covered = Covered(journal, name, state)
        moved = []
        for letter in mailbox.read(journal, places):
            counted = covered is not None and (letter.place.partition, letter.ordinal) in covered
            try:
                moves = dead_letters.discard(letter.letter, actor, reason, counted=counted)
            except NotAllowedError as error:
                raise NotAllowedError(f"{letter.name} of run {run}: {error}") from None
            moved.append((letter, moves))
        if append(journal, expect, moved):
            return sum(len(moves) for _, moves in moved)
    raise ConflictError(f"somebody keeps changing the dead letters of run {run}: try later.")


def append(
    journal: Journal,
    expect: Mapping[str, int],
    moved: Iterable[tuple[Letter, tuple[Event, ...]]],
) -> bool:
    """Append what is done to letters; False where one of them, or what is expected, has moved."""
    versions: dict[str, int] = {}
    events = []
    for letter, moves in moved:
        for event in moves:
            version = versions.get(letter.stream, letter.version) + 1
            versions[letter.stream] = version
            events.append(Recorded(letter.stream, version, event))
    if not events:
        return True
    sealed = seal(events)

    def once() -> bool:
        try:
            journal.append(sealed, expect)
        except (StreamConflictError, ExpectationFailedError):
            return journal.holds(sealed)
        return True

    return retrying.store_call(once)

"""Dead letters tried again: read from the store, worked on chunk by chunk, counted in their run.

The chunks stand beside those of the input. Each of their commits rests on the run being as it was,
and on every one of its letters still waiting; so a letter is settled once, whoever else is at it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import sqlalchemy as sa
from msgspec import Struct, field

from ..domain.chunk import CRASHES_BEFORE_ISOLATION
from ..domain.dead_letter import resolve
from ..domain.errors import ConflictError, StreamConflictError
from ..domain.events import Actor, ChunkCompleted, Event, RecordFailed, RecordSucceeded
from ..domain.ids import ChunkId
from ..domain.record import RecordState
from ..domain.run import RunState
from ..projections.changes import Recorded
from . import letters as mailbox
from . import payloads
from .attempt import COMMIT_TRIES, Closing, Setting
from .careful import Careful, Done
from .decide import Decided
from .draw import Drawn, draw
from .job import Job
from .journal import DeadLetterPlace
from .letters import Letter, failure
from .personal import Privacy
from .plan import Item
from .preparation import Extent, Prepared, Preparer
from .sealing import seal
from .sources.base import Batch
from .troubles import Trouble, with_retries


class LettersChangedError(ConflictError):
    """Somebody settled or corrected one of the letters meanwhile: they are looked at anew."""


class Tried(Struct, frozen=True):
    """What came of a letter.

    Attributes:
        outcome: succeeded, skipped (posted before with the same content), failed, or refused (it
            cannot be tried as it is).
        error: a stable code, where it failed.
        message: why it failed or was refused.
        moved_to: the key that it has by its correction.
        event: what would be written, where it is only tried out.
    """

    letter: Letter
    outcome: str
    error: str = ""
    message: str = ""
    moved_to: str | None = None
    event: Event | None = None


class Group(Struct, frozen=True):
    """Letters that are tried in the same chunks.

    Attributes:
        chunks: what the chunks' partition is called.
        partition: of the records.
        isolated: whether one of them has ended its process before.
        places: the letters'.
    """

    chunks: str
    partition: str
    isolated: bool
    places: Sequence[DeadLetterPlace]


class LetterPreparer(Preparer, kw_only=True):
    """Draws its records from dead letters instead of from the source.

    Attributes:
        letters: those of the chunk that is worked on.
        chunk: the chunk's stream.
    """

    letters: list[Letter] = field(default_factory=list)
    chunk: str = ""

    def draw(
        self,
        item: Item,
        *,
        tries: int,
        limit: int | None = None,
        keys: object = None,
    ) -> Prepared:
        """Validate the letters' records, the first ``limit`` of them; none is chosen by key."""
        del keys
        chosen = self.letters[:limit]
        drawn = draw_letters(
            self.job, item.chunk, chosen, self.attempt, self.partition, self.privacy
        )
        return Prepared(
            item=item,
            read=len(chosen),
            next_offset={},
            digest=None,
            position=None,
            end=True,
            drawn=drawn,
            work=self._work(item, drawn, tries),
            rules=self.rules,
            batch_size=len(chosen),
        )


def draw_letters(
    job: Job,
    chunk: ChunkId,
    letters: Sequence[Letter],
    attempt: int,
    partition: str,
    privacy: Privacy | None,
) -> Drawn:
    """Validate and name the letters' records as the source's would be.

    What is not valid stays in its stream; what is has the stream of the key that it has now.
    """
    rows = [each.values for each in letters]
    batch = Batch(rows, False, {}, None, True, lambda index: failure(letters[index]).location)
    ordinals = [each.ordinal for each in letters]
    first = ordinals[0]
    drawn = draw(
        job, chunk, batch, attempt=attempt, partition=partition, first_ordinal=first,
        ordinals=ordinals, privacy=privacy,
    )  # fmt: skip
    for index, each in enumerate(letters):
        record = drawn.records[index]
        if record is not None and (stray := payloads.strays(each, record)):
            drawn.records[index] = None
            drawn.failures[index] = drawn.failed(
                index,
                "not-repeatable",
                f"validated once more, {', '.join(stray)} would be something else than before: set "
                "it with 'storno dead-letters edit', or read the input once more",
            )
        if drawn.records[index] is None:
            _keep_in_its_stream(drawn, index, each)
    return drawn


def _keep_in_its_stream(drawn: Drawn, index: int, letter: Letter) -> None:
    stored = letter.letter.failed.key
    drawn.streams[index] = letter.stream
    drawn.keys[index] = letter.place.key or ""
    drawn.hashed_keys.pop(index, None)
    if stored is not None:
        drawn.hashed_keys[index] = stored
    drawn.failures[index] = msgspec.structs.replace(drawn.failures[index], key=stored)


class Retried(Careful):
    """Works through groups of dead letters of one run, which is at rest.

    Attributes:
        tried: what came of each that was looked at, in order.
        trouble: what kept a chunk from being worked through; nothing of it is written.
    """

    def __init__(
        self,
        setting: Setting,
        preparer: LetterPreparer,
        groups: Sequence[Group],
        actor: Actor,
        progress: Callable[[int], None] | None,
    ) -> None:
        super().__init__(setting)
        self.tried: list[Tried] = []
        self.trouble: Trouble | None = None
        self._preparer = preparer
        self._groups = groups
        self._actor = actor
        self._progress = progress
        self._states: Mapping[str, RecordState] = {}
        self._versions: dict[str, int] = {}
        self._rests_on: dict[str, int] = {}
        self._outcomes: list[Tried] = []

    def work(self) -> None:
        """Go through the groups, chunk after chunk."""
        done = 0
        numbers: dict[str, int] = {}
        for group in self._groups:
            start = 0
            while start < len(group.places) and not self.set.flag and self.trouble is None:
                number = numbers.get(group.chunks, 0)
                places = group.places[start : start + self.job.chunk_size]
                taken, wrote = self._tackle(group, places, number)
                numbers[group.chunks] = number + wrote
                start += taken
                done += taken
                if self._progress is not None:
                    self._progress(done)

    def _tackle(
        self, group: Group, places: Sequence[DeadLetterPlace], number: int
    ) -> tuple[int, bool]:
        """Try some letters; how many have an outcome now, and whether a chunk was committed."""
        preparer = self._preparer
        chunk = ChunkId(self.set.run, group.chunks, number)
        preparer.chunk = chunk.stream
        crashes = CRASHES_BEFORE_ISOLATION if group.isolated else 0
        for _ in range(COMMIT_TRIES):
            letters, refused = sort_out(self.job, mailbox.read(self.journal, places))
            if not letters:
                self.tried += refused
                return len(places), False
            preparer.letters, preparer.partition = letters, group.partition
            item = Item(chunk, 0, {}, letters[0].ordinal, None, crashes)
            try:
                done = with_retries(self.set, item, lambda tries: self._try(item, tries))  # noqa: B023
            except LettersChangedError:
                continue
            if isinstance(done, Trouble):
                self.trouble = done
                return 0, False
            self.tried += self._outcomes
            if len(self._outcomes) == len(letters):
                self.tried += refused
                return len(places), True
            last = letters[len(self._outcomes) - 1].ordinal  # the chunk closed early
            taken = [place.ordinal for place in places].index(last) + 1
            passed = {place.ordinal for place in places[:taken]}
            self.tried += [each for each in refused if each.letter.ordinal in passed]
            return taken, True
        raise StreamConflictError(
            f"run {self.set.run}: somebody keeps changing the same dead letters: try again later."
        )

    def _announced(self, prepared: Prepared) -> dict[str, RecordState]:
        states = super()._announced(prepared)
        self._confirm()
        return states

    def _confirm(self) -> None:
        """Make sure that the letters are as they were drawn; note where their streams stand.

        Raises:
            LettersChangedError: one of them is not.
        """
        before = self._preparer.letters
        now = mailbox.read(self.journal, [each.place for each in before])
        for was, is_ in zip(before, now, strict=True):
            same = (was.letter.status, was.letter.failed_version, was.letter.correction)
            if same != (is_.letter.status, is_.letter.failed_version, is_.letter.correction):
                raise LettersChangedError(
                    f"dead letter {was.name} of run {self.set.run} was changed by somebody."
                )
        self._versions = {each.stream: each.version for each in now}

    def _decide(
        self,
        prepared: Prepared,
        states: Mapping[str, RecordState],
        done: Done,
        connection: sa.Connection | None,
    ) -> Closing:
        self._states = states
        return super()._decide(prepared, states, done, connection)

    def closing(self, prepared: Extent, decided: Decided) -> Closing:
        """The letters' outcomes, with a chunk of their own that counts them."""
        assert isinstance(prepared, Prepared), "letters are drawn, never settled unseen"
        chunk = prepared.item.chunk
        letters = self._preparer.letters[: decided.counts.read]
        events = self._linked(prepared.drawn, decided, letters)
        completed = ChunkCompleted(
            attempt=self.state.attempt,
            first_offset={},
            next_offset={},
            first_ordinal=letters[0].ordinal,
            counts=decided.counts,
            totals=decided.totals,
            skipped_keys=tuple(decided.skipped_keys),
        )
        claim = prepared.item.claim(self.state.attempt, self.set.worker, self.job.lease_seconds)
        claim = msgspec.structs.replace(claim, actor=self._actor, code=self.job.code)
        proof = Recorded(chunk.stream, 2, completed)
        sealed = seal([*events, Recorded(chunk.stream, 1, claim), proof])
        return Closing(sealed, proof, counts=decided.counts, totals=decided.totals)

    def _linked(self, drawn: Drawn, decided: Decided, letters: Sequence[Letter]) -> list[Recorded]:
        """The commit's record events: each letter's stream says what became of it.

        Where a key was corrected, the old stream and the new one name each other.
        """
        own = outcomes_by_ordinal(decided)
        events, resolved = [], []
        self._outcomes, self._rests_on = [], {}
        for index, letter in enumerate(letters):
            written = own.get(letter.ordinal)
            moved_to = drawn.keys[index] if drawn.streams[index] != letter.stream else None
            skipped = written is None and not is_here(drawn, index, self._states)
            if written is not None:
                if moved_to is not None:
                    event = msgspec.structs.replace(written.event, moved_from=letter.stream)
                    written = written._replace(event=event)
                events.append(written)
            if written is not None and isinstance(written.event, RecordFailed):
                if moved_to is not None:
                    self._rests_on[letter.stream] = self._versions[letter.stream]
            elif written is None or moved_to is not None:
                through = resolve(
                    letter.letter, drawn.chunk.label, moved_to=moved_to, skipped=skipped
                )
                resolved.append((letter.stream, through))
            self._outcomes.append(outcome_of(letter, written, moved_to, skipped=skipped))
        return [*events, *self._behind(events, resolved)]

    def _behind(
        self, events: Sequence[Recorded], resolved: Sequence[tuple[str, Event]]
    ) -> Iterator[Recorded]:
        """Further events, each behind what its stream has."""
        versions = self._versions | {each.stream: each.version for each in events}
        for stream, event in resolved:
            versions[stream] += 1
            yield Recorded(stream, versions[stream], event)

    def expect(self, closing: Closing) -> dict[str, int]:
        """The run is as it was, and so are the letters that this commit does not write to."""
        expected = super().expect(closing)
        if isinstance(closing.proof.event, ChunkCompleted):
            written = set(closing.sealed.events.streams)
            expected |= {
                stream: version
                for stream, version in self._rests_on.items()
                if stream not in written
            }
        return expected

    def conflicted(self) -> None:
        """Whether it is our own chunk that somebody else committed."""
        if self.journal.has_events(self._preparer.chunk):
            self._fenced("has its dead letters tried again by another process")

    def _take_up(self, state: RunState) -> None:
        """The run is at rest, and has to stay so."""
        if state.version != self.state.version:
            self._fenced(f"was started or changed by somebody else, it is {state.status}")


def sort_out(job: Job, found: Sequence[Letter]) -> tuple[list[Letter], list[Tried]]:
    """Letters that can be tried, and those that cannot be tried as they are.

    Letters that somebody settled meanwhile are left out.
    """
    letters, refused = [], []
    for each in found:
        if not each.letter.waits:
            continue
        why = payloads.refusal(job, each)
        if why is None:
            letters.append(each)
        else:
            refused.append(Tried(each, "refused", "not-retriable", why))
    return letters, refused


def is_here(drawn: Drawn, index: int, states: Mapping[str, RecordState]) -> bool:
    """Whether the posting that stands for a record is of this very one."""
    state = states.get(drawn.streams[index])
    posting = None if state is None else state.posting
    place = (drawn.chunk.run.name, drawn.partition, drawn.ordinal(index))
    return posting is not None and (posting.run, posting.partition, posting.ordinal) == place


def outcomes_by_ordinal(decided: Decided) -> dict[int, Recorded]:
    """What is written for each record that was posted or failed."""
    return {
        each.event.ordinal: each
        for each in decided.events
        if isinstance(each.event, RecordSucceeded | RecordFailed)
    }


def outcome_of(
    letter: Letter, written: Recorded | None, moved_to: str | None, *, skipped: bool
) -> Tried:
    """What came of a letter, from the event that was written for it."""
    event = None if written is None else written.event
    if isinstance(event, RecordFailed):
        return Tried(letter, "failed", event.error, event.message, moved_to, event)
    return Tried(letter, "skipped" if skipped else "succeeded", moved_to=moved_to, event=event)

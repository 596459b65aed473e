"""The eventsourcing package's recorders, on the same log and by the same append as everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from eventsourcing import persistence as es
from typing_extensions import override

from ..domain.errors import ExpectationFailedError, StornoError, StreamConflictError
from ..domain.seal import NewEvents
from .dialect import Commit
from .engine import writer
from .log import EventLog, Project
from .schema import create_log, tracking_table
from .subscription import LogSubscription

_ERRORS: tuple[tuple[type[sa.exc.DBAPIError], type[es.PersistenceError]], ...] = (
    (sa.exc.InterfaceError, es.InterfaceError),
    (sa.exc.DataError, es.DataError),
    (sa.exc.OperationalError, es.OperationalError),
    (sa.exc.IntegrityError, es.IntegrityError),
    (sa.exc.InternalError, es.InternalError),
    (sa.exc.ProgrammingError, es.ProgrammingError),
    (sa.exc.NotSupportedError, es.NotSupportedError),
    (sa.exc.DatabaseError, es.DatabaseError),
)


@contextmanager
def eventsourcing_errors() -> Iterator[None]:
    """Raise what goes wrong as the class of ``eventsourcing.persistence`` that stands for it."""
    try:
        yield
    except (StreamConflictError, ExpectationFailedError) as error:
        raise es.IntegrityError(str(error)) from error
    except (StornoError, sa.exc.TimeoutError) as error:
        raise es.OperationalError(str(error)) from error
    except sa.exc.DBAPIError as error:
        found = (meant for raised, meant in _ERRORS if isinstance(error, raised))
        raise next(found, es.PersistenceError)(str(error)) from error


class AggregateRecorder(es.AggregateRecorder):
    """Events of aggregates by originator and version.

    Args:
        log: the log that holds them; its application names the tables.
        uuids: originator ids are UUIDs (stored as 32 hexadecimal digits), not text.
    """

    def __init__(self, log: EventLog, *, uuids: bool = True) -> None:
        self.log = log
        self._uuids = uuids

    def create_table(self) -> None:
        """Create the log's tables where they are missing."""
        with eventsourcing_errors(), writer(self.log.engine).begin() as connection:
            self._create(connection)

    @override
    def insert_events(
        self, stored_events: Sequence[es.StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        self._append(stored_events)
        return None

    @override
    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[es.StoredEvent]:
        events = self.log.tables.events.c
        select = sa.select(events.stream, events.version, events.topic, events.state).where(
            events.stream == _stream(originator_id)
        )
        if gt is not None:
            select = select.where(events.version > gt)
        if lte is not None:
            select = select.where(events.version <= lte)
        order = events.version.desc() if desc else events.version.asc()
        with eventsourcing_errors(), self.log.engine.connect() as connection:
            rows = connection.execute(select.order_by(order).limit(limit))
            return [es.StoredEvent(self._originator(stream), *rest) for stream, *rest in rows]

    def _create(self, connection: sa.Connection) -> None:
        create_log(connection, self.log.tables)

    def _append(
        self, stored_events: Sequence[es.StoredEvent], project: Project | None = None
    ) -> list[int]:
        """Append, and return the positions given."""
        if not stored_events:
            return []
        with eventsourcing_errors():
            commit = self.log.append(NewEvents.of(map(_row, stored_events)), project=project)
        return list(range(commit.first_position, commit.last_position + 1))

    def _originator(self, stream: str) -> UUID | str:
        return UUID(stream) if self._uuids else stream


class ApplicationRecorder(AggregateRecorder, es.ApplicationRecorder):
    """Events of an application by position, besides; notification ids are positions."""

    @override
    def insert_events(
        self, stored_events: Sequence[es.StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        return self._append(stored_events)

    @override
    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[es.Notification]:
        events = self.log.tables.events.c
        select = sa.select(
            events.position, events.stream, events.version, events.topic, events.state
        )
        if start is not None:
            first = start if inclusive_of_start else start + 1
            select = select.where(events.position >= first)
        if stop is not None:
            select = select.where(events.position <= stop)
        if topics:
            select = select.where(events.topic.in_(topics))
        with eventsourcing_errors(), self.log.engine.connect() as connection:
            rows = connection.execute(select.order_by(events.position).limit(limit))
            return [
                es.Notification(self._originator(stream), version, topic, state, position)
                for position, stream, version, topic, state in rows
            ]

    @override
    def max_notification_id(self) -> int | None:
        select = sa.select(sa.func.max(self.log.tables.events.c.position))
        with eventsourcing_errors(), self.log.engine.connect() as connection:
            last: int | None = connection.execute(select).scalar_one()
            return last

    @override
    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> es.Subscription[es.ApplicationRecorder]:
        return LogSubscription(self, self.log, gt=gt, topics=topics)


class TrackingRecorder(es.TrackingRecorder):
    """How far an application has followed others; the base of views that are kept with that.

    A view subclasses it, and writes its own rows and the tracking in one transaction::

        with eventsourcing_errors(), writer(self.engine).begin() as connection:
            self.track(connection, tracking)
            connection.execute(...)
    """

    def __init__(self, engine: sa.Engine, application: str = "") -> None:
        self.engine = engine
        self._tracking = tracking_table(application)
        name = self._tracking.name
        self._advance = sa.text(
            f"INSERT INTO {name} VALUES (:application_name, :notification_id) "
            "ON CONFLICT (application_name) DO UPDATE "
            "SET notification_id = excluded.notification_id "
            f"WHERE {name}.notification_id < excluded.notification_id "
            "RETURNING notification_id"
        )

    def create_table(self) -> None:
        """Create the tables where they are missing."""
        with eventsourcing_errors(), writer(self.engine).begin() as connection:
            self._create(connection)

    @override
    def insert_tracking(self, tracking: es.Tracking) -> None:
        with eventsourcing_errors(), writer(self.engine).begin() as connection:
            self.track(connection, tracking)

    @override
    def max_tracking_id(self, application_name: str) -> int | None:
        select = sa.select(self._tracking.c.notification_id).where(
            self._tracking.c.application_name == application_name
        )
        with eventsourcing_errors(), self.engine.connect() as connection:
            return connection.execute(select).scalar_one_or_none()

    def track(self, connection: sa.Connection, tracking: es.Tracking) -> None:
        """Record a position in the transaction given; IntegrityError unless it moves forward."""
        values = {
            "application_name": tracking.application_name,
            "notification_id": tracking.notification_id,
        }
        if connection.execute(self._advance, values).first() is None:
            raise es.IntegrityError(
                f"{tracking.application_name} has been followed to {tracking.notification_id} "
                "or further already"
            )

    def _create(self, connection: sa.Connection) -> None:
        self._tracking.metadata.create_all(connection)


class ProcessRecorder(TrackingRecorder, ApplicationRecorder, es.ProcessRecorder):
    """Events and the position that caused them, in one commit."""

    def __init__(self, log: EventLog, *, application: str = "", uuids: bool = True) -> None:
        TrackingRecorder.__init__(self, log.engine, application)
        ApplicationRecorder.__init__(self, log, uuids=uuids)

    @override
    def insert_events(
        self, stored_events: Sequence[es.StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        tracking: es.Tracking | None = kwargs.get("tracking")
        if tracking is None:
            return self._append(stored_events)
        if not stored_events:
            self.insert_tracking(tracking)
            return []

        def track(connection: sa.Connection, _commit: Commit) -> None:
            self.track(connection, tracking)

        return self._append(stored_events, track)

    @override
    def _create(self, connection: sa.Connection) -> None:
        TrackingRecorder._create(self, connection)
        ApplicationRecorder._create(self, connection)


def _stream(originator_id: UUID | str) -> str:
    return originator_id.hex if isinstance(originator_id, UUID) else originator_id


def _row(event: es.StoredEvent) -> tuple[str, int, str, bytes]:
    return _stream(event.originator_id), event.originator_version, event.topic, event.state

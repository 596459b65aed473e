"""The eventsourcing package's way in: ``PERSISTENCE_MODULE=storno.storage.factory``.

Environment variables, each also with the application's name and an underscore before it:

``STORNO_STORE``
    The store's URL.
``ORIGINATOR_ID_TYPE``
    ``uuid`` (the default) or ``text``.
``CREATE_TABLE``
    ``yes`` (the default) makes the store and the application's tables where they are missing.
``APPLICATION_RECORDER_TOPIC``, ``TRACKING_RECORDER_TOPIC``, ``PROCESS_RECORDER_TOPIC``
    Subclasses of this module's recorders to be used instead.

Every application has tables of its own in the store, named after it; the store's own log is that
of the application without a name.
"""

from __future__ import annotations

from typing import Final, TypeVar

import sqlalchemy as sa
from eventsourcing import persistence as es
from eventsourcing.utils import Environment, EnvType, resolve_topic, strtobool
from typing_extensions import override

from ..domain.errors import ConflictError, StoreMissingError
from .engine import create_engine
from .log import EventLog
from .migrate import check, init
from .recorders import (
    AggregateRecorder,
    ApplicationRecorder,
    ProcessRecorder,
    TrackingRecorder,
    eventsourcing_errors,
)

_Recorder = TypeVar("_Recorder", bound=es.Recorder)


class StornoFactory(es.InfrastructureFactory[TrackingRecorder]):
    """Makes the recorders of one application in a store."""

    STORNO_STORE: Final = "STORNO_STORE"
    ORIGINATOR_ID_TYPE: Final = "ORIGINATOR_ID_TYPE"
    CREATE_TABLE: Final = "CREATE_TABLE"

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        self._uuids = self._read_id_type() == "uuid"
        self.engine = create_engine(self._read_url())
        self._found = False

    @override
    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        recorder = AggregateRecorder(self._log(f"{self.env.name}_{purpose}"), uuids=self._uuids)
        if self._creates():
            recorder.create_table()
        return recorder

    @override
    def application_recorder(self) -> ApplicationRecorder:
        chosen = self._chosen(self.APPLICATION_RECORDER_TOPIC, ApplicationRecorder)
        recorder = chosen(self._log(self.env.name), uuids=self._uuids)
        if self._creates():
            recorder.create_table()
        return recorder

    @override
    def tracking_recorder(
        self, tracking_recorder_class: type[TrackingRecorder] | None = None
    ) -> TrackingRecorder:
        chosen = tracking_recorder_class or self._chosen(
            self.TRACKING_RECORDER_TOPIC, TrackingRecorder
        )
        recorder = chosen(self.engine, self.env.name)
        if self._creates():
            recorder.create_table()
        return recorder

    @override
    def process_recorder(self) -> ProcessRecorder:
        chosen = self._chosen(self.PROCESS_RECORDER_TOPIC, ProcessRecorder)
        name = self.env.name
        recorder = chosen(self._log(name), application=name, uuids=self._uuids)
        if self._creates():
            recorder.create_table()
        return recorder

    @override
    def close(self) -> None:
        self.engine.dispose()

    def _read_url(self) -> str:
        url = self.env.get(self.STORNO_STORE)
        if not url:
            keys = ", ".join(self.env.create_keys(self.STORNO_STORE))
            raise OSError(f"The store's URL is missing in the environment: set one of {keys}.")
        return url

    def _read_id_type(self) -> str:
        kind = self.env.get(self.ORIGINATOR_ID_TYPE, "uuid").lower()
        if kind not in {"uuid", "text"}:
            raise OSError(f"{self.ORIGINATOR_ID_TYPE} is {kind!r}; it can be 'uuid' or 'text'.")
        return kind

    def _chosen(self, key: str, default: type[_Recorder]) -> type[_Recorder]:
        topic = self.env.get(key)
        return resolve_topic(topic) if topic else default

    def _log(self, application: str) -> EventLog:
        return EventLog(self.engine, application)

    def _creates(self) -> bool:
        """Whether tables are to be created; makes the store first, if there is none."""
        if not strtobool(self.env.get(self.CREATE_TABLE, "yes")):
            return False
        if not self._found:
            with eventsourcing_errors():
                _find_or_make(self.engine)
            self._found = True
        return True


def _find_or_make(engine: sa.Engine) -> None:
    try:
        check(engine)
    except StoreMissingError:
        try:
            init(engine.url)
        except ConflictError:
            check(engine)  # Somebody made it just now.


Factory = StornoFactory

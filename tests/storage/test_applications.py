"""The eventsourcing package's shipped application and projection suites, on every database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from eventsourcing.persistence import Tracking
from eventsourcing.tests import application as shipped_application
from eventsourcing.tests import projection as shipped_projection
from eventsourcing.utils import get_topic

from storno.storage.engine import writer
from storno.storage.factory import StornoFactory
from storno.storage.recorders import TrackingRecorder, eventsourcing_errors

from .suites import OnStore, on_each_database


class OnEnvironment(OnStore):
    """The store named by environment variables, as an application's operator would."""

    @pytest.fixture(autouse=True)
    def name_store(self, make_store: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PERSISTENCE_MODULE", "storno.storage.factory")
        monkeypatch.setenv("STORNO_STORE", self.url)


@on_each_database
class TestExampleApplication(OnEnvironment, shipped_application.ExampleApplicationTestCase):
    expected_factory_topic = get_topic(StornoFactory)


@on_each_database
class TestApplication(OnEnvironment, shipped_application.ApplicationTestCase):
    pass


class EventCounters(TrackingRecorder, shipped_projection.EventCountersView):
    """A view of two counters, each row written with the position that it counts."""

    counters = sa.Table(
        "counters",
        sa.MetaData(),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
    )

    def _create(self, connection: sa.Connection) -> None:
        super()._create(connection)
        self.counters.metadata.create_all(connection)

    def get_created_event_counter(self) -> int:
        return self._read("created")

    def get_subsequent_event_counter(self) -> int:
        return self._read("subsequent")

    def incr_created_event_counter(self, tracking: Tracking) -> None:
        self._increment("created", tracking)

    def incr_subsequent_event_counter(self, tracking: Tracking) -> None:
        self._increment("subsequent", tracking)

    def _read(self, kind: str) -> int:
        counters = self.counters.c
        select = sa.select(counters.count).where(counters.kind == kind)
        with self.engine.connect() as connection:
            return connection.execute(select).scalar_one_or_none() or 0

    def _increment(self, kind: str, tracking: Tracking) -> None:
        upsert = sa.text(
            "INSERT INTO counters VALUES (:kind, 1) "
            "ON CONFLICT (kind) DO UPDATE SET count = counters.count + 1"
        )
        with eventsourcing_errors(), writer(self.engine).begin() as connection:
            connection.execute(upsert, {"kind": kind})
            self.track(connection, tracking)


@on_each_database
class TestEventCountersView(OnStore, shipped_projection.EventCountersViewTestCase):
    def construct_event_counters_view(self) -> EventCounters:
        view = EventCounters(self.engine, "eventcounters")
        view.create_table()
        return view


@on_each_database
class TestProjection(OnEnvironment, shipped_projection.AggregateEventCountersProjectionTestCase):
    view_class = EventCounters


@on_each_database
class TestEventSourcedProjection(OnEnvironment, shipped_projection.EventSourcedProjectionTestCase):
    pass

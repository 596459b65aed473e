"""The suites that the eventsourcing package ships for recorders, unmodified, on every database.

Those that name originators run twice, with UUIDs and with text; what is optional upstream is not
optional here.
"""

from __future__ import annotations

from uuid import UUID, uuid4

from eventsourcing import persistence as es
from eventsourcing.tests import persistence as shipped
from eventsourcing.utils import Environment

from storno.storage.factory import Factory, StornoFactory
from storno.storage.log import EventLog
from storno.storage.recorders import (
    AggregateRecorder,
    ApplicationRecorder,
    ProcessRecorder,
    TrackingRecorder,
)

from .suites import OnStore, on_each_database


class Text(OnStore):
    uuids = False

    def new_originator_id(self) -> UUID | str:
        return f"record/test/{uuid4()}"


@on_each_database
class TestAggregateRecorder(OnStore, shipped.AggregateRecorderTestCase):
    def create_recorder(self) -> es.AggregateRecorder:
        return AggregateRecorder(EventLog(self.engine), uuids=self.uuids)


@on_each_database
class TestAggregateRecorderWithText(Text, TestAggregateRecorder):
    pass


@on_each_database
class TestApplicationRecorder(OnStore, shipped.ApplicationRecorderTestCase[ApplicationRecorder]):
    def create_recorder(self) -> ApplicationRecorder:
        return ApplicationRecorder(EventLog(self.engine), uuids=self.uuids)

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


@on_each_database
class TestApplicationRecorderWithText(Text, TestApplicationRecorder):
    pass


@on_each_database
class TestTrackingRecorder(OnStore, shipped.TrackingRecorderTestCase):
    def create_recorder(self) -> es.TrackingRecorder:
        return TrackingRecorder(self.engine)


@on_each_database
class TestProcessRecorder(OnStore, shipped.ProcessRecorderTestCase):
    def create_recorder(self) -> es.ProcessRecorder:
        return ProcessRecorder(EventLog(self.engine), uuids=self.uuids)


@on_each_database
class TestProcessRecorderWithText(Text, TestProcessRecorder):
    pass


@on_each_database
class TestNonInterleaving(OnStore, shipped.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> es.ApplicationRecorder:
        return ApplicationRecorder(EventLog(self.engine), uuids=self.uuids)


@on_each_database
class TestNonInterleavingWithText(Text, TestNonInterleaving):
    pass


class OwnTrackingRecorder(TrackingRecorder):
    pass


@on_each_database
class TestFactory(OnStore, shipped.InfrastructureFactoryTestCase[StornoFactory]):
    def setUp(self) -> None:
        self.env = Environment("TestCase")
        self.env[StornoFactory.PERSISTENCE_MODULE] = "storno.storage.factory"
        self.env[StornoFactory.STORNO_STORE] = self.url
        super().setUp()

    def expected_factory_class(self) -> type[StornoFactory]:
        return Factory

    def expected_aggregate_recorder_class(self) -> type[es.AggregateRecorder]:
        return AggregateRecorder

    def expected_application_recorder_class(self) -> type[es.ApplicationRecorder]:
        return ApplicationRecorder

    def expected_tracking_recorder_class(self) -> type[es.TrackingRecorder]:
        return TrackingRecorder

    def tracking_recorder_subclass(self) -> type[es.TrackingRecorder]:
        return OwnTrackingRecorder

    def expected_process_recorder_class(self) -> type[es.ProcessRecorder]:
        return ProcessRecorder

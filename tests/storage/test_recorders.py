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


class UUIDs(OnStore):
    uuids = True


class Text(OnStore):
    uuids = False

    def new_originator_id(self) -> UUID | str:
        return f"record/test/{uuid4()}"


class AggregateSuite(shipped.AggregateRecorderTestCase):
    __test__ = False

    def create_recorder(self) -> es.AggregateRecorder:
        return AggregateRecorder(EventLog(self.engine), uuids=self.uuids)


@on_each_database
class TestAggregateRecorder(UUIDs, AggregateSuite):
    pass


@on_each_database
class TestAggregateRecorderWithText(Text, AggregateSuite):
    pass


class ApplicationSuite(shipped.ApplicationRecorderTestCase[ApplicationRecorder]):
    __test__ = False

    def create_recorder(self) -> ApplicationRecorder:
        return ApplicationRecorder(EventLog(self.engine), uuids=self.uuids)

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


@on_each_database
class TestApplicationRecorder(UUIDs, ApplicationSuite):
    pass


@on_each_database
class TestApplicationRecorderWithText(Text, ApplicationSuite):
    pass


@on_each_database
class TestTrackingRecorder(OnStore, shipped.TrackingRecorderTestCase):
    def create_recorder(self) -> es.TrackingRecorder:
        return TrackingRecorder(self.engine)


class ProcessSuite(shipped.ProcessRecorderTestCase):
    __test__ = False

    def create_recorder(self) -> es.ProcessRecorder:
        return ProcessRecorder(EventLog(self.engine), uuids=self.uuids)


@on_each_database
class TestProcessRecorder(UUIDs, ProcessSuite):
    pass


@on_each_database
class TestProcessRecorderWithText(Text, ProcessSuite):
    pass


class NonInterleavingSuite(shipped.NonInterleavingNotificationIDsBaseCase):
    __test__ = False

    def create_recorder(self) -> es.ApplicationRecorder:
        return ApplicationRecorder(EventLog(self.engine), uuids=self.uuids)


@on_each_database
class TestNonInterleaving(UUIDs, NonInterleavingSuite):
    pass


@on_each_database
class TestNonInterleavingWithText(Text, NonInterleavingSuite):
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

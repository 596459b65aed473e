"""The factory's environment, the tables of several applications, and the errors' classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from eventsourcing import persistence as es
from eventsourcing.utils import Environment, get_topic
from sqlalchemy import exc

from storno.domain.errors import StoreBusyError, StoreMissingError, StreamConflictError
from storno.storage.factory import StornoFactory
from storno.storage.log import EventLog
from storno.storage.migrate import check
from storno.storage.recorders import (
    ApplicationRecorder,
    ProcessRecorder,
    TrackingRecorder,
    eventsourcing_errors,
)
from storno.storage.schema import table_prefix

from .helpers import append, event


def environment(url: str, name: str = "", /, **settings: str) -> Environment:
    module = {"PERSISTENCE_MODULE": "storno.storage.factory", "STORNO_STORE": url}
    return Environment(name, module | settings)


@pytest.fixture
def factories(store_url: str) -> Iterator[dict[str, StornoFactory]]:
    made = {name: StornoFactory(environment(store_url, name)) for name in ("", "App", "app", "B b")}
    yield made
    for factory in made.values():
        factory.close()


def stored(number: int) -> es.StoredEvent:
    return es.StoredEvent("a", number, "t.v1", b"{}")


def test_a_store_is_made_where_there_is_none(store_url: str) -> None:
    factory = StornoFactory(environment(store_url))
    factory.application_recorder()
    check(factory.engine)
    factory.close()


def test_no_store_is_made_where_tables_are_not_to_be_created(store_url: str) -> None:
    factory = StornoFactory(environment(store_url, CREATE_TABLE="no"))
    recorder = factory.application_recorder()
    with pytest.raises((es.OperationalError, es.ProgrammingError)):
        recorder.max_notification_id()
    factory.close()


def test_every_application_has_a_log_of_its_own(factories: dict[str, StornoFactory]) -> None:
    recorders = [factory.application_recorder() for factory in factories.values()]
    for recorder in recorders:
        assert recorder.insert_events([stored(1)]) == [1]
        assert recorder.insert_events([stored(2)]) == [2]


def test_the_application_without_a_name_is_the_stores_own_log(
    factories: dict[str, StornoFactory],
) -> None:
    factory = factories[""]
    recorder = factory.process_recorder()
    append(EventLog(factory.engine), [event("run/a/1")])
    assert recorder.max_notification_id() == 1
    assert recorder.insert_events([stored(1)], tracking=es.Tracking("up", 1)) == [2]
    assert [commit.count for commit in EventLog(factory.engine).commits()] == [1, 1]


def test_tracking_is_apart_by_application(factories: dict[str, StornoFactory]) -> None:
    for factory in factories.values():
        recorder = factory.tracking_recorder()
        recorder.insert_tracking(es.Tracking("up", 7))
        assert recorder.max_tracking_id("up") == 7


def test_names_of_tables_are_safe_and_distinct() -> None:
    names = ["", "app", "App", "a b", "a_b", "ä", "x" * 200, "x" * 201, 'a"; DROP TABLE events']
    prefixes = [table_prefix(name) for name in names]
    assert len(set(prefixes)) == len(names)
    for prefix in prefixes:
        assert len(prefix) < 50
        assert prefix.replace("_", "").isalnum() or not prefix
        assert prefix.isascii()


def test_tracking_and_events_are_one_commit(factories: dict[str, StornoFactory]) -> None:
    recorder = factories["App"].process_recorder()
    recorder.insert_events([stored(1)], tracking=es.Tracking("up", 2))
    with pytest.raises(es.IntegrityError):
        recorder.insert_events([stored(2)], tracking=es.Tracking("up", 1))
    with pytest.raises(es.IntegrityError):
        recorder.insert_events([stored(1)], tracking=es.Tracking("up", 3))
    assert recorder.max_tracking_id("up") == 2
    assert recorder.max_notification_id() == 1


class OwnApplicationRecorder(ApplicationRecorder):
    pass


class OwnProcessRecorder(ProcessRecorder):
    pass


def test_own_recorders_are_named_by_topic(sqlite_url: str) -> None:
    topics = {
        "APPLICATION_RECORDER_TOPIC": get_topic(OwnApplicationRecorder),
        "PROCESS_RECORDER_TOPIC": get_topic(OwnProcessRecorder),
    }
    factory = StornoFactory(environment(sqlite_url, **topics))
    assert type(factory.application_recorder()) is OwnApplicationRecorder
    assert type(factory.process_recorder()) is OwnProcessRecorder
    factory.close()


def test_ids_are_text_where_the_environment_says_so(sqlite_url: str) -> None:
    factory = StornoFactory(environment(sqlite_url, ORIGINATOR_ID_TYPE="text"))
    recorder = factory.application_recorder()
    recorder.insert_events([stored(1)])
    assert recorder.select_events("a") == [stored(1)]
    factory.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"STORNO_STORE": ""}, "APP_STORNO_STORE"), ({"ORIGINATOR_ID_TYPE": "int"}, "'int'")],
)
def test_a_wrong_environment_is_reported(
    tmp_path: Path, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(OSError, match=message):
        StornoFactory(environment(f"sqlite:///{tmp_path}/s.db", "App", **settings))


@pytest.mark.parametrize(
    ("raised", "meant"),
    [
        (StreamConflictError("taken"), es.IntegrityError),
        (StoreMissingError("none"), es.OperationalError),
        (StoreBusyError("held"), es.OperationalError),
        (exc.TimeoutError("pool"), es.OperationalError),
        *[
            (getattr(exc, name)("statement", {}, Exception("why")), getattr(es, name))
            for name in (
                "InterfaceError",
                "DataError",
                "OperationalError",
                "IntegrityError",
                "InternalError",
                "ProgrammingError",
                "NotSupportedError",
                "DatabaseError",
            )
        ],
        (exc.DBAPIError("statement", {}, Exception("why")), es.PersistenceError),
    ],
)
def test_errors_are_raised_as_eventsourcings(
    raised: Exception, meant: type[es.PersistenceError]
) -> None:
    with pytest.raises(es.PersistenceError) as caught, eventsourcing_errors():
        raise raised
    assert caught.type is meant
    assert caught.value.__cause__ is raised


def test_tracking_recorder_is_a_base_for_views(sqlite_url: str) -> None:
    """A view's rows and its position commit together or not at all."""
    factory = StornoFactory(environment(sqlite_url, "view"))
    recorder = factory.tracking_recorder()
    assert isinstance(recorder, TrackingRecorder)
    recorder.insert_tracking(es.Tracking("up", 2))
    with pytest.raises(es.IntegrityError, match="up has been followed to 2"):
        recorder.insert_tracking(es.Tracking("up", 2))
    factory.close()

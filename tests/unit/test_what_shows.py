"""What editors, messages and people see of the public names."""

import pickle
from collections import deque

import pytest
from test_failover import World, down, lost

import impala_ha
from impala_ha import dbapi, errors, events, policies
from impala_ha.dbapi.dict_cursor import DictCursor


@pytest.fixture
def world():
    return World().connect()


def test_a_cursor_tells_where_it_is_and_what_it_does(world):
    cursor = world.cursor()
    assert "<impala_ha Cursor a:21050, nothing executed>" == repr(cursor)

    cursor.execute_async("select 's3cret'")
    assert "<impala_ha Cursor a:21050, executing>" == repr(cursor)

    cursor.execute("select 's3cret'")
    assert "<impala_ha Cursor a:21050, with a result>" == repr(cursor)

    cursor.execute("insert into t values ('s3cret')")
    assert "<impala_ha Cursor a:21050, done>" == repr(cursor)

    cursor.close()
    assert "<impala_ha Cursor closed>" == repr(cursor)


def test_so_does_one_without_a_coordinator(world):
    cursor = world.cursor(kind=DictCursor)
    cursor._session.detach()

    assert "<impala_ha DictCursor not connected, nothing executed>" == repr(cursor)


def test_the_attempts_of_a_statement_outlive_looks_at_its_result(world):
    cursor = world.cursor()
    down(world, "a")
    cursor.execute("select 1")
    attempts = cursor.attempts
    assert ["a", "b"] == [attempt.coordinator.host for attempt in attempts]

    for look in (
        lambda: cursor.description,
        cursor.status,
        cursor.is_executing,
        cursor.get_profile,
        cursor.ping,
        cursor.fetchall,
        cursor.get_log,
    ):
        look()
        assert attempts == cursor.attempts


def test_a_look_that_was_tried_again_is_reported(world):
    cursor = world.cursor()
    cursor.execute("select 1")
    world["a"].script["FetchResults"] = deque([lost()])

    cursor.fetchall()

    assert ["fetchall"] * 2 == [attempt.operation for attempt in cursor.attempts]


def test_types_are_called_by_where_they_are_imported_from():
    for name in impala_ha.__all__:
        kind = getattr(impala_ha, name)
        if isinstance(kind, type) and kind.__module__.startswith("impala_ha"):
            assert "._" not in kind.__module__, name
            assert kind is pickle.loads(pickle.dumps(kind))
    assert "impala_ha.dbapi" == impala_ha.Connection.__module__
    assert "impala_ha" == impala_ha.Attempt.__module__


@pytest.mark.parametrize("module", [dbapi, errors, events, policies], ids=str)
def test_a_module_shows_its_public_names(module):
    assert sorted(module.__all__) == dir(module)


def test_the_package_shows_its_public_modules_too():
    assert {"dbapi", "events", "policies"} == set(dir(impala_ha)) - set(impala_ha.__all__)
    assert all(hasattr(impala_ha, name) for name in dir(impala_ha))

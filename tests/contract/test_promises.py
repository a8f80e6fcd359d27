"""What we promise of statements that are under way: a death, a blink, a Ctrl-C, all at once."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from promises import (
    DONE,
    NUMBERS,
    UNKNOWN,
    Ledger,
    at_peace,
    connect,
    give,
    healed,
    insert,
    select,
)

import impala_ha
from impala_ha import CoordinatorLost, NoCoordinatorLeft, OutcomeUnknown, ResultLost
from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def trio():
    with LocalCluster(3) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def ledger(trio):
    ledger = Ledger(trio)
    yield ledger
    ledger.check_again()


@pytest.fixture(autouse=True)
def _healed(trio):
    with healed(trio):
        yield


@pytest.fixture
def cursor(trio, ledger):
    with connect(trio) as connection:
        yield connection.cursor()


def slow_insert(milliseconds):
    number = next(NUMBERS)
    return f"INSERT INTO promises SELECT IF(sleep({milliseconds}), {number}, {number}) --({number})"


class Meanwhile:
    """Does something in a thread once a condition holds; tells how it went at the end."""

    def __init__(self, until, condition, deed):
        self._failed = []

        def work():
            try:
                until(condition)
                deed()
            except BaseException as error:  # noqa: BLE001 - told in the main thread
                self._failed.append(error)

        self._thread = threading.Thread(target=work)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._thread.join(30)
        assert [] == self._failed


def running(cluster, sql):
    return lambda: cluster.executions(sql) > 0


def test_a_write_whose_coordinator_dies_under_it_is_not_repeated(trio, ledger, cursor, until):
    sql = slow_insert(20_000)
    with Meanwhile(until, running(trio, sql), trio[0].kill):
        told = give(cursor, sql, write=True)

    assert UNKNOWN == told.how
    assert isinstance(told.error, CoordinatorLost)
    assert "idempotent=True" in str(told.error)
    ledger.note(told)


def test_a_write_is_repeated_for_who_says_that_it_is_harmless(trio, cursor, until):
    sql = f"INSERT OVERWRITE three SELECT IF(sleep(300), i, i) FROM three --({next(NUMBERS)})"
    with Meanwhile(until, running(trio, sql), trio[0].kill):
        cursor.execute(sql, idempotent=True)

    assert 2 == trio.executions(sql)
    cursor.execute("SELECT count(*) FROM three")
    assert [(3,)] == cursor.fetchall()


def test_a_long_write_survives_a_network_that_blinks(trio, ledger, cursor, until):
    sql = slow_insert(1500)

    def accepted():
        """Its answer has come: before, nobody could tell whether it runs."""
        return cursor._last_operation is not None and trio.executions(sql)

    with Meanwhile(until, accepted, trio[0].disconnect):
        told = give(cursor, sql, write=True)

    assert DONE == told.how, told
    assert 1 == cursor.rowcount
    assert cursor.coordinator.host == trio[0].host
    ledger.note(told)


def test_a_read_whose_coordinator_dies_under_it_is_run_elsewhere(trio, ledger, cursor, until):
    sql = f"SELECT i, sleep(600), {next(NUMBERS)} FROM three ORDER BY i"
    with Meanwhile(until, running(trio, sql), trio[0].kill):
        told = give(cursor, sql, write=False)

    assert DONE == told.how, told
    assert [1, 2, 3] == [row[0] for row in told.rows]
    assert 2 == trio.executions(sql)


def test_a_read_that_must_not_run_again_does_not(trio, cursor, until):
    sql = f"SELECT sleep(20000), {next(NUMBERS)}"
    with Meanwhile(until, running(trio, sql), trio[0].kill):
        with pytest.raises(OutcomeUnknown):
            cursor.execute(sql, idempotent=False)

    assert 1 == trio.executions(sql)


def test_a_read_that_kills_what_it_runs_on_is_not_taken_to_all(trio, cursor, until):
    """Three runs at most, whatever the number of coordinators."""
    sql = f"SELECT sleep(20000), {next(NUMBERS)}"

    def kill_them_all():
        for number, coordinator in enumerate(trio, 1):
            until(lambda number=number: trio.executions(sql) >= number)
            coordinator.kill()

    with Meanwhile(until, lambda: True, kill_them_all):
        with pytest.raises(CoordinatorLost) as caught:
            cursor.execute(sql)

    assert not isinstance(caught.value, OutcomeUnknown)
    assert 3 == trio.executions(sql)


def test_a_begun_result_ends_in_result_lost(trio, cursor):
    numbers = ", ".join(f"({number})" for number in range(3000))
    cursor.execute(f"SELECT * FROM (VALUES {numbers}) AS v ORDER BY 1")
    first = cursor.fetchmany(10)
    trio[0].kill()

    assert list(range(10)) == [row[0] for row in first]
    with pytest.raises(ResultLost, match="Execute the statement again"):
        cursor.fetchall()
    cursor.execute("SELECT 1")
    assert [(1,)] == cursor.fetchall()


def test_ctrl_c_stops_the_statement_on_the_server_and_leaves_the_connection(trio, cursor, until):
    sql = f"SELECT sleep(30000), {next(NUMBERS)}"

    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    with Meanwhile(until, running(trio, sql), interrupt), pytest.raises(KeyboardInterrupt):
        cursor.execute(sql)

    until(lambda: not trio[0].queries)
    cursor.execute("SELECT 1")
    assert [(1,)] == cursor.fetchall()
    assert 1 == trio.executions(sql)


def test_ctrl_c_reaches_a_server_that_does_not_answer(trio, cursor):
    trio[0].mute()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        cursor.execute("SELECT 1")
    timer.join()

    assert time.monotonic() - began < 20, "a hang, not a measurement"


def test_the_deadline_ends_a_call_when_all_are_silent(trio):
    with connect(trio, timeout=0.3, connect_timeout=0.3, deadline=1) as connection:
        cursor = connection.cursor()
        for coordinator in trio:
            coordinator.mute()
        with pytest.raises(NoCoordinatorLeft) as caught:
            cursor.execute("SELECT 1")

    tried = {attempt.coordinator.host for attempt in caught.value.attempts}
    assert {coordinator.host for coordinator in trio} == tried
    assert str(caught.value).count("\n- 127.") == len(trio)


def test_nobody_is_told_wrong_while_coordinators_die_and_hang_under_a_crowd(trio, ledger, until):
    """Four threads read and write; all the while one coordinator after the other goes down."""
    told, errors, working = [], [], threading.Event()

    def work():
        try:
            with connect(trio, timeout=1, connect_timeout=1) as connection:
                cursor = connection.cursor()
                while working.is_set():
                    for kind in (insert, select):
                        sql, write = kind()
                        told.append(give(cursor, sql, write=write))
        except BaseException as error:  # noqa: BLE001 - told in the main thread
            errors.append(error)

    working.set()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for coordinator in [*trio, *trio]:
            for fault, cure in (("kill", "restart"), ("hang", "resume")):
                before = len(told)
                getattr(coordinator, fault)()
                until(lambda before=before: len(told) >= before + 8 or errors)
                getattr(coordinator, cure)()
    finally:
        working.clear()
        for thread in threads:
            thread.join(60)

    assert [] == errors
    assert all(isinstance(one.error, OutcomeUnknown) for one in told if one.how != DONE), told
    assert all([1, 2, 3] == [row[0] for row in one.rows] for one in told if not one.write)
    for one in told:
        ledger.note(one)


def test_nothing_is_left_on_the_servers(trio, ledger, until):
    connections = [connect(trio) for _ in range(20)]
    for connection in connections:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        connection.cursor().execute_async("SELECT sleep(30000)")
    for connection in connections:
        connection.close()

    until(lambda: at_peace(trio) and not any(one.queries for one in trio))


def test_every_error_is_one_of_pep_249(trio):
    for coordinator in trio:
        coordinator.kill()
    with pytest.raises(impala_ha.Error):
        connect(trio, deadline=0.3)

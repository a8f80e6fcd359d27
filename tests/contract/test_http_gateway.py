"""What gateways before a coordinator say over HTTP, and what is made of it."""

from __future__ import annotations

import logging

import pytest

import impala_ha
from impala_ha import AuthenticationFailed, Cluster, Coordinator, NoCoordinatorLeft, OutcomeUnknown
from impala_ha.core.faults import Fault

pytestmark = [pytest.mark.servers, pytest.mark.timeout(60)]

LATER = {"Retry-After": "1"}


@pytest.fixture
def local(over_http, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1,127.0.0.2")
    return over_http


@pytest.fixture
def connect(local):
    opened = []

    def connected(**options):
        places = [Coordinator(one.host, one.http_port) for one in local]
        options = {"connect_timeout": 2, "hedge_after": 0, "deadline": 5, **options}
        cluster = Cluster(places, policy="ordered")
        opened.append(impala_ha.connect(cluster, use_http_transport=True, **options))
        return opened[-1]

    yield connected
    for connection in opened:
        connection.close()


def faults(cursor):
    return [attempt.fault for attempt in cursor.attempts]


def hosts(cursor):
    return [attempt.coordinator.host for attempt in cursor.attempts]


# Later.


@pytest.mark.parametrize("status", [429, 503])
def test_a_session_that_is_put_off_is_asked_for_again_at_the_same_place(local, connect, status):
    local[0].answer_http(status, LATER, call="OpenSession")
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("SELECT 1")

    assert local[0].host == cursor.coordinator.host


def test_a_statement_that_is_turned_away_waits_as_long_as_it_is_told(local, connect):
    cursor = connect().cursor()
    sql = "CREATE TABLE IF NOT EXISTS put_off (i INT)"
    local[0].answer_http(429, LATER, call="ExecuteStatement", times=2)

    cursor.execute(sql)

    assert [Fault.BUSY, Fault.BUSY, None] == faults(cursor)
    assert {local[0].host} == set(hosts(cursor))
    assert [1.0, 1.0, 0.0] == [attempt.retry_after for attempt in cursor.attempts]
    assert 1 == local.executions(sql)


def test_who_is_to_come_back_after_the_deadline_is_told_at_once(local, connect):
    cursor = connect().cursor()
    local[0].answer_http(429, {"Retry-After": "3600"}, call="ExecuteStatement")

    with pytest.raises(impala_ha.Error, match="retry after 3600 s"):
        cursor.execute("SELECT 1")


def test_a_read_that_is_put_off_runs_at_the_same_place(local, connect):
    cursor = connect().cursor()
    local[0].answer_http(503, LATER, call="ExecuteStatement")

    cursor.execute("SELECT 'put off'")

    assert [Fault.LATER, None] == faults(cursor)
    assert [("put off",)] == cursor.fetchall()
    assert local[0].host == cursor.coordinator.host


@pytest.mark.parametrize("answer", [(503, LATER), (503, {}), (502, {}), (504, {})])
@pytest.mark.parametrize("ran", [False, True])
def test_a_write_that_a_gateway_swallowed_may_have_run(local, connect, until, answer, ran):
    cursor = connect().cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS swallowed (i INT)")
    sql = f"INSERT INTO swallowed VALUES (1) -- {answer} {ran}"
    local[0].answer_http(*answer, call="ExecuteStatement", ran=ran)

    with pytest.raises(OutcomeUnknown, match=f"HTTP code {answer[0]}"):
        cursor.execute(sql)

    until(lambda: local.executions(sql) == int(ran))


@pytest.mark.parametrize(("status", "headers"), [(429, LATER), (503, LATER), (502, {}), (504, {})])
def test_a_write_that_runs_is_asked_for_until_the_gateway_is_well(local, connect, status, headers):
    cursor = connect().cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS hidden (i INT)")
    sql = f"INSERT INTO hidden VALUES (1) -- {status}"
    local[0].answer_http(status, headers, call="GetOperationStatus", times=2)

    cursor.execute(sql)

    assert [None] == faults(cursor)
    assert 1 == local.executions(sql)


@pytest.mark.parametrize("status", [401, 403, 407])
@pytest.mark.parametrize("call", ["GetOperationStatus", "CloseImpalaOperation"])
def test_a_login_that_is_refused_while_a_write_runs_says_nothing_of_the_write(
    local, connect, until, status, call
):
    cursor = connect().cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS guarded (i INT)")
    sql = f"INSERT INTO guarded VALUES (1) -- {status} {call}"
    local[0].answer_http(status, call=call, times=20)

    if call == "CloseImpalaOperation":
        cursor.execute(sql)  # it had ended
    else:
        with pytest.raises(OutcomeUnknown, match=f"HTTP code {status}"):
            cursor.execute(sql)

    until(lambda: 1 == local.executions(sql))
    local[0].heal()


def test_a_read_leaves_a_gateway_that_stays_broken(local, connect):
    cursor = connect(connect_timeout=0.5).cursor()
    local[0].answer_http(502, times=50)

    cursor.execute("SELECT 'broken'")

    assert [("broken",)] == cursor.fetchall()
    assert local[1].host == cursor.coordinator.host


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_without_a_coordinator_is_left_for_another(local, connect, status):
    local[0].answer_http(status, times=5)
    connection = connect()

    assert local[1].host == connection.coordinator.host


def test_a_statement_done_is_not_undone_by_a_gateway(local, connect, caplog):
    cursor = connect().cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS done (i INT)")
    cursor.close_operation()
    local[0].answer_http(502, call="CloseImpalaOperation")
    with caplog.at_level(logging.WARNING):
        cursor.execute("INSERT INTO done VALUES (1)")

    assert "was lost after the statement was done" in caplog.text


# Elsewhere.


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (302, {"Location": "https://sso.test/login?secret=1"}, "leads to https://sso.test/login)"),
        (404, {}, "check http_path"),
        (405, {}, "check http_path"),
        (200, {"Content-Type": "text/html"}, "with a page"),
    ],
)
def test_a_gateway_that_is_no_coordinator_is_told_with_its_url(
    local, connect, status, headers, told
):
    for one in local:
        one.answer_http(status, headers, times=9, body="<html>")

    with pytest.raises(NoCoordinatorLeft, match=f"HTTP code {status}") as caught:
        connect(http_path="gateway/cliservice?token=1")

    text = str(caught.value)
    assert told in text
    assert f"http://{local[0].host}:{local[0].http_port}/gateway/cliservice" in text
    assert "secret" not in text
    assert "token" not in text
    assert 2 == len(caught.value.attempts), "each was asked once: they would say the same again"
    assert status == caught.value.code


def test_a_statement_that_is_too_long_for_a_gateway_is_the_callers(local, connect):
    cursor = connect().cursor()
    local[0].answer_http(413, call="ExecuteStatement", times=9)

    with pytest.raises(impala_ha.Error, match="HTTP code 413") as caught:
        cursor.execute("INSERT INTO t VALUES (1)")

    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize("status", [401, 403])
def test_who_shows_a_password_and_is_not_let_in_asks_nobody_else(local, connect, status):
    local[0].answer_http(status, times=9)

    with pytest.raises(AuthenticationFailed, match=f"HTTP code {status}") as caught:
        connect(auth_mechanism="LDAP", user="etl", password="wr0ng")

    assert 1 == len(caught.value.attempts)


@pytest.mark.parametrize("status", [401, 403])
def test_who_shows_nothing_and_is_not_let_in_asks_the_next_one(local, connect, status):
    local[0].answer_http(status, times=9)

    assert local[1].host == connect().coordinator.host


def test_after_a_refusal_the_connection_goes_on(local, connect):
    cursor = connect().cursor()
    local[0].answer_http(403, call="ExecuteStatement")
    with pytest.raises(AuthenticationFailed):
        cursor.execute("SELECT 1")

    cursor.execute("SELECT 2")

    assert [(2,)] == cursor.fetchall()
    assert local[0].host == cursor.coordinator.host

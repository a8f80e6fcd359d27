"""Two kerberized servers, each with a name of its own; one of them dies.

The drivers of Hive and of Kyuubi ask for the first server's ticket at the second one and are
refused; these tests hold that we ask for each one's own.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest

import impala_ha
from real_servers import missing

pytestmark = [
    pytest.mark.slow(60),
    pytest.mark.servers,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(missing("spark", "realm")), reason=missing("spark", "realm")),
]


@pytest.fixture(params=["kerberized", "spnego"])
def both(request):
    servers = request.getfixturevalue(request.param)
    for server in servers:
        server.start()
    return servers


def rows(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def tickets(cache):
    """Whose tickets are in the cache."""
    said = subprocess.run(
        ["klist", "-c", cache], capture_output=True, text=True, check=True, env=dict(os.environ)
    ).stdout
    return {word for word in said.split() if "/coord" in word}


def test_a_connection_asks_for_the_ticket_of_its_own_server_only(both, connect, ticket):
    connection = connect(*both)

    assert rows(connection, "SELECT current_user()") == [("etl",)]
    assert connection.coordinator == both[0].coordinator
    assert tickets(ticket) == {both[0].principal}


def test_a_keytab_is_as_good_as_a_ticket(both, connect, realm, monkeypatch):
    if reason := missing("gssapi"):
        pytest.skip(reason)
    monkeypatch.setenv("KRB5_CONFIG", realm.config)
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nonexistent")
    key = {"principal": "etl", "keytab": realm.keytab("etl")}

    assert rows(connect(*both, **key), "SELECT current_user()") == [("etl",)]


def test_keys_that_are_made_anew_are_no_end_of_a_job_with_a_keytab(
    both, connect, realm, monkeypatch, caplog
):
    """And nobody is blamed for it."""
    if reason := missing("gssapi"):
        pytest.skip(reason)
    monkeypatch.setenv("KRB5_CONFIG", realm.config)
    key = {"principal": "etl", "keytab": realm.keytab("etl")}
    connect(both[0], **key).close()
    realm.change_keys()

    connection = connect(both[0], **key)

    assert rows(connection, "SELECT current_user()") == [("etl",)]
    assert [] == [line for line in caplog.messages if line.startswith("connect:")]


def test_a_connection_does_not_go_on_as_somebody_else(both, connect, realm, ticket):
    connection = connect(*both)
    assert rows(connection, "SELECT current_user()") == [("etl",)]
    realm.kinit("bob")
    both[0].kill()

    with pytest.raises(impala_ha.AuthenticationFailed, match="one of bob@.* opened as etl@"):
        rows(connection, "SELECT current_user()")

    realm.kinit("etl")
    assert rows(connection, "SELECT current_user()") == [("etl",)]


def test_names_may_come_from_a_mapping(both, ticket):
    """As for coordinators that are given by address, without names of their own in the list."""
    names = {server.host: server.coordinator.krb_host for server in both}
    options = {**both[1].options, "timeout": 60, "connect_timeout": 60}
    nameless = impala_ha.Coordinator(both[1].host, both[1].port)

    with impala_ha.connect(impala_ha.Cluster([nameless]), krb_host=names, **options) as connection:
        assert rows(connection, "SELECT current_user()") == [("etl",)]

    assert tickets(ticket) == {both[1].principal}


def test_a_server_under_the_name_of_another_is_passed_over(kerberized, ticket):
    """Its key does not open a ticket that was made for the other.  (A 401 does not say why.)"""
    wrong, right = kerberized
    for server in kerberized:
        server.start()
    misnamed = replace(wrong.coordinator, krb_host=right.coordinator.krb_host)
    cluster = impala_ha.Cluster([misnamed, right.coordinator], policy="ordered")

    with impala_ha.connect(cluster, **wrong.options) as connection:
        assert connection.coordinator == right.coordinator


def test_a_server_under_a_wrong_name_is_reported(both, ticket):
    """By its address, with what the server itself said."""
    server, other = both
    misnamed = replace(server.coordinator, krb_host=other.coordinator.krb_host)
    over_http = server.options.get("use_http_transport")

    with pytest.raises(impala_ha.Error, match=f"{server.host}:{server.port}.*") as told:
        impala_ha.connect(impala_ha.Cluster([misnamed]), deadline=3, **server.options)

    assert ("HTTP code 401" if over_http else "GSS initiate failed") in str(told.value)


def test_a_server_that_hangs_is_left_within_the_time_limit(both, connect, ticket):
    both[0].hang()
    try:
        connection = connect(*both, timeout=3, connect_timeout=3)
        assert rows(connection, "SELECT current_user()") == [("etl",)]
        assert connection.coordinator == both[1].coordinator
    finally:
        both[0].resume()


def test_without_a_ticket_neither_is_asked(both, connect, realm, monkeypatch, tmp_path):
    for name, value in realm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path / 'none'}")
    cluster = impala_ha.Cluster([server.coordinator for server in both])

    with pytest.raises(impala_ha.AuthenticationFailed):
        impala_ha.connect(cluster, **both[0].options)

    assert {found.state for found in cluster.snapshot()} == {impala_ha.State.HEALTHY}


def test_an_open_connection_outlives_the_kdc(both, connect, realm, ticket):
    connection = connect(*both)
    realm.stop_kdc()
    try:
        assert rows(connection, "SELECT current_user()") == [("etl",)]
    finally:
        realm.start_kdc()


def test_kill_9_of_one_opens_the_session_under_the_name_of_the_other(both, connect, ticket):
    """And the way back is under the first name again."""
    first, second = both
    connection = connect(first, second)
    assert rows(connection, "SELECT 1") == [(1,)]

    first.kill()

    assert rows(connection, "SELECT current_user()") == [("etl",)]
    assert connection.coordinator == second.coordinator
    assert tickets(ticket) == {first.principal, second.principal}
    assert connect(first, second).coordinator == second.coordinator

    first.start(warm=False)
    second.kill()

    assert rows(connection, "SELECT current_user()") == [("etl",)]
    assert connection.coordinator == first.coordinator

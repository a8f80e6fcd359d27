"""HiveServer2 over HTTP with Kerberos (SPNEGO), as Spark's servlet of Jetty speaks it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from wire_tap import WireTap

import impala_ha
from impala_ha.core.faults import Fault
from real_servers import missing

pytestmark = [
    pytest.mark.slow(20),
    pytest.mark.servers,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(missing("spark", "realm")), reason=missing("spark", "realm")),
]

_LOGIN = b"Authorization: Negotiate "
_COOKIE = b"Cookie: hive.server2.auth="


@pytest.fixture
def server(spnego):
    spnego[0].start()
    return spnego[0]


@pytest.fixture
def tap(server, certificates):
    with WireTap(server, certificates.of("127.0.0.1")) as tap:
        yield tap


@pytest.fixture
def connection(server, tap, ticket):
    tapped = impala_ha.Cluster([replace(server.coordinator, host=tap.host, port=tap.port)])
    options = {**server.options, "timeout": 60, "connect_timeout": 60}
    with impala_ha.connect(tapped, **options) as connection:
        yield connection


def rows(cursor, statement):
    cursor.execute(statement)
    return cursor.fetchall()


def test_one_tcp_connection_serves_a_whole_connection(connection, tap):
    with connection.cursor() as cursor:
        for number in range(5):
            assert rows(cursor, f"SELECT {number}") == [(number,)]

    assert tap.connections == 1


def test_a_cookie_stands_for_the_ticket_until_it_is_old(connection, tap, until):
    """A login serves many requests; a new one, which nobody notices, follows the cookie's end."""

    def said(text):
        return tap.heard.count(text)

    with connection.cursor() as cursor:
        until(lambda: rows(cursor, "SELECT 1") == [(1,)] and said(_LOGIN) > 1)

    assert said(_LOGIN) + said(_COOKIE) >= said(b"POST /cliservice")
    assert said(_COOKIE) > said(_LOGIN)


def test_a_session_outlives_its_tcp_connection(connection, tap):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY VIEW kept AS SELECT 42 AS answer")
        # Or the next thing that is said were its end, in the cut connection.
        cursor.close_operation()

        tap.cut()

        assert rows(cursor, "SELECT answer FROM kept") == [(42,)]
    assert tap.connections == 2


def test_a_wrong_path_is_told_with_the_url(server, ticket):
    options = {**server.options, "http_path": "wrong", "deadline": 5}

    with pytest.raises(impala_ha.Error) as told:
        impala_ha.connect(impala_ha.Cluster([server.coordinator]), **options)

    assert f"https://{server.host}:{server.port}/wrong" in str(told.value)


@pytest.mark.parametrize("verified", [True, False])
def test_who_sends_no_token_back_must_prove_it_by_a_certificate(server, ticket, verified):
    """Spark, like Hive, looks at the ticket and drops the answer that Kerberos makes to it."""
    cluster = impala_ha.Cluster([server.coordinator])
    options = {**server.options, "connect_timeout": 60}
    if verified:
        impala_ha.connect(cluster, **options).close()
        return
    options["ca_cert"] = None

    with pytest.raises(impala_ha.NoCoordinatorLeft, match="did not prove who it is") as told:
        impala_ha.connect(cluster, **options)
    assert [Fault.UNTRUSTED] == [attempt.fault for attempt in told.value.attempts]
    assert "Hive and Spark do not over HTTP" in str(told.value)

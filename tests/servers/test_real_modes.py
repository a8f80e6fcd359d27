"""Every way of logging in, at a HiveServer2 that others wrote: Spark's Thrift Server."""

from __future__ import annotations

import datetime as dt
import getpass
from dataclasses import replace
from decimal import Decimal

import pytest
from wire_tap import WireTap, links

import impala_ha
from real_servers import missing

pytestmark = [
    pytest.mark.slow(150),
    pytest.mark.servers,
    # The first test fetches 318 MB on a machine that has none of it.
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(missing("spark")), reason=missing("spark")),
]

MODES = {
    "nosasl": {"auth": "NOSASL"},
    "plain": {"auth": "PLAIN"},
    "kerberos": {"auth": "GSSAPI", "qop": "auth"},
    "kerberos-integrity-tls": {"auth": "GSSAPI", "qop": "auth-int", "tls": True},
    "kerberos-confidentiality": {"auth": "GSSAPI", "qop": "auth-conf"},
    "https-plain": {"auth": "PLAIN", "http": True, "tls": True},
    "spnego": {"auth": "GSSAPI", "http": True, "tls": True},
}
ROWS = 100_000
PACKAGES = ("gssapi", "kerberos")


#: Modes whose servers other tests use as well.
SHARED = {"kerberos": "kerberized", "spnego": "spnego"}


@pytest.fixture(scope="module", params=MODES)
def mode(request):
    return request.param


@pytest.fixture(scope="module")
def _own(mode, spark, request):
    """A server of this mode for this file alone, if no other has one."""
    plan = dict(MODES[mode])
    if mode in SHARED:
        yield None
        return
    if plan.pop("tls", False):
        # The second address is that of the wire tap below.
        plan["tls"] = request.getfixturevalue("certificates").of("127.0.0.2", "127.0.0.1")
    if plan["auth"] == "GSSAPI":
        plan["realm"] = request.getfixturevalue("realm")
    with spark(plan) as (server,):
        yield server


@pytest.fixture
def server(mode, _own, request):
    server = _own or request.getfixturevalue(SHARED[mode])[0]
    server.start()
    return server


@pytest.fixture
def options(mode, request):
    """What a client says besides, in this mode."""
    if MODES[mode]["auth"] == "GSSAPI":
        request.getfixturevalue("ticket")
    if MODES[mode].get("tls"):
        return {"ca_cert": request.getfixturevalue("certificates").ca}
    return {}


@pytest.fixture
def connection(server, options, connect):
    return connect(server, **options)


def rows(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_the_server_knows_who_asks(connection, server):
    ((user,),) = rows(connection, "SELECT current_user()")

    # Without SASL nobody says a name, and the server takes its own.
    expected = getpass.getuser() if server.options["auth_mechanism"] == "NOSASL" else "etl"
    assert user == expected


def test_each_backend_for_kerberos_speaks_in_this_mode(server, options, connect):
    kerberized = server.options["auth_mechanism"] == "GSSAPI"
    backends = ["system", *(package for package in PACKAGES if not missing(package))]
    words = [{"kerberos_backend": each} for each in backends] if kerberized else [{}]
    for word in words:
        connection = connect(server, **options, **word)

        assert rows(connection, "SELECT id FROM range(3) ORDER BY id") == [(0,), (1,), (2,)]


def test_values_arrive_as_what_they_are(connection):
    found = rows(
        connection,
        "SELECT 1, cast(2 as bigint), 'ö', cast(3.50 as decimal(5,2)), true, cast(null as string), "
        "cast('2024-02-29 12:30:00' as timestamp)",
    )

    when = dt.datetime(2024, 2, 29, 12, 30)  # noqa: DTZ001  # as impyla gives it
    assert found == [(1, 2, "ö", Decimal("3.50"), True, None, when)]


def test_a_large_result_arrives_whole_and_in_order(connection):
    found = rows(connection, f"SELECT id, concat('row ', id) FROM range({ROWS}) ORDER BY id")

    assert len(found) == ROWS
    assert all(row == (number, f"row {number}") for number, row in enumerate(found))


def test_a_long_statement_and_a_long_cell_pass(connection):
    text = "x" * 200_000

    ((found,),) = rows(connection, f"SELECT repeat('{text}', 10)")

    assert found == 10 * text


def test_an_error_of_the_statement_is_the_servers_own_and_the_connection_goes_on(connection):
    # Spark says that a statement failed a moment before it can say why.
    with pytest.raises(impala_ha.Error, match="TABLE_OR_VIEW_NOT_FOUND|found ERROR"):
        rows(connection, "SELECT * FROM nowhere")

    assert rows(connection, "SELECT 1") == [(1,)]


def test_a_closed_connection_leaves_no_connection_open(connection, server, until):
    rows(connection, "SELECT 1")
    assert links(server) > 0

    connection.close()

    until(lambda: links(server) == 0)


def test_who_listens_reads_only_what_was_meant_to_be_read(server, mode, options):
    """Integrity signs and confidentiality hides; TLS hides everything."""
    with WireTap(server) as tap:
        tapped = replace(server.coordinator, host=tap.host, port=tap.port)
        arguments = {**server.options, **options, "timeout": 60, "connect_timeout": 60}
        with impala_ha.connect(impala_ha.Cluster([tapped]), **arguments) as connection:
            found = rows(connection, "SELECT concat('salary', ' of ', 'ann') AS whispered")

    hidden = MODES[mode].get("tls") or MODES[mode].get("qop") == "auth-conf"
    assert found == [("salary of ann",)]
    assert (b"whispered" in tap.heard, b"salary of ann" in tap.heard) == (not hidden, not hidden)


def test_the_server_listens_on_loopback_only(server):
    from real_servers.ports import listening  # noqa: PLC0415  # nobody else asks

    found = listening(server.pid)

    assert (server.host, server.port) in found
    assert all(host.startswith("127.") for host, _ in found)

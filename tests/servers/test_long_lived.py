"""Long-lived connections, and keys, passwords, tickets and CAs that change under them."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

import impala_ha
from impala_ha import AuthenticationFailed, CircuitBreaker, Cluster, NoCoordinatorLeft, State
from impala_ha.testing import FaultProxy
from real_servers import Certificates, Realm, SparkServer, missing

LACKS = missing("spark", "realm", "kerberos", "gssapi")
pytestmark = [
    pytest.mark.slow(40),
    pytest.mark.servers,
    # The first test fetches 318 MB on a machine that has none of it.
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(LACKS), reason=LACKS),
]

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def realm():
    """Of this file: keys and passwords change."""
    with Realm(users=("etl", "bob", "ann")) as realm:
        yield realm


@pytest.fixture(scope="module", params=["binary", "http"])
def server(request, spark, realm, certificates):
    plan = {"auth": "GSSAPI", "realm": realm, "tls": certificates.of(HOST), "ca": certificates.ca}
    with spark({**plan, "host": HOST, "http": request.param == "http"}) as (server,):
        yield server


@pytest.fixture
def proxy(server):
    """What ends connections, as an idle time-out on the way does."""
    with FaultProxy(f"{HOST}:{server.port}") as proxy:
        yield proxy


@pytest.fixture
def cache(realm, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5_CONFIG", realm.config)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path / 'cache'}")
    return str(tmp_path / "cache")


@pytest.fixture
def job(server, proxy, cache):
    """Open a connection that logs in again whenever it is cut."""
    with ExitStack() as stack:

        def opened(**options):
            where = replace(server.coordinator, port=int(proxy.address.rpartition(":")[2]))
            # How often a connection is lost in a test is no matter of health.
            cluster = Cluster([where], breaker=CircuitBreaker(threshold=1000))
            # With a cookie nobody would have to log in again.
            limits = {"timeout": 60, "connect_timeout": 30, "deadline": 30, "http_cookie_names": []}
            connection = impala_ha.connect(cluster, **{**server.options, **limits, **options})
            return stack.enter_context(connection)

        yield opened


def user(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user()")
        return cursor.fetchall()[0][0]


def refused(connection, told):
    """It is refused, and told why, without blame for the coordinator."""
    with pytest.raises(AuthenticationFailed, match=told):
        user(connection)
    assert [State.HEALTHY] == [found.state for found in connection.cluster.snapshot()]


@pytest.fixture
def keytab(realm, tmp_path):
    """A keytab of etl, which is replaced when somebody does."""
    return shutil.copy(realm.keytab("etl"), tmp_path / "etl.keytab")


def put(new, file):
    """Replace a file at once, as one does."""
    Path(shutil.copy(new, f"{file}.new")).replace(file)


def test_new_keys_of_the_service_are_no_end_of_a_job_with_a_keytab(realm, job, proxy, keytab):
    connection = job(principal="etl", keytab=keytab)
    assert "etl" == user(connection)
    for _ in range(2):
        realm.change_keys()
        assert "etl" == user(connection)
        proxy.disconnect()
        assert "etl" == user(connection)


def test_new_keys_of_the_service_want_a_kinit_where_there_is_none(realm, job, proxy, cache):
    realm.kinit("etl", cache)
    connection = job(deadline=2)
    assert "etl" == user(connection)
    realm.change_keys()
    proxy.disconnect()
    with pytest.raises(impala_ha.Error, match="kinit"):
        user(connection)

    realm.kinit("etl", cache)
    assert "etl" == user(connection)


def test_a_new_key_of_the_user_does_not_end_a_job_before_its_tickets_end(realm, job, proxy, keytab):
    connection = job(principal="etl", keytab=keytab)
    assert "etl" == user(connection)
    realm.change_key("etl")
    proxy.disconnect()
    assert "etl" == user(connection), "with the tickets that it has"

    realm.change_keys()  # now it needs another ticket
    proxy.disconnect()
    with pytest.raises(impala_ha.Error):
        user(connection)

    put(realm.keytab("etl"), keytab)
    assert "etl" == user(connection)


def test_the_old_keytab_of_a_user_with_a_new_key_is_reported(realm, job, keytab):
    realm.change_key("etl")
    with pytest.raises(AuthenticationFailed, match="keytab"):
        job(principal="etl", keytab=keytab)

    put(realm.keytab("etl"), keytab)
    assert "etl" == user(job(principal="etl", keytab=keytab))


def test_a_new_password_does_not_end_tickets(realm, job, proxy, cache):
    realm.set_password("ann", "the-first")
    realm.kinit("ann", cache, password="the-first")
    connection = job()
    assert "ann" == user(connection)
    realm.set_password("ann", "the-second")
    with pytest.raises(OSError, match="Password incorrect"):
        realm.kinit("ann", cache, password="the-first")
    proxy.disconnect()
    assert "ann" == user(connection)

    realm.kinit("ann", cache, password="the-second")
    proxy.disconnect()
    assert "ann" == user(connection)


def test_the_end_of_a_ticket_is_the_end_of_logins_until_the_next_kinit(
    realm, job, proxy, cache, until
):
    realm.kinit("etl", cache, lifetime=5)
    connection = job()
    assert "etl" == user(connection)
    klist = ["klist", "-s", "-c", cache]
    until(lambda: subprocess.run(klist, env=dict(os.environ), check=False).returncode)
    ended = time.time()
    until(lambda: time.time() > ended + 1)  # tickets end in whole seconds
    proxy.disconnect()
    refused(connection, "Ticket expired|ticket has ended")

    realm.kinit("etl", cache)
    assert "etl" == user(connection)


def test_somebody_elses_tickets_are_not_taken(realm, job, proxy, cache):
    realm.kinit("etl", cache)
    connection = job()
    assert "etl" == user(connection)
    realm.kinit("bob", cache)
    proxy.disconnect()
    refused(connection, "one of bob@.* opened as etl@")
    assert "bob" == user(job())

    realm.kinit("etl", cache)
    assert "etl" == user(connection)


def test_a_new_authority_is_believed_as_soon_as_its_file_says_so(
    realm, job, cache, server, certificates
):
    """Last in this file: the server with the certificate of before does not come back."""
    if "use_http_transport" in server.options:
        return
    realm.kinit("etl", cache)
    both, one = Path(f"{cache}.both.pem"), Path(f"{cache}.one.pem")
    prepared, late = (job(ca_cert=shutil.copy(certificates.ca, f), deadline=2) for f in (both, one))
    assert "etl" == user(prepared) == user(late)
    with Certificates() as new:
        with both.open("a") as file:
            file.write(Path(new.ca).read_text())
        server.kill()
        plan = {"auth": "GSSAPI", "realm": realm, "tls": new.of(HOST), "ca": new.ca}
        with SparkServer(HOST, server.port, **plan):
            assert "etl" == user(prepared)
            with pytest.raises(NoCoordinatorLeft, match="certificate verify failed"):
                user(late)
            assert [State.HEALTHY] == [found.state for found in late.cluster.snapshot()]

            put(new.ca, one)
            assert "etl" == user(late)

"""Whose password nobody has accepted yet in the process still finds the coordinators that are well."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

import impala_ha
from impala_ha import AuthenticationFailed, Cluster, Coordinator
from impala_ha.testing import LocalCluster

pytestmark = [pytest.mark.servers, pytest.mark.timeout(60)]

DYING = Path(__file__).with_name("dying_in_login.py")
WAYS = [("binary", False), ("http", False), ("binary", True), ("http", True)]


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(scope="module")
def clusters(certificates):
    """A pair of coordinators without TLS and one with it, by whether there is."""
    pems = [certificates.of("127.0.0.1"), certificates.of("127.0.0.2")]
    words = {"auth": "LDAP", "users": {"etl": "s3cret"}, "http": True}
    with LocalCluster(2, **words) as plain, LocalCluster(2, tls=pems, **words) as secured:
        yield {False: plain, True: secured}


@pytest.fixture(params=WAYS, ids=["binary", "http", "binary-tls", "http-tls"])
def way(request):
    return request.param


@pytest.fixture
def connect(way, certificates):
    opened = []

    def connected(*coordinators, **options):
        protocol, tls = way
        words = {
            "auth_mechanism": "LDAP",
            "user": "etl",
            "password": "s3cret",
            "use_http_transport": protocol == "http",
            "connect_timeout": 2.5,
            "deadline": 30,
            **({"use_ssl": True, "ca_cert": certificates.ca} if tls else {}),
            **options,
        }
        cluster = Cluster(coordinators, policy="ordered")
        opened.append(impala_ha.connect(cluster, **words))
        return opened[-1]

    yield connected
    for connection in opened:
        connection.close()


def at(local, way):
    return Coordinator(local.host, local.http_port if way[0] == "http" else local.port)


def rows(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT effective_user()")
        return cursor.fetchall()


def test_a_coordinator_that_was_stopped_is_passed_over(clusters, way, connect):
    first, second = clusters[way[1]]
    first.hang()
    try:
        connection = connect(at(first, way), at(second, way))

        assert at(second, way) == connection.coordinator
        assert [("etl",)] == rows(connection)
    finally:
        first.resume()


@contextmanager
def dying(way, certificates):
    pem = [certificates.of("127.0.0.1")] if way[1] else []
    words = [sys.executable, DYING, "127.0.0.1", way[0], *pem]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Coordinator("127.0.0.1", int(process.stdout.readline())), process
        finally:
            process.kill()


def test_a_coordinator_that_is_killed_in_the_login_is_passed_over(
    clusters, way, certificates, connect
):
    with dying(way, certificates) as (where, process):
        connection = connect(where, at(clusters[way[1]][1], way))

        assert [("etl",)] == rows(connection)
        assert -9 == process.wait(10)


def test_a_wrong_password_is_reported_at_once_also_with_a_coordinator_that_was_stopped(
    clusters, way, connect
):
    first, second = clusters[way[1]]
    first.hang()
    try:
        with pytest.raises(AuthenticationFailed, match=str(at(second, way))):
            connect(at(first, way), at(second, way), password="wrong")
    finally:
        first.resume()

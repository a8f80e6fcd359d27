"""How often a password reaches a real directory, which counts, through a real HiveServer2."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

import impala_ha
from impala_ha import AuthenticationFailed, CircuitBreaker, Cluster
from impala_ha.options.hosts import parse_hosts
from impala_ha.testing import FaultProxy
from real_servers import Directory, missing

LACKS = missing("spark", "directory")
pytestmark = [
    pytest.mark.slow(40),
    pytest.mark.servers,
    # The first test fetches 318 MB on a machine that has none of it.
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(LACKS), reason=LACKS),
]

PROGRAM = str(Path(sysconfig.get_path("scripts"), "impala-ha"))
OLD, NEW = "the password of before", "the one of now"
#: Says nothing for five seconds before its second row comes.
SLOW = (
    "SELECT id, java_method('java.lang.Thread', 'sleep', cast(id * 5000 AS BIGINT)) "
    "FROM range(0, 2, 1, 2)"
)


@pytest.fixture(scope="module")
def directory():
    with Directory({"etl": OLD, "warming": "any"}) as directory:
        yield directory


@pytest.fixture(scope="module", params=["binary", "http"])
def server(request, spark, directory):
    with spark({"auth": "LDAP", "ldap": directory, "http": request.param == "http"}) as (server,):
        yield server


class Front:
    """
    Three coordinators, which are one server, and a directory that counts.

    Attributes:
        known: What a function that is asked for the password returns.
        size: Of a pool.
    """

    def __init__(self, server, directory, proxies):
        self.directory = directory
        self.proxies = proxies
        self.over_http = "use_http_transport" in server.options
        # Over HTTP without cookies the server asks the directory about each request.
        self.size = 6 if self.over_http else 20
        limits = {"timeout": 60, "connect_timeout": 30, "deadline": 60}
        # With a cookie nobody would have to log in again.
        self.options = {**server.options, **limits, "user": "etl", "http_cookie_names": []}
        self.hosts = ",".join(proxy.address for proxy in proxies)
        # How many connections are lost in a test is no matter of health.
        self.cluster = Cluster(parse_hosts(self.hosts)[0], breaker=CircuitBreaker(threshold=1000))
        self.known = OLD
        self._refused = directory.refused()

    def connect(self, password, **options):
        """Open a connection, and a session over HTTP, too."""
        return impala_ha.connect(self.cluster, **{**self.options, "password": password, **options})

    def change(self):
        self.directory.change_password("etl", NEW)

    def cut(self):
        """Break all connections that are open."""
        for proxy in self.proxies:
            proxy.disconnect()

    @property
    def refused(self):
        """How many wrong passwords the directory has seen since this test began."""
        return self.directory.refused() - self._refused


@pytest.fixture
def front(server, directory):
    directory.change_password("etl", OLD)
    with ExitStack() as stack:
        address = f"{server.host}:{server.port}"
        proxies = [stack.enter_context(FaultProxy(address)) for _ in range(3)]
        yield Front(server, directory, proxies)
        directory.resume()


def rows(connection, statement="SELECT current_user()"):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def at_once(work, things):
    with ThreadPoolExecutor(len(things)) as threads:
        return list(threads.map(work, things))


def test_the_directory_lets_in_who_knows_the_password(front):
    with front.connect(OLD) as connection:
        assert [("etl",)] == rows(connection)
    assert 0 == front.refused


def test_a_wrong_password_arrives_once_from_all_threads_at_all_coordinators(front):
    def refused(_):
        for _ in range(2):
            with pytest.raises(AuthenticationFailed):
                front.connect("wrong")

    at_once(refused, range(8))
    assert 1 == front.refused


def test_the_doctor_shows_it_once(front):
    protocol = ["--protocol", "hs2-http"] if front.over_http else []
    words = [
        *protocol,
        "-l",
        "-u",
        "etl",
        "--ldap_password_cmd",
        "printf wrong",
        "--auth_creds_ok_in_clear",
    ]
    done = subprocess.run(
        [PROGRAM, "doctor", "--json", "--web_port", "0", "-i", front.hosts, *words],
        env={name: value for name, value in os.environ.items() if not name.startswith("IMPALA_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 1 == done.returncode, done.stderr
    found = [json.loads(line)["layer"] for line in done.stdout.splitlines()]
    assert ["login"] * 3 == found
    assert 1 == front.refused


def test_a_pool_goes_on_with_a_new_password_and_shows_the_old_one_once(front):
    """The function knows the new one, and is asked for it when the old one was refused."""
    # Hedged opens that lost may still close sessions, with the password of before.
    pool = at_once(lambda _: front.connect(lambda: front.known, hedge_after=0), range(front.size))
    front.change()
    front.cut()
    front.known = NEW

    assert [[("etl",)]] * front.size == at_once(rows, pool)
    assert front.refused <= 1
    for connection in pool:
        connection.close()


def test_a_pool_whose_password_is_a_text_shows_it_once_when_it_is_old(front):
    # Hedged, two coordinators are asked where the first one takes its time with the refusal.
    pool = at_once(lambda _: front.connect(OLD, hedge_after=0), range(front.size))
    front.change()
    front.cut()

    def refused(connection):
        with pytest.raises(AuthenticationFailed):
            rows(connection)
        with pytest.raises(AuthenticationFailed):
            front.connect(OLD, hedge_after=0)

    refused(pool[0])
    at_once(refused, pool)
    assert 1 == front.refused
    for connection in pool:
        connection.close()


@pytest.mark.parametrize("hedge_after", [0, 0.1])
def test_a_directory_that_hangs_is_asked_once_about_a_wrong_password(front, hedge_after):
    """And it is asked when it goes on, though the client has left long before."""
    front.directory.hang()
    for _ in range(3):
        with pytest.raises(impala_ha.Error):
            front.connect("wrong", connect_timeout=2, deadline=7, hedge_after=hedge_after)
    front.directory.resume()

    with suppress(impala_ha.Error):
        front.connect("wrong")
    assert 1 == front.refused


def test_a_login_that_is_reset_shows_a_wrong_password_once(front):
    """Each coordinator passes it on and breaks the connection instead of answering."""
    for proxy in front.proxies:
        phase = "HTTP:response" if front.over_http else "SASL:response"
        proxy.cut(phase, 0, how="rst", down=True)

    with pytest.raises(impala_ha.Error):
        front.connect("wrong", deadline=5)
    for proxy in front.proxies:
        proxy.heal()
    with pytest.raises(impala_ha.Error):
        front.connect("wrong", deadline=5)
    assert front.refused <= 1


def test_who_waits_for_an_answer_gets_it_though_the_password_has_changed(front):
    """The coordinator is probed meanwhile, which shows the old one to nobody again and again."""
    words = {"probe_after": 1, "http_cookie_names": "*"}  # else each request would be a login
    with front.connect(lambda: OLD, **words) as connection, connection.cursor() as cursor:
        cursor.execute("SET spark.sql.thriftServer.incrementalCollect = true")
        cursor.execute(SLOW)
        front.change()
        assert [0, 1] == [row[0] for row in cursor.fetchall()]
    assert front.refused <= 1

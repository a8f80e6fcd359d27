"""Real servers that the tests share: a realm, certificates, and HiveServer2s that are not ours."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

import impala_ha
from real_servers import Realm, SparkServer, missing, spark_jars

COOKIE_SECONDS = 2


def need(*wanted):
    """Skip the test, and say why, when this machine lacks something."""
    if reason := missing(*wanted):
        pytest.skip(reason)


@pytest.fixture(scope="session")
def realm():
    """A realm with coord1.test, coord2.test and the users etl and bob."""
    need("realm")
    with Realm(users=("etl", "bob")) as realm:
        yield realm


@pytest.fixture(scope="session")
def jars():
    """Where Spark's jars are."""
    need("spark")
    try:
        return spark_jars()
    except OSError as error:
        pytest.skip(str(error))


@pytest.fixture
def ticket(realm, monkeypatch):
    """A ticket for etl, in the environment as after ``kinit``; the value is its cache."""
    if missing("kerberos") and missing("gssapi"):
        pytest.skip(missing("kerberos"))
    for name, value in realm.environment.items():
        monkeypatch.setenv(name, value)
    return realm.kinit("etl")


@pytest.fixture(scope="session")
def spark(jars):
    """Start servers side by side and end them after the block: ``with spark(plan, plan) as ...``.

    Each plan is a dict of the arguments of `SparkServer`.
    """

    @contextlib.contextmanager
    def run(*plans, warm=True):
        if any(plan.get("http") for plan in plans):
            need("spark-http")
        with contextlib.ExitStack() as stack:
            servers = []
            for plan in plans:
                servers.append(SparkServer(**plan))
                stack.callback(servers[-1].close)
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda server: server.start(warm=warm), servers))
            yield servers

    return run


def _two(realm, **more):
    """Two servers, each a host of the realm."""
    return [
        {"host": f"127.0.0.{n + 1}", "name": f"coord{n}.test", "auth": "GSSAPI", "realm": realm}
        | more
        for n in (1, 2)
    ]


@pytest.fixture(scope="session")
def kerberized(spark, realm):
    """Two kerberized servers; who wants one alive calls its ``start``."""
    with spark(*_two(realm)) as servers:
        yield servers


@pytest.fixture(scope="session")
def spnego(spark, realm, certificates):
    """Two kerberized servers that speak HTTPS; who wants one alive calls its ``start``."""
    # A short life, so that a cookie ends in the middle of whatever a test does.
    settings = {"hive.server2.thrift.http.cookie.max.age": f"{COOKIE_SECONDS}s"}
    # Over HTTP they send no token of their own, so it takes a certificate to prove who they are.
    pem = certificates.of("127.0.0.2", "127.0.0.3", "127.0.0.1")
    with spark(*_two(realm, http=True, settings=settings, tls=pem, ca=certificates.ca)) as servers:
        yield servers


@pytest.fixture
def connect():
    """Open connections that are closed after the test: ``connect(server, server, option=...)``."""
    with contextlib.ExitStack() as stack:

        def open_(*servers, **options):
            # A cluster of its own each time: what one test learns is no news to the next.
            cluster = impala_ha.Cluster(
                [server.coordinator for server in servers], policy="ordered"
            )
            arguments = {"timeout": 60, "connect_timeout": 60, **servers[0].options, **options}
            return stack.enter_context(impala_ha.connect(cluster, **arguments))

        yield open_

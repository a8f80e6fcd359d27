"""A connection goes on as the user whom it was opened as, whoever has the tickets meanwhile."""

import pytest
from kerberized import MARKS, backends

import impala_ha
from impala_ha import AuthenticationFailed, Cluster, Coordinator, State

pytestmark = MARKS


@pytest.fixture
def kinit(realm, nobody):
    """Have the tickets of somebody in the cache."""
    return lambda user: realm.kinit(user, nobody)


NAMES = ("system", "gssapi", "kerberos")
WAYS = backends(*(f"{way} {by}" for way in ("binary", "http") for by in NAMES))


@pytest.fixture(params=WAYS)
def etl(request, two, kinit):
    """A connection of etl, to the first coordinator."""
    kinit("etl")
    way, package = request.param.split()
    ports = {c: c.http_port if way == "http" else c.port for c in two}
    where = [
        Coordinator(c.host, port, krb_host=f"coord{n}.test")
        for n, (c, port) in enumerate(ports.items(), 1)
    ]
    words = {"auth_mechanism": "GSSAPI", "kerberos_backend": package, "deadline": 5}
    cluster = Cluster(where, policy="ordered")
    with impala_ha.connect(cluster, use_http_transport=way == "http", **words) as connection:
        yield connection


def user(cursor):
    cursor.execute("SELECT effective_user()")
    return cursor.fetchall()[0][0]


def test_it_does_not_go_on_as_somebody_else(etl, two, kinit, realm):
    with etl.cursor() as cursor:
        first = user(cursor)
        kinit("bob")
        assert first == user(cursor) == f"etl@{realm.name}", "open as it is"

        two[0].kill()
        sessions = len(two[1].sessions)
        with pytest.raises(AuthenticationFailed) as told:
            user(cursor)
        assert f"one of bob@{realm.name}" in str(told.value)
        assert f"opened as etl@{realm.name}" in str(told.value)
        assert "does not change its user" in str(told.value)
        assert sessions == len(two[1].sessions)
        assert State.HEALTHY is etl.cluster.snapshot()[1].state

        kinit("etl")
        assert first == user(cursor)


def test_a_new_ticket_of_the_same_user_is_as_good(etl, two, kinit):
    with etl.cursor() as cursor:
        first = user(cursor)
        kinit("etl")
        two[0].kill()

        assert first == user(cursor)


def test_another_connection_may_be_anybodys(etl, kinit, realm):
    kinit("bob")
    with (
        impala_ha.connect(
            etl.cluster, auth_mechanism="GSSAPI", use_http_transport=etl.options.use_http_transport
        ) as other,
        other.cursor() as cursor,
    ):
        assert f"bob@{realm.name}" == user(cursor)


def test_a_cookie_that_ended_is_not_followed_by_somebody_elses(etl, two, kinit, realm):
    if not etl.options.use_http_transport:
        return
    with etl.cursor() as cursor:
        user(cursor)
        two[0].forget_cookies()
        kinit("bob")
        with pytest.raises(AuthenticationFailed, match=f"opened as etl@{realm.name}"):
            user(cursor)

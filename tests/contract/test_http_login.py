"""Saying who comes over HTTP: passwords, tokens, tickets, and the cookies that stand for them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from kerberized import BACKENDS

import impala_ha
from impala_ha import AuthenticationFailed, Cluster, Coordinator
from impala_ha.testing import LocalCluster
from real_servers import Certificates, missing

pytestmark = [pytest.mark.servers, pytest.mark.timeout(60)]

KEY = "a key that signs tokens, of at least 32 bytes"
kerberized = pytest.mark.skipif(bool(missing("realm", "gssapi")), reason=missing("realm", "gssapi"))


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1,127.0.0.2")


@pytest.fixture
def connect():
    opened = []

    def connected(local, **options):
        cluster = Cluster([Coordinator(one.host, one.http_port) for one in local], policy="ordered")
        options = {"connect_timeout": 5, "hedge_after": 0, "deadline": 5, **options}
        opened.append(impala_ha.connect(cluster, use_http_transport=True, **options))
        return opened[-1]

    yield connected
    for connection in opened:
        connection.close()


def user_of(cursor):
    cursor.execute("SELECT effective_user()")
    return cursor.fetchall()[0][0]


# Passwords.


@pytest.fixture(scope="module")
def guarded():
    users = {"etl": "s3cret", "päul": "pässword"}
    with LocalCluster(2, auth="LDAP", users=users, http=True) as cluster:
        yield cluster


@pytest.mark.parametrize("cookies", ["*", "impala.auth", ["impala.auth", "x"], []])
@pytest.mark.parametrize(("user", "password"), [("etl", "s3cret"), ("päul", "pässword")])
def test_a_password_lets_in(guarded, connect, user, password, cookies):
    connection = connect(
        guarded, auth_mechanism="LDAP", user=user, password=password, http_cookie_names=cookies
    )

    assert user == user_of(connection.cursor())


def test_cookies_that_the_coordinator_forgot_do_no_harm(guarded, connect):
    cursor = connect(guarded, auth_mechanism="LDAP", user="etl", password="s3cret").cursor()
    user_of(cursor)
    guarded[0].forget_cookies()

    assert "etl" == user_of(cursor)
    assert 1 == len(cursor.attempts)


@pytest.mark.parametrize(("mechanism", "password"), [("LDAP", "wrong"), ("PLAIN", None)])
def test_a_wrong_password_is_shown_to_one_coordinator_once(guarded, connect, mechanism, password):
    before = [one.http_connections() for one in guarded]
    with pytest.raises(AuthenticationFailed, match="HTTP code 401") as caught:
        connect(guarded, auth_mechanism=mechanism, user="etl", password=password)

    assert 1 == len(caught.value.attempts)
    assert "wrong" not in str(caught.value)
    asked = [one.http_connections() - b for one, b in zip(guarded, before, strict=True)]
    assert [2 if password else 1, 0] == asked  # the first one to see whether somebody is there


def test_who_says_nothing_is_told_what_to_say(guarded, connect):
    with pytest.raises(AuthenticationFailed, match="auth_mechanism='LDAP'"):
        connect(guarded)


def test_a_password_that_was_changed_is_read_anew(guarded, connect):
    words = ["old", "s3cret", "s3cret"]
    connection = connect(guarded, auth_mechanism="LDAP", user="etl", password=lambda: words.pop(0))

    assert "etl" == user_of(connection.cursor())
    assert ["s3cret"] == words


# Tokens.


@pytest.fixture(scope="module")
def tokens():
    pytest.importorskip("jwt")
    with LocalCluster(1, auth="JWT", jwt_key=KEY, http=True) as cluster:
        yield cluster


def token(seconds=3600.0):
    import jwt  # noqa: PLC0415 - an extra

    return jwt.encode({"username": "etl", "exp": time.time() + seconds}, KEY, "HS256")


def test_a_token_lets_in(tokens, connect):
    connection = connect(tokens, auth_mechanism="JWT", jwt=token() + "\n")

    assert "etl" == user_of(connection.cursor())


def test_a_token_that_has_ended_is_renewed_in_the_middle(tokens, connect):
    """Without cookies: one would stand for the login."""
    given = [token(), "x.y.z", token()]
    cursor = connect(
        tokens, auth_mechanism="JWT", jwt=lambda: given.pop(0), http_cookie_names=[]
    ).cursor()
    user_of(cursor)
    cursor._failover.driver._secrets.renew()

    assert "etl" == user_of(cursor)
    assert [] == given


def test_a_token_that_is_not_good_is_reported_and_not_shown(tokens, connect):
    bad = token(-60)
    with pytest.raises(AuthenticationFailed, match="HTTP code 401") as caught:
        connect(tokens, auth_mechanism="JWT", jwt=bad)

    assert bad not in str(caught.value)


def test_what_cannot_be_a_token_is_not_sent(tokens, connect):
    with pytest.raises(impala_ha.InterfaceError, match="white space"):
        connect(tokens, auth_mechanism="JWT", jwt="a b")


# Tickets.


@pytest.fixture
def ticket(etl):
    return Path(etl)


def with_tickets(two, **options):
    names = {one.host: f"coord{number}.test" for number, one in enumerate(two, 1)}
    return {"auth_mechanism": "GSSAPI", "krb_host": names, **options}


@kerberized
@pytest.mark.parametrize("package", BACKENDS)
def test_a_ticket_lets_in_and_a_cookie_stands_for_it(realm, two, ticket, connect, package):
    cursor = connect(two, **with_tickets(two, kerberos_backend=package)).cursor()
    first = user_of(cursor)
    ticket.unlink()

    assert f"etl@{realm.name}" == first == user_of(cursor)


@kerberized
def test_a_cookie_that_was_forgotten_costs_another_token(two, ticket, connect):
    cursor = connect(two, **with_tickets(two)).cursor()
    first = user_of(cursor)
    two[0].forget_cookies()

    assert first == user_of(cursor)
    assert 1 == len(cursor.attempts)
    two[0].forget_cookies()
    ticket.unlink()
    with pytest.raises(AuthenticationFailed, match="there is no Kerberos ticket"):
        user_of(cursor)


@kerberized
def test_each_coordinator_is_met_under_its_own_name(two, ticket, connect):
    cursor = connect(two, **with_tickets(two)).cursor()
    user_of(cursor)
    try:
        two[0].kill()

        user_of(cursor)
        assert two[1].host == cursor.coordinator.host
    finally:
        two[0].restart()


@kerberized
def test_without_a_ticket_no_coordinator_is_touched(two, ticket, connect):
    ticket.unlink()
    before = [one.http_connections() for one in two]
    with pytest.raises(AuthenticationFailed):
        connect(two, **with_tickets(two))

    assert before == [one.http_connections() for one in two]


# TLS.


def test_all_of_it_over_tls_on_one_connection(connect):
    with Certificates() as certificates:
        pem = certificates.of("127.0.0.1")
        with LocalCluster(1, auth="LDAP", users={"etl": "x"}, http=True, tls=pem) as local:
            secured = {"use_ssl": True, "ca_cert": certificates.ca, "auth_mechanism": "LDAP"}
            connection = connect(local, user="etl", password="x", **secured)

            assert "etl" == user_of(connection.cursor())
            assert 1 == local[0].http_connections()
            connection.close()

"""Who is let in to the local cluster's HTTP port: by a password or a cookie, in clear or over TLS."""

from __future__ import annotations

import base64
import re
import socket
import ssl
from http.cookies import SimpleCookie

import impala.dbapi
import pytest
from http_hs2 import Http, Refused, basic, cookie_of, refusal, user_of

from impala_ha.testing import LocalCluster
from real_servers import Certificates

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def guarded():
    users = {"etl": "s3cret", "päul": "pässword", "a&t=1;b": "odd"}
    with LocalCluster(2, auth="LDAP", users=users, http=True) as cluster:
        yield cluster


# -- passwords --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("user", "password"), [("etl", "s3cret"), ("päul", "pässword")])
def test_the_right_password_opens_and_earns_a_cookie(guarded, user, password):
    with Http(guarded[0], user=user, password=password) as client:
        client.open()
        told = client.answer.headers["Set-Cookie"]
        who = user_of(client)

    assert who == user
    signed = r"impala\.auth=[\w=-]{44}&u=.+&t=\d+&r=\d+&a=Basic"
    assert re.fullmatch(signed + ";HttpOnly;Max-Age=86400;Secure", told)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("etl", "wrong"),
        basic("nobody", "s3cret"),
        basic("etl", ""),
        {"Authorization": "Basic not-base64!"},
        {"Authorization": "Basic " + base64.b64encode(b"no colon").decode()},
        {"Authorization": "Basic"},
        {"Authorization": "Negotiate YII="},
    ],
    ids=["nothing", "password", "user", "empty", "base64", "colon", "bare", "negotiate"],
)
def test_a_wrong_password_is_asked_for_again_and_the_connection_closed(guarded, headers):
    assert refusal(guarded[0], headers) == [("WWW-Authenticate", "Basic")]


def test_a_refusal_reaches_a_client_that_has_more_to_send(guarded):
    """It does not come as a reset, however much of the body is still under way."""
    with socket.create_connection((guarded[0].host, guarded[0].http_port), timeout=10) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n")
        sock.sendall(b"x" * 3_000_000)
        answer = b""
        while more := sock.recv(65536):
            answer += more

    assert answer.startswith(b"HTTP/1.1 401 Unauthorized\r\n")


def test_who_waits_for_100_continue_hears_401_instead(guarded):
    with socket.create_connection((guarded[0].host, guarded[0].http_port), timeout=10) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")

        assert sock.recv(65536).startswith(b"HTTP/1.1 401 Unauthorized\r\n")


def test_impyla_logs_in_and_is_told_when_it_may_not(guarded):
    def connect(password):
        return impala.dbapi.connect(
            guarded[0].host,
            guarded[0].http_port,
            auth_mechanism="LDAP",
            user="etl",
            password=password,
            use_http_transport=True,
            http_path="cliservice",
        )

    connection = connect("s3cret")
    cursor = connection.cursor()
    cursor.execute("SELECT effective_user()")
    rows = cursor.fetchall()
    cursor.close()
    connection.close()
    with pytest.raises(impala.error.HttpError, match="401"):
        connect("wrong").cursor()

    assert rows == [("etl",)]


# -- cookies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["etl", "päul"])
def test_a_cookie_stands_for_the_password(guarded, user):
    password = {"etl": "s3cret", "päul": "pässword"}[user]
    with Http(guarded[0], user=user, password=password) as client:
        client.open()
        cookie = cookie_of(client.answer)
        # http.client reads what is no ASCII as Latin-1, and writes it so.
        client.headers = {"Cookie": f"other=1; {cookie}"}
        who = user_of(client)

    assert who == user
    assert client.answer.headers["Set-Cookie"] is None


def test_a_cookie_may_come_in_quotes(guarded):
    """Python's own cookies do."""
    with Http(guarded[0], user="etl", password="s3cret") as client:
        client.open()
        morsel = SimpleCookie(client.answer.headers["Set-Cookie"])["impala.auth"]
        client.headers = {"Cookie": morsel.output(attrs=["value"], header="").strip()}

        assert user_of(client) == "etl"


FORGET = ("Set-Cookie", "impala.auth=;HttpOnly;Max-Age=0")


def test_a_cookie_of_another_coordinator_is_worth_nothing(guarded):
    with Http(guarded[0], user="etl", password="s3cret") as client:
        client.open()
        cookie = cookie_of(client.answer)

    assert refusal(guarded[1], {"Cookie": cookie}) == [FORGET, ("WWW-Authenticate", "Basic")]


@pytest.mark.parametrize(
    "cookie",
    [
        "impala.auth=",
        "impala.auth=abc",
        "impala.auth=!!!&u=etl&t=1&r=1&a=Basic",
        "impala.auth=AAAA&u=etl&t=99999999999&r=1&a=Basic",
        "other=1",
    ],
)
def test_a_cookie_that_nobody_baked_is_taken_away(guarded, cookie):
    assert refusal(guarded[0], {"Cookie": cookie}) == [FORGET, ("WWW-Authenticate", "Basic")]


def test_a_bad_cookie_does_no_harm_beside_a_good_password(guarded):
    headers = {**basic("etl", "s3cret"), "Cookie": "impala.auth=AAAA&u=bob&t=1&r=1&a=Basic"}
    with Http(guarded[0], headers=headers) as client:
        client.open()

        forgotten, fresh = client.answer.headers.get_all("Set-Cookie")
        assert user_of(client) == "etl"

    assert forgotten == FORGET[1]
    assert "&u=etl&" in fresh


def test_only_five_cookies_are_looked_at(guarded):
    with Http(guarded[0], user="etl", password="s3cret") as client:
        client.open()
        cookie = cookie_of(client.answer)
    many = "; ".join(f"c{number}=1" for number in range(5))

    assert refusal(guarded[0], {"Cookie": f"{many}; {cookie}"})[0] == FORGET


def test_cookies_can_be_forgotten(guarded):
    with Http(guarded[0], user="etl", password="s3cret") as client:
        client.open()
        cookie = cookie_of(client.answer)
    guarded[0].forget_cookies()

    assert refusal(guarded[0], {"Cookie": cookie})[0] == FORGET


def test_a_cookie_grows_old(until):
    flags = {"max_cookie_lifetime_s": 2}
    with LocalCluster(1, auth="PLAIN", http=True, flags=flags) as cluster:
        with Http(cluster[0], user="etl", password="any") as client:
            client.open()
            cookie = cookie_of(client.answer)

        def is_old():
            with Http(cluster[0], headers={"Cookie": cookie}) as client:
                try:
                    client.open()
                except Refused:
                    return True
            return False

        assert not is_old()
        until(is_old)


def test_there_may_be_no_cookies():
    flags = {"max_cookie_lifetime_s": 0}
    with LocalCluster(1, auth="PLAIN", http=True, flags=flags) as cluster:
        with Http(cluster[0], user="etl", password="any") as client:
            client.open()

            assert client.answer.headers["Set-Cookie"] is None
        assert refusal(cluster[0], {"Cookie": "x=1"}) == [("WWW-Authenticate", "Basic")]


def test_a_user_may_be_called_anything(guarded):
    """A name with a semicolon breaks its cookie, as at Impala; with its password it gets in."""
    with Http(guarded[0], user="a&t=1;b", password="odd") as client:
        client.open()
        cookie = cookie_of(client.answer)

        assert user_of(client) == "a&t=1;b"
    assert refusal(guarded[0], {"Cookie": cookie})[0] == FORGET


def test_a_session_belongs_to_its_user_over_http_too(guarded):
    with Http(guarded[0], user="etl", password="s3cret") as client:
        client.open()
        client.headers = basic("päul", "pässword")

        text = client.execute("SELECT 1").status.errorMessage

    assert text == (
        "The user authorized on the connection 'päul' does not match the session username 'etl'"
    )


# -- TLS --------------------------------------------------------------------------------------------


def test_the_http_port_speaks_tls_with_the_same_certificates():
    with Certificates() as certificates:
        context = ssl.create_default_context(cafile=certificates.ca)
        pems = [certificates.of(f"127.0.0.{number}") for number in (1, 2)]
        with LocalCluster(2, tls=pems, http=True) as cluster:
            for coordinator in cluster:
                with Http(coordinator, context=context) as client:
                    client.open()
                    client.run("SELECT 1")
                    assert coordinator.http_connections() == 1


def test_a_refusal_over_tls_ends_with_a_goodbye():
    with Certificates() as certificates:
        context = ssl.create_default_context(cafile=certificates.ca)
        tls = certificates.of("127.0.0.1")
        users = {"etl": "s3cret"}
        with LocalCluster(1, tls=tls, auth="LDAP", users=users, http=True) as cluster:
            address = (cluster[0].host, cluster[0].http_port)
            with (
                socket.create_connection(address, timeout=10) as sock,
                context.wrap_socket(
                    sock, server_hostname="127.0.0.1", suppress_ragged_eofs=False
                ) as secured,
            ):
                secured.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
                answer = b""
                while more := secured.recv(65536):
                    answer += more

    assert answer.startswith(b"HTTP/1.1 401 Unauthorized\r\n")

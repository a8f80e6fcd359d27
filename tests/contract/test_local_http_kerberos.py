"""Who is let in to the local cluster's HTTP port by a ticket: SPNEGO as Impala takes it."""

from __future__ import annotations

import base64
import socket

import impala.dbapi
import pytest
from http_hs2 import Http, cookie_of, refusal, user_of
from kerberized import MARKS, kerberized

from real_servers import Realm, missing

pytestmark = [*MARKS, pytest.mark.usefixtures("etl")]

if not missing("gssapi"):
    import gssapi

SPNEGO = "1.3.6.1.5.5.2"


@pytest.fixture
def cluster(two):
    return two


def context_for(principal, realm):
    return gssapi.SecurityContext(
        name=gssapi.Name(f"{principal}@{realm.name}", gssapi.NameType.kerberos_principal),
        mech=gssapi.OID.from_int_seq(SPNEGO),
        usage="initiate",
    )


def negotiate(token):
    return {"Authorization": f"Negotiate {base64.b64encode(token).decode()}"}


@pytest.mark.parametrize("service", ["impala", "HTTP"])
@pytest.mark.parametrize("index", [0, 1])
def test_a_ticket_for_the_coordinators_own_name_opens(cluster, realm, service, index):
    context = context_for(f"{service}/coord{index + 1}.test", realm)
    with Http(cluster[index], headers=negotiate(context.step())) as client:
        client.open()
        word, _, token = client.answer.headers["WWW-Authenticate"].partition(" ")
        context.step(base64.b64decode(token))
        client.headers = {"Cookie": cookie_of(client.answer)}
        who = user_of(client)

    # The answer proves to the client with whom it speaks.
    assert word == "Negotiate"
    assert context.complete
    assert who == f"etl@{realm.name}"


def test_who_shows_no_ticket_is_told_to(cluster):
    assert refusal(cluster[0], {}) == [("WWW-Authenticate", "Negotiate")]


@pytest.mark.parametrize("token", [b"", b"garbage", b"\x60\x06\x06\x04"])
def test_what_is_no_ticket_is_refused_without_a_word(cluster, token):
    expected = [] if token else [("WWW-Authenticate", "Negotiate")]

    assert refusal(cluster[0], negotiate(token)) == expected


def test_what_is_no_base64_is_refused_without_a_word(cluster):
    assert refusal(cluster[0], {"Authorization": "Negotiate !!!"}) == []


def test_a_ticket_for_another_coordinator_is_refused(cluster, realm):
    token = context_for("impala/coord2.test", realm).step()

    assert refusal(cluster[0], negotiate(token)) == []


def test_beelines_colon_is_overlooked(cluster, realm):
    token = base64.b64encode(context_for("HTTP/coord1.test", realm).step()).decode()
    with Http(cluster[0], headers={"Authorization": f"Negotiate: {token}"}) as client:
        assert client.open().sessionHandle is not None


def test_the_keytab_need_not_have_a_key_for_browsers(monkeypatch):
    with Realm(services=("impala",), hosts=("coord1.test",), name="OTHER.TEST") as other:
        for name, value in other.environment.items():
            monkeypatch.setenv(name, value)
        other.kinit("etl")
        with kerberized(other, 1, http=True) as cluster:
            token = context_for("impala/coord1.test", other).step()
            with Http(cluster[0], headers=negotiate(token)) as client:
                assert client.open().sessionHandle is not None


def test_impyla_logs_in_once_and_shows_the_cookie_from_then_on(cluster, realm):
    coordinator = cluster[1]
    connection = impala.dbapi.connect(
        coordinator.host,
        coordinator.http_port,
        auth_mechanism="GSSAPI",
        kerberos_service_name="HTTP",
        krb_host="coord2.test",
        use_http_transport=True,
        http_path="cliservice",
    )
    cursor = connection.cursor()
    cursor.execute("SELECT effective_user()")
    rows = cursor.fetchall()
    coordinator.forget_cookies()
    cursor.execute("SELECT 'with a new ticket'")
    more = cursor.fetchall()
    cursor.close()
    connection.close()

    assert rows == [(f"etl@{realm.name}",)]
    assert more == [("with a new ticket",)]


def test_the_binary_port_takes_tickets_beside_it(cluster):
    with socket.create_connection((cluster[0].host, cluster[0].port), timeout=10) as sock:
        sock.sendall(b"\x01\x00\x00\x00\x05PLAIN")

        assert sock.recv(100)[:1] == b"\x03"

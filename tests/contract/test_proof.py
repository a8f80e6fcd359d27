"""The server proves who it is, by Kerberos, before it is told anything: binary and over HTTP."""

import json
import os
import ssl
import struct
import subprocess
import sysconfig
from pathlib import Path

import pytest
from imposter import ADDRESS, Imposter, Relay, answered, negotiate, receive, request, send
from kerberized import MARKS, acceptor

import impala_ha
from impala_ha import Cluster, Coordinator, NoCoordinatorLeft, State
from impala_ha.core.faults import Fault

pytestmark = MARKS

OK, COMPLETE = 2, 5
DATABASE, USER = "db_of_secrets", "who_comes"
ACT_FOR = "for_whom"


@pytest.fixture(autouse=True)
def _ticket(etl, monkeypatch):
    monkeypatch.setenv("KRB5RCACHENAME", "none:")  # of the acceptors in this process


def somebody_elses_token(realm):
    """What a coordinator said to another client."""
    import gssapi  # noqa: PLC0415 - the marks above have looked for it

    name = gssapi.Name("impala@coord2.test", gssapi.NameType.hostbased_service)
    client = gssapi.SecurityContext(
        name=name, usage="initiate", flags=gssapi.RequirementFlag.mutual_authentication
    )
    return acceptor(realm.server_keytab, "impala/coord2.test").step(client.step())


#: How far a server goes with the login before it does something else.
GREETED, PROVEN, OFFERED = 1, 2, 3


def binary(realm, until, last):
    """A server that goes as far as *until*, and then says *last(realm)*: a status and a payload."""

    def talk(_, client):
        assert (1, b"GSSAPI") == receive(client)
        _, token = receive(client)
        if until >= PROVEN:
            context = acceptor(realm.server_keytab)
            send(client, OK, context.step(token))
            assert (OK, b"") == receive(client)
        if until >= OFFERED:
            send(client, OK, context.wrap(struct.pack(">I", 4 << 24 | 65536), False).message)
            receive(client)
        send(client, *last(realm))

    return talk


SKIPPED = {
    "complete at once": (GREETED, lambda _: (COMPLETE, b"")),
    "complete with garbage": (GREETED, lambda _: (COMPLETE, b"x" * 64)),
    "an empty token": (GREETED, lambda _: (OK, b"")),
    "a token that is garbage": (GREETED, lambda _: (OK, b"x" * 64)),
    "somebody else's token": (GREETED, lambda realm: (OK, somebody_elses_token(realm))),
    "complete without an offer": (PROVEN, lambda _: (COMPLETE, b"")),
    "an offer that is garbage": (PROVEN, lambda _: (OK, b"x" * 64)),
    "an offer in the clear": (PROVEN, lambda _: (OK, struct.pack(">I", 1 << 24))),
    "one more step": (OFFERED, lambda _: (OK, b"x" * 64)),
}


def connect(*where, **options):
    arguments = {
        "auth_mechanism": "GSSAPI",
        "database": DATABASE,
        "user": USER,
        "doas_user": ACT_FOR,
        "deadline": 5,
        "hedge_after": 0,
    }
    cluster = Cluster(where, policy="ordered")
    return cluster, lambda: impala_ha.connect(cluster, **{**arguments, **options})


def is_refused(imposter, told="did not prove who it is", **options):
    """It is refused as one who is not to be trusted, once, without blame, and told nothing."""
    cluster, opened = connect(imposter.where, **options)
    with pytest.raises(NoCoordinatorLeft, match=told) as caught:
        opened()

    assert [Fault.UNTRUSTED] == [attempt.fault for attempt in caught.value.attempts]
    assert [State.HEALTHY] == [candidate.state for candidate in cluster.snapshot()]
    return str(caught.value)


@pytest.mark.parametrize("kind", SKIPPED)
def test_a_server_that_skips_a_step_of_the_login_is_refused_and_told_nothing(realm, kind, package):
    with Imposter(binary(realm, *SKIPPED[kind])) as imposter:
        text = is_refused(imposter, kerberos_backend=package)

    assert (1, b"") == (imposter.clients, imposter.after)
    assert "Kerberos has no option to go without" in text


def test_the_next_coordinator_is_asked(realm, two, package):
    genuine = Coordinator(two[1].host, two[1].port, krb_host="coord2.test")
    more = {"kerberos_backend": package, "database": None, "doas_user": None}
    with Imposter(binary(realm, *SKIPPED["complete at once"])) as imposter:
        _, opened = connect(imposter.where, genuine, **more)
        with opened() as connection:
            assert genuine == connection.coordinator


def test_no_option_switches_it_off():
    with pytest.raises((TypeError, impala_ha.InterfaceError), match="krb_mutual"):
        impala_ha.connect("a", auth_mechanism="GSSAPI", krb_mutual=False)


# Over HTTP.


def over_http(header):
    """A server that answers each request with the header that *header(realm)* makes."""

    def talk(imposter, client):
        while True:
            head, body = request(client)
            imposter.heard += head + body
            answered(client, *header(), "Set-Cookie: impala.auth=forged")

    return talk


NO_PROOF = {
    "none": lambda _: [],
    "an empty one": lambda _: ["WWW-Authenticate: Negotiate"],
    "an empty one after a blank": lambda _: ["WWW-Authenticate: Negotiate "],
    "no base64": lambda _: ["WWW-Authenticate: Negotiate !!!"],
    "garbage": lambda _: [negotiate(b"x" * 64)],
    "somebody else's": lambda realm: [negotiate(somebody_elses_token(realm))],
    "of another scheme": lambda _: ["WWW-Authenticate: Basic eHh4"],
}


@pytest.mark.parametrize("kind", NO_PROOF)
def test_a_server_without_a_proof_over_http_is_refused_and_told_nothing(realm, kind, package):
    with Imposter(over_http(lambda: NO_PROOF[kind](realm))) as imposter:
        is_refused(imposter, use_http_transport=True, kerberos_backend=package)

    assert 1 == imposter.heard.count(b"POST ") == imposter.clients
    for secret in (DATABASE, USER, ACT_FOR, "OpenSession"):
        assert secret.encode() not in imposter.heard


@pytest.mark.parametrize("status", ["404 Not Found", "503 Service Unavailable"])
def test_who_answers_the_login_with_something_else_is_told_with_it(status):
    def talk(_, client):
        request(client)
        answered(client, status=status)

    with Imposter(talk) as imposter:
        _, opened = connect(imposter.where, use_http_transport=True, deadline=0.01)
        with pytest.raises(NoCoordinatorLeft) as caught:
            opened()

    told = caught.value.attempts[0].text
    assert f"HTTP code {status[:3]}: {status[4:]} from http://{ADDRESS}" in told


def test_a_cookie_of_who_proved_nothing_is_not_kept(realm):
    with Imposter(over_http(list)) as imposter:
        _, opened = connect(imposter.where, use_http_transport=True)
        for _ in range(2):
            with pytest.raises(NoCoordinatorLeft):
                opened()

    assert b"forged" not in imposter.heard


@pytest.mark.parametrize(
    ("kind", "verified", "trusted"),
    [("none", True, True), ("none", False, False), ("garbage", True, False)],
)
def test_a_certificate_is_a_proof_where_no_token_comes(
    realm, certificates, kind, verified, trusted
):
    """Hive and Spark send none over HTTP; a wrong one is wrong all the same."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.of(ADDRESS))
    secured = {"use_ssl": True, "ca_cert": certificates.ca if verified else None}
    with Imposter(over_http(lambda: NO_PROOF[kind](realm)), context) as imposter:
        if trusted:
            _, opened = connect(imposter.where, use_http_transport=True, **secured)
            with pytest.raises(impala_ha.Error):  # that empty body is no HiveServer2
                opened()
        else:
            is_refused(imposter, use_http_transport=True, **secured)

    assert trusted == (b"OpenSession" in imposter.heard)


@pytest.mark.parametrize("cookies", ["*", []], ids=["cookies", "none"])
def test_coordinators_that_prove_it_serve_on_the_same_connection(two, package, cookies):
    before = two[0].http_connections()
    options = {"use_http_transport": True, "kerberos_backend": package, "database": None}
    where = Coordinator(two[0].host, two[0].http_port, krb_host="coord1.test")
    _, opened = connect(where, http_cookie_names=cookies, doas_user=None, **options)
    with opened() as connection, connection.cursor() as cursor:
        for number in range(3):
            cursor.execute(f"SELECT {number}")
            assert [(number,)] == cursor.fetchall()
    assert before + 1 == two[0].http_connections()


def test_a_login_in_the_middle_of_a_connection_must_be_proven_as_well(two):
    """A cookie that is refused is followed by a ticket, and not yet by the statement."""
    relay = Relay((two[0].host, two[0].http_port))
    more = {"use_http_transport": True, "database": None, "doas_user": None, "deadline": 1}
    with Imposter(relay) as imposter:
        _, opened = connect(imposter.where, **more)
        connection = opened()
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        relay.turned = True
        with pytest.raises(impala_ha.Error):
            cursor.execute("SELECT 'spoken after the end of the cookie'")

    with_ticket = imposter.heard.partition(b"Authorization: Negotiate")[2]
    assert with_ticket
    assert b"spoken after" not in with_ticket


# The doctor.


@pytest.mark.parametrize("protocol", ["hs2", "hs2-http"])
def test_the_doctor_says_who_did_not_prove_it(realm, protocol):
    program = str(Path(sysconfig.get_path("scripts"), "impala-ha"))
    talk = (
        over_http(list) if protocol == "hs2-http" else binary(realm, *SKIPPED["complete at once"])
    )
    with Imposter(talk) as imposter:
        words = ["-k", "-b", "coord1.test", "-i", str(imposter.where), "--protocol", protocol]
        done = subprocess.run(
            [program, "doctor", "--json", "--web_port", "0", *words],
            env={k: v for k, v in os.environ.items() if not k.startswith("IMPALA")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    found = json.loads(done.stdout)

    assert (1, "login", "UNTRUSTED") == (done.returncode, found["layer"], found["fault"])
    assert "did not prove who it is" in found["problem"]
    assert b"" == imposter.after
    assert b"OpenSession" not in imposter.heard

"""Opening connections on 127.0.0.1: in time, with and without a password, over TLS and HTTP."""

import os
import struct
from collections import deque

import pytest
from impala.error import HiveServer2Error, HttpError
from loopback import HOST, Answers, Peer, exactly, hiveserver2, over_http
from thrift.transport.TTransport import TTransportException

from impala_ha import Coordinator, errors
from impala_ha.core.clock import SystemClock
from impala_ha.core.fault_rules import classify
from impala_ha.core.faults import CallFailed, CredentialKind, Fault, Phase
from impala_ha.hs2.connector import ImpylaDriver, system_user
from impala_ha.options.options import Options

pytestmark = pytest.mark.timeout(30)

LIMIT = 5.0


def driver(clock=None, **options):
    return ImpylaDriver(Options(**options), clock or SystemClock())


def opened(peer, limit=LIMIT, configuration=(), **options):
    """A link to *peer*."""
    return driver(**options).open(peer.coordinator, "etl", dict(configuration), limit)


def refused(peer, limit=LIMIT, **options):
    """How opening a link to *peer* failed."""
    with pytest.raises(CallFailed) as caught:
        opened(peer, limit, **options)
    return caught.value


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def peer(answers):
    with Peer(hiveserver2(answers)) as found:
        yield found


def silent(connection):
    exactly(connection, 1 << 30)


def test_open_means_that_open_session_was_answered(peer, answers):
    link = opened(peer, configuration={"use:database": "sales"})

    assert [{"use:database": "sales"}] == list(answers.server.sessions.values())
    assert (peer.coordinator, True, False) == (link.coordinator, link.impala, link.broken)
    link.close()


def test_hive_is_told_from_impala(peer, answers):
    answers.server.impala = False
    link = opened(peer)

    assert not link.impala
    link.close()


def test_a_listener_that_never_answers_is_left_by_the_limit():
    """TCP connects well, and that proves nothing."""
    with Peer(silent) as peer:
        error = refused(peer, limit=0.2)

        assert (Phase.OPEN, Fault.UNREACHABLE) == (
            error.phase,
            classify(error.__cause__, error.phase),
        )
        assert TTransportException.TIMED_OUT == error.__cause__.type


def test_nobody_listening_is_a_failure_to_connect():
    with Peer(silent) as gone:
        pass

    error = refused(gone)

    assert (Phase.CONNECT, Fault.UNREACHABLE) == (
        error.phase,
        classify(error.__cause__, error.phase),
    )


def test_a_coordinator_that_refuses_the_session_is_reported_in_its_words(peer, answers):
    answers.server.script["OpenSession"].append("Server is being shut down: grace 1s")

    error = refused(peer)

    assert Phase.OPEN is error.phase
    assert isinstance(error.__cause__, HiveServer2Error)
    assert Fault.DRAINING is classify(error.__cause__, error.phase)


@pytest.mark.parametrize("looks", [2, 4], ids=["connecting", "waiting for the answer"])
def test_ctrl_c_while_opening_stays_ctrl_c_and_closes_the_socket(looks):
    """It strikes at the second or the fourth look at the clock."""

    class Interrupting:
        left = looks

        def now(self):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt
            return 0.0

    with Peer(silent) as peer:
        with pytest.raises(KeyboardInterrupt):
            driver(Interrupting()).open(peer.coordinator, "etl", {}, LIMIT)


# Who you are.


def test_a_password_opens_and_is_for_sasl_alone(answers):
    with Peer(hiveserver2(answers, users={"etl": "s3cret"})) as peer:
        for mechanism in ("PLAIN", "LDAP"):
            opened(peer, auth_mechanism=mechanism, user="etl", password="s3cret").close()

    assert "s3cret" not in str(answers.server.log)


def test_a_wrong_password_is_an_end_of_file_while_authenticating(answers):
    with Peer(hiveserver2(answers, users={"etl": "s3cret"})) as peer:
        error = refused(peer, auth_mechanism="LDAP", user="etl", password="wr0ng")

        assert Phase.LOGIN is error.phase
        assert Fault.DENIED is classify(
            error.__cause__, error.phase, credential=CredentialKind.SECRET
        )
        assert "wr0ng" not in str(error)


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (struct.pack(">BI", 3, 28) + b"Unsupported mechanism type X", Fault.DENIED),
        (struct.pack(">BI", 4, 24) + b"Expecting START status, ", Fault.DENIED),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Fault.MISMATCH),
        (b"\x05\x00", Fault.DENIED),  # as Impala refuses a password
    ],
    ids=["mechanism", "status", "http", "cut"],
)
def test_what_is_no_sasl_is_reported_at_once(reply, fault):
    def talk(connection):
        # The mechanism, and the password: a socket that is closed with unread bytes is reset.
        for _ in range(2):
            exactly(connection, struct.unpack(">BI", exactly(connection, 5))[1])
        connection.sendall(reply)

    with Peer(talk) as peer:
        error = refused(peer, auth_mechanism="PLAIN")

        means = classify(error.__cause__, error.phase, credential=CredentialKind.SECRET)
        assert (Phase.LOGIN, fault) == (error.phase, means)


def test_a_frame_that_is_too_long_to_be_meant_is_not_waited_for():
    """After the handshake a length may be larger than in it, and still not any number."""

    def talk(connection):
        connection.recv(1000)
        connection.sendall(struct.pack(">BI", 5, 0))
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1")
        silent(connection)

    with Peer(talk) as peer:
        error = refused(peer, auth_mechanism="PLAIN")

        assert "is longer than the limit of 536870912" in str(error)


@pytest.mark.parametrize(
    ("mechanism", "sends"), [("NOSASL", False), ("PLAIN", True), ("LDAP", True), ("GSSAPI", False)]
)
def test_it_tells_whether_opening_hands_out_a_password(mechanism, sends):
    found = driver(auth_mechanism=mechanism, user="etl", password="s3cret")

    assert sends is found.sends_password


# TLS and HTTP.


def test_with_the_right_authority_tls_opens(answers, tls):
    with Peer(hiveserver2(answers), tls.here) as peer:
        opened(peer, use_ssl=True, ca_cert=tls.ca).close()

    assert 1 == answers.server.count("OpenSession")


def test_without_one_tls_encrypts_and_does_not_verify_as_impyla(answers, tls):
    with Peer(hiveserver2(answers), tls.elsewhere) as peer:
        opened(peer, use_ssl=True).close()

    assert 1 == answers.server.count("OpenSession")


@pytest.mark.parametrize("how", ["name", "authority"])
def test_a_certificate_that_is_not_trusted_is_reported(how, answers, tls):
    with Peer(hiveserver2(answers), tls.elsewhere if how == "name" else tls.here) as peer:
        trust = {"ca_cert": tls.ca} if how == "name" else {"verify_cert": True}
        error = refused(peer, use_ssl=True, **trust)

        assert (Phase.CONNECT, Fault.UNTRUSTED) == (
            error.phase,
            classify(error.__cause__, error.phase),
        )


def test_tls_to_a_server_without_it_is_told_at_once(answers):
    def talk(connection):
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        silent(connection)

    with Peer(talk) as peer:
        error = refused(peer, use_ssl=True)

        assert Fault.MISMATCH is classify(error.__cause__, error.phase)


def test_a_file_that_is_no_certificate_is_reported(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")

    with pytest.raises(CallFailed, match="ca_cert must be a file with certificates") as caught:
        driver(use_ssl=True, ca_cert=str(file)).open(Coordinator(HOST), "etl", {}, LIMIT)

    assert isinstance(caught.value.__cause__, errors.ConfigurationError)


@pytest.fixture
def direct(monkeypatch):
    """impyla's HTTP client heeds the proxies of the environment."""
    monkeypatch.setenv("no_proxy", HOST)


@pytest.mark.usefixtures("direct")
def test_http_opens_and_closes(answers):
    with over_http(answers) as (coordinator, seen):
        found = driver(use_http_transport=True, http_path="cliservice", user_agent="me/1")
        link = found.open(coordinator, "etl", {}, LIMIT)
        link.close()

    assert ["OpenSession", "CloseSession"] == [name for name, _ in answers.server.log]
    assert {"me/1"} == {headers["User-Agent"].partition(" ")[0] for headers in seen}


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize(("status", "fault"), [(401, Fault.REFUSED), (503, Fault.UNREACHABLE)])
def test_what_a_gateway_says_is_reported(answers, status, fault):
    with over_http(answers, status) as (coordinator, _):
        with pytest.raises(CallFailed) as caught:
            driver(use_http_transport=True).open(coordinator, "etl", {}, LIMIT)

    assert isinstance(caught.value.__cause__, HttpError)
    assert fault is classify(caught.value.__cause__, caught.value.phase)


# Looking after a silent coordinator, and ending what runs on one.


def test_a_probe_asks_on_a_connection_of_its_own_and_leaves_nothing(peer, answers):
    assert "" == driver().probe(peer.coordinator, "etl")

    assert ["OpenSession", "GetInfo", "CloseSession"] == [name for name, _ in answers.server.log]


def test_any_answer_is_a_sign_of_life(peer, answers):
    answers.server.script["OpenSession"].append("Server is being shut down: grace 1s")

    assert "" == driver().probe(peer.coordinator, "etl")


@pytest.mark.parametrize("rpc", ["OpenSession", "GetInfo"])
def test_a_coordinator_that_goes_while_it_is_probed_is_reported(peer, answers, rpc):
    cut = TTransportException(TTransportException.END_OF_FILE, "cut")
    answers.server.script[rpc].append(cut)

    assert "read 0 bytes" in driver().probe(peer.coordinator, "etl")


def test_a_coordinator_that_does_not_answer_the_probe_in_time_is_reported():
    with Peer(silent) as peer:
        assert "timeout" in driver(connect_timeout=0.2).probe(peer.coordinator, "etl")


def test_a_refusal_of_who_you_are_is_a_sign_of_life(answers):
    """A ticket may be over while a statement runs."""

    def talk(connection):
        connection.recv(1000)
        connection.sendall(struct.pack(">BI", 3, 2) + b"no")

    with Peer(talk) as peer:
        assert "" == driver(auth_mechanism="PLAIN").probe(peer.coordinator, "etl")


@pytest.mark.parametrize(("after", "watches"), [(15.0, True), (None, False)])
def test_a_link_watches_over_its_coordinator_unless_told_not_to(peer, after, watches):
    link = opened(peer, probe_after=after)

    assert watches is (link.client.transport.probe is not None)
    if watches:
        assert (after, "") == (link.client.transport.probe_after, link.client.transport.probe())
    link.close()


def test_a_session_can_be_ended_through_another_connection(peer, answers):
    found = driver()
    link = found.open(peer.coordinator, "etl", {}, LIMIT)
    session = link.session("etl", {})

    assert found.end_session(link, "etl", session, LIMIT), "it is certainly over"

    assert {} == answers.server.sessions
    assert 2 == peer.accepted, "both have been answered"
    link.close()


def test_what_ran_in_a_process_that_refuses_connections_is_over(answers):
    with Peer(hiveserver2(answers)) as peer:
        link = opened(peer)
        session = link.session("etl", {})
        link.close()

    assert driver().end_session(link, "etl", session, LIMIT)


@pytest.mark.parametrize(
    ("text", "over"),
    [
        ("Invalid session id: 1:2\n", True),
        ("Session is closed\n", True),
        (
            "The user authorized on the connection 'a' does not match the session username 'b'",
            False,
        ),
        ("Server is being shut down: x", False),
        ("UDF ERROR: Invalid session id: 1:2", False),
    ],
)
def test_who_does_not_know_the_session_does_not_run_what_was_in_it(peer, answers, text, over):
    """Any other answer proves nothing."""
    found = driver()
    link = found.open(peer.coordinator, "etl", {}, LIMIT)
    session = link.session("etl", {})
    answers.server.script["CloseSession"] = deque([text])

    assert over is found.end_session(link, "etl", session, LIMIT)
    link.close()


def test_who_says_nothing_may_still_run_it(answers):
    with Peer(hiveserver2(answers)) as peer:
        link = opened(peer)
        session = link.session("etl", {})
        link.close()
        peer._talk = silent

        assert not driver().end_session(link, "etl", session, 0.2)


def test_the_same_address_is_asked_though_the_name_leads_elsewhere(peer, answers):
    """A name of several addresses: another coordinator does not know the session, which runs on."""
    found = driver()
    link = found.open(peer.coordinator, "etl", {}, LIMIT)
    session = link.session("etl", {})
    with Peer(hiveserver2(Answers())) as other:
        link.coordinator = other.coordinator

        assert found.end_session(link, "etl", session, LIMIT)
        assert 0 == other.accepted

    assert {} == answers.server.sessions
    link.close()


# A connection that broke and is made anew.


def test_a_connection_that_broke_is_made_anew_to_the_same_coordinator(peer, answers, caplog, until):
    link = opened(peer)
    link.client.invalidate(ConnectionResetError("gone"))

    link.check()

    until(lambda: peer.accepted == 2)
    assert ["OpenSession"] == [name for name, _ in answers.server.log], "its session is still there"
    assert "broke (gone) and was made anew" in caplog.text
    link.close()
    assert {} == answers.server.sessions


def test_a_connection_whose_coordinator_is_gone_is_not_made_anew(answers):
    with Peer(hiveserver2(answers)) as peer:
        link = opened(peer)

    with pytest.raises(CallFailed) as caught:
        link.check()

    assert Phase.UNSENT is caught.value.phase
    link.close()


# Advice and names.


def test_advice_is_about_this_driver():
    found = driver(auth_mechanism="LDAP")

    assert "password" in found.hint(Coordinator("a"), Phase.LOGIN, "TSocket read 0 bytes")
    assert "" == found.hint(Coordinator("a"), Phase.SENT, "TSocket read 0 bytes")


def test_the_user_is_that_of_the_system(monkeypatch):
    monkeypatch.setenv("LOGNAME", "etl")

    assert "etl" == system_user()


def test_a_user_whom_the_system_does_not_know_has_a_number(monkeypatch):
    """A container may run under any uid."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_242_424)

    assert "uid4242424" == system_user()

"""What a port speaks that hung up: found out on real sockets, with nothing of the caller's."""

import struct

import pytest
from loopback import Answers, Peer, exactly, hiveserver2, over_http

from impala_ha.core.clock import SystemClock
from impala_ha.core.faults import Phase
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.hs2.other_protocol import other_protocol
from impala_ha.options.options import Options

pytestmark = pytest.mark.timeout(30)


def spoken(coordinator, limit=5.0, **options):
    return other_protocol(coordinator, Options(**options), SystemClock(), limit)


def sasl(connection):
    """A server that knows SASL, and not the mechanism."""
    exactly(connection, struct.unpack(">BI", exactly(connection, 5))[1])
    connection.sendall(struct.pack(">BI", 3, 0))
    exactly(connection, 1 << 20)


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def binary(answers):
    with Peer(hiveserver2(answers)) as peer:
        yield peer.coordinator


@pytest.fixture
def secured(answers, tls):
    with Peer(hiveserver2(answers), tls.here) as peer:
        yield peer.coordinator


NO_SASL = "HiveServer2 without SASL"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"use_ssl": True}, f"the port speaks {NO_SASL} and no TLS: use_ssl=False"),
        ({"use_http_transport": True}, f"the port speaks {NO_SASL}: use_http_transport=False"),
        ({"auth_mechanism": "GSSAPI"}, f"the port speaks {NO_SASL}: auth_mechanism='NOSASL'"),
        (
            {"use_ssl": True, "use_http_transport": True, "auth_mechanism": "LDAP"},
            f"the port speaks {NO_SASL} and no TLS: use_ssl=False, use_http_transport=False",
        ),
        ({}, ""),
    ],
)
def test_the_binary_port_without_a_login(binary, answers, options, hint):
    assert hint == spoken(binary, **options)
    assert {} == answers.server.sessions, "what was opened is closed"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({}, "the port speaks TLS: use_ssl=True"),
        ({"auth_mechanism": "GSSAPI"}, "the port speaks TLS: use_ssl=True"),
        ({"use_http_transport": True}, "the port speaks TLS: use_ssl=True"),
        (
            {"use_ssl": True, "use_http_transport": True},
            f"the port speaks {NO_SASL}: use_http_transport=False",
        ),
        ({"use_ssl": True}, ""),
    ],
)
def test_a_port_with_tls(secured, options, hint):
    assert hint == spoken(secured, **options)


def test_whoever_refuses_a_handshake_in_the_words_of_tls_speaks_it(tls):
    def alert(connection):
        exactly(connection, 5)
        connection.sendall(b"\x15\3\3\0\2\2\x28")

    with Peer(alert) as peer:
        assert "the port speaks TLS: use_ssl=True" == spoken(peer.coordinator)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({}, "the port speaks HTTP: use_http_transport=True"),
        ({"use_ssl": True, "use_http_transport": True}, "and no TLS: use_ssl=False"),
        ({"use_ssl": True}, "and no TLS: use_ssl=False, use_http_transport=True"),
        ({"use_http_transport": True}, ""),
    ],
)
def test_a_port_with_http(answers, options, hint):
    with over_http(answers) as (coordinator, _):
        assert spoken(coordinator, **options).endswith(hint)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({}, "the port speaks SASL: auth_mechanism='GSSAPI', 'LDAP' or 'PLAIN'"),
        ({"auth_mechanism": "LDAP"}, ""),
    ],
)
def test_a_port_with_a_login(options, hint):
    with Peer(sasl) as peer:
        assert hint == spoken(peer.coordinator, **options)


def test_a_refusal_to_open_a_session_is_an_answer(binary, answers):
    answers.server.script["OpenSession"].append("Server is being shut down: .")

    assert "use_http_transport=False" in spoken(binary, use_http_transport=True)


@pytest.mark.parametrize("options", [{}, {"use_ssl": True}, {"use_http_transport": True}])
def test_nothing_is_known_of_one_that_hangs_up_or_is_silent(options):
    with Peer(lambda connection: connection.recv(1)) as peer:
        assert "" == spoken(peer.coordinator, **options)
    with Peer(lambda connection: exactly(connection, 1 << 30)) as peer:
        assert "" == spoken(peer.coordinator, limit=0.2, **options)
    assert "" == spoken(peer.coordinator, **options), "nor of one that is gone"


def asked(coordinator, phase, text, **options):
    driver = ImpylaDriver(Options(**options), SystemClock())
    return driver.other_protocol(coordinator, phase, text, 5.0)


def test_it_is_asked_where_the_first_bytes_were_answered_by_an_end(binary):
    assert asked(binary, Phase.OPEN, "TSocket read 0 bytes", use_http_transport=True)
    assert asked(binary, Phase.CONNECT, "EOF occurred in violation of protocol", use_ssl=True)
    assert "" == asked(binary, Phase.CONNECT, "[Errno 111] Connection refused", use_ssl=True)
    assert "" == asked(binary, Phase.UNSENT, "TSocket read 0 bytes", use_http_transport=True)


def test_a_proxy_would_answer_in_its_place(binary, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)

    assert "" == asked(binary, Phase.OPEN, "TSocket read 0 bytes", use_http_transport=True)

"""The proxies of the environment: who stands between, in clear and through a tunnel."""

import base64
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from loopback import HOST, Answers, Peer, hiveserver2_over_http
from thrift.transport.TTransport import TTransportException

from impala_ha import Coordinator
from impala_ha.core.clock import SystemClock
from impala_ha.core.fault_rules import classify
from impala_ha.core.faults import CallFailed, Fault, Phase
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.net.http_proxy import Proxy, proxy_for
from impala_ha.options.options import Options

pytestmark = pytest.mark.timeout(30)

BASIC = "Basic " + base64.b64encode(b"me:p@ss").decode()


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("variables", "scheme", "proxy"),
    [
        ({}, "http", None),
        ({"http_proxy": "http://p:3128"}, "http", Proxy("p", 3128)),
        ({"http_proxy": "http://p:3128"}, "https", None),
        ({"https_proxy": "http://p"}, "https", Proxy("p", 443)),
        ({"http_proxy": "p"}, "http", Proxy("p", 80)),
        ({"http_proxy": "p:3128"}, "http", Proxy("p", 3128)),
        ({"http_proxy": "http://me:p%40ss@p:3128"}, "http", Proxy("p", 3128, BASIC)),
        ({"http_proxy": "http://"}, "http", None),
        ({"http_proxy": "http://p:3128", "no_proxy": "a.test"}, "http", None),
        ({"http_proxy": "http://p:3128", "no_proxy": ".test"}, "http", None),
        ({"http_proxy": "http://p:3128", "no_proxy": "a.test:28000"}, "http", None),
        ({"http_proxy": "http://p:3128", "no_proxy": "b.test"}, "http", Proxy("p", 3128)),
    ],
)
def test_the_environment_says_who_stands_between(variables, scheme, proxy, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert proxy == proxy_for(scheme, "a.test", 28000)


def test_a_user_without_a_password_has_an_empty_one(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://me@p:3128")

    assert "Basic " + base64.b64encode(b"me:").decode() == proxy_for("http", "a", 1).login


def test_a_proxy_does_not_show_its_password():
    assert "secret" not in repr(Proxy("p", 1, "secret"))
    assert "proxy p:1" == str(Proxy("p", 1, "secret"))


class Middle:
    """A proxy: notes what it is asked, and answers as told or passes it on."""

    def __init__(self, reply=None, target=None):
        self.asked = []
        self._reply = reply
        self._target = target

    def __call__(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(1)
            if not more:
                return
            head += more
        self.asked.append(head.decode("latin-1"))
        if self._reply is not None:
            connection.sendall(self._reply)
            return
        with socket.create_connection((self._target.host, self._target.port)) as upstream:
            if head.startswith(b"CONNECT"):
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                upstream.sendall(head)
            back = threading.Thread(target=pump, args=(upstream, connection))
            back.start()
            pump(connection, upstream)
            back.join(10)


def pump(source, sink):
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def opened(coordinator, **options):
    options = {"use_http_transport": True, "http_path": "cliservice", **options}
    return ImpylaDriver(Options(**options), SystemClock()).open(coordinator, "etl", {}, 5.0)


def refused(coordinator, limit=5.0, **options):
    options = {"use_http_transport": True, **options}
    with pytest.raises(CallFailed) as caught:
        ImpylaDriver(Options(**options), SystemClock()).open(coordinator, "etl", {}, limit)
    return caught.value


def set_proxy(monkeypatch, scheme, peer):
    monkeypatch.setenv(f"{scheme}_proxy", f"http://me:p%40ss@{peer.coordinator}")


def test_in_clear_a_proxy_gets_whole_urls(monkeypatch):
    answers = Answers()
    with Peer(hiveserver2_over_http(answers)) as server:
        middle = Middle(target=server.coordinator)
        with Peer(middle) as proxy:
            set_proxy(monkeypatch, "http", proxy)
            opened(server.coordinator).close()

            assert 1 == answers.server.count("CloseSession")
            (head,) = middle.asked
            assert head.startswith(f"POST http://{server.coordinator}/cliservice HTTP/1.1\r\n")
            assert f"Proxy-Authorization: {BASIC}\r\n" in head


def test_with_tls_a_proxy_makes_a_tunnel_to_the_coordinators_own_certificate(monkeypatch, tls):
    answers = Answers()
    with Peer(hiveserver2_over_http(answers), tls.here) as server:
        middle = Middle(target=server.coordinator)
        with Peer(middle) as proxy:
            set_proxy(monkeypatch, "https", proxy)
            opened(server.coordinator, use_ssl=True, ca_cert=tls.ca).close()

            assert 1 == answers.server.count("CloseSession")
            (head,) = middle.asked
            assert head.startswith(f"CONNECT {server.coordinator} HTTP/1.1\r\n")
            assert f"Proxy-Authorization: {BASIC}\r\n" in head


def test_in_a_tunnel_too_the_name_must_be_right(monkeypatch, tls):
    with Peer(hiveserver2_over_http(Answers()), tls.elsewhere) as server:
        with Peer(Middle(target=server.coordinator)) as proxy:
            set_proxy(monkeypatch, "https", proxy)
            error = refused(server.coordinator, use_ssl=True, ca_cert=tls.ca)

            assert Fault.UNTRUSTED is classify(error.__cause__, error.phase)


@pytest.mark.parametrize(
    ("reply", "fault", "text"),
    [
        (
            b"HTTP/1.1 407 Who\r\n\r\n",
            Fault.DENIED,
            r"HTTP code 407: Who from proxy .* for \[::1\]",
        ),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", Fault.UNREACHABLE, "HTTP code 502"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", Fault.MISMATCH, "HTTP code 404"),
        (b"SSH-2.0-OpenSSH\r\n", Fault.MISMATCH, "no HTTP answer"),
        (b"", Fault.UNREACHABLE, "proxy .* closed the connection"),
    ],
)
def test_what_a_proxy_says_in_place_of_a_tunnel_is_reported(monkeypatch, reply, fault, text):
    middle = Middle(reply)
    with Peer(middle) as proxy:
        monkeypatch.setenv("https_proxy", f"http://{proxy.coordinator}")
        error = refused(Coordinator("::1", 28000), use_ssl=True)

        assert (Phase.CONNECT, fault) == (error.phase, classify(error.__cause__, error.phase))
        assert re.search(text, str(error))
        assert "Proxy-Authorization" not in middle.asked[0]


def test_a_proxy_that_says_nothing_is_left_by_the_limit(monkeypatch):
    with Peer(lambda connection: connection.recv(1) and hold(connection)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://{proxy.coordinator}")
        error = refused(Coordinator("a.test", 28000), limit=0.3, use_ssl=True)

        assert Fault.UNREACHABLE is classify(error.__cause__, error.phase)


def hold(connection):
    while connection.recv(65536):
        pass


def test_a_proxy_that_is_not_there_is_reported(monkeypatch):
    with Peer(hold) as gone:
        pass
    monkeypatch.setenv("http_proxy", f"http://{gone.coordinator}")
    error = refused(Coordinator(HOST, 28000))

    assert Phase.CONNECT is error.phase
    assert isinstance(error.__cause__, TTransportException)


# Logins at proxies.


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_login_that_a_proxy_refused_is_shown_once(monkeypatch, scheme):
    middle = Middle(b"HTTP/1.1 407 Who\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    with Peer(middle) as proxy:
        set_proxy(monkeypatch, scheme, proxy)

        def told(_):
            error = refused(Coordinator("a.test", 28000), use_ssl=scheme == "https")
            assert Fault.DENIED is classify(error.__cause__, error.phase)
            return str(error)

        with ThreadPoolExecutor(8) as pool:
            texts = {*pool.map(told, range(8))}
        texts.add(told(0))

        assert 1 == len(middle.asked)
        assert any("this login was shown to proxy 127.0.0.1:" in text for text in texts)
        monkeypatch.setenv(f"{scheme}_proxy", f"http://me:another@{proxy.coordinator}")
        told(0)
        assert 2 == len(middle.asked)

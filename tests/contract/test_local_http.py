"""The local cluster's second port: HiveServer2 over HTTP as Impala speaks it."""

from __future__ import annotations

import http.client
import socket

import impala.dbapi
import pytest
from http_hs2 import Http, message, read_answer
from impala._thrift_gen.TCLIService import ttypes as t

from impala_ha.testing import LocalCluster

pytestmark = pytest.mark.servers


@pytest.fixture
def two(over_http):
    return over_http


@pytest.fixture
def client(two):
    with Http(two[0]) as client:
        yield client


def impyla(coordinator, **options):
    options = {"auth_mechanism": "NOSASL", "http_path": "cliservice", **options}
    return impala.dbapi.connect(
        coordinator.host, coordinator.http_port, use_http_transport=True, **options
    )


def raw(coordinator):
    return socket.create_connection((coordinator.host, coordinator.http_port), timeout=10)


class Kept:
    """A stream as `http.client` wants it, which does not close it."""

    def __init__(self, stream):
        self._stream = stream

    def makefile(self, _mode):
        return self

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def close(self):
        pass


def received(sock):
    """Everything until the end of file."""
    chunks = []
    while chunk := sock.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


# -- what it says -----------------------------------------------------------------------------------


def test_impyla_runs_statements_over_http(two):
    connection = impyla(two[0])
    cursor = connection.cursor()
    cursor.execute("SELECT 1, 'a'")
    short = cursor.fetchall()
    # Longer than 1024 bytes: impyla says "Expect: 100-continue".
    cursor.execute("SELECT '" + "x" * 5_000_000 + "'")
    long = cursor.fetchall()
    cursor.close()
    connection.close()

    assert short == [(1, "a")]
    assert len(long[0][0]) == 5_000_000


def test_both_ports_are_one_coordinator(two, client):
    """A session that was opened over HTTP is there for everybody who knows its handle."""
    client.open()

    assert len(two[0].sessions) == 1
    assert two[1].sessions == []
    assert two.http_hosts == ",".join(f"{each.host}:{each.http_port}" for each in two)


def test_a_connection_is_kept_and_any_path_will_do(two, client):
    before = two[0].http_connections()
    client.open()
    for path in ("/", "/cliservice", "/gateway/cdp/impala?x=1"):
        client.path = path
        client.run("SELECT 1")

    assert two[0].http_connections() - before == 1


def test_a_session_is_not_bound_to_a_connection(two, client):
    client.open()
    with Http(two[0]) as other:
        other.session = client.session
        client.close()
        operation = other.run("SELECT 2")
        columns = other.fetch(operation).results.columns

    assert columns[0].byteVal.values == [2]


def test_the_head_of_an_answer_is_impalas(client):
    client.open()

    assert client.answer.status == 200
    told = dict(client.answer.headers)
    told.pop("Date")
    told.pop("Content-Length")
    assert told == {
        "Content-Type": "application/x-thrift",
        "Connection": "Keep-Alive",
    }


def test_a_body_may_come_in_chunks(two):
    body = message("OpenSession", t.TOpenSessionReq())
    chunks = [body[:1], body[1:20], body[20:]]
    chunked = b"".join(b"%x;note=1\r\n%s\r\n" % (len(each), each) for each in chunks)
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    with raw(two[0]) as sock:
        # Twice on one connection: the end of the first is found.
        for _ in range(2):
            sock.sendall(head + chunked + b"0\r\nTrailer: 1\r\n\r\n")
            assert read_answer(sock, "OpenSession").sessionHandle is not None


def test_a_client_that_expects_to_be_told_is_told_before_it_sends_the_body(two):
    body = message("OpenSession", t.TOpenSessionReq())
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
    with raw(two[0]) as sock:
        sock.sendall(head)
        told = sock.recv(65536)
        sock.sendall(body)
        answer = read_answer(sock, "OpenSession")

    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.sessionHandle is not None


def test_two_requests_may_be_sent_at_once(two):
    body = message("OpenSession", t.TOpenSessionReq())
    request = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with raw(two[0]) as sock:
        sock.sendall(2 * request)
        # Both may come with the first read, so both are read through one buffer.
        with sock.makefile("rb") as stream:
            answers = [read_answer(Kept(stream), "OpenSession") for _ in range(2)]

    assert answers[0].sessionHandle != answers[1].sessionHandle


@pytest.mark.parametrize(
    "nonsense",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x80\x01\x00\x01\r\n\r\n",
        b"POST /\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\n\r\n",
        b"POST http://[ HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + b"X: " + b"x" * 2_000_000 + b"\r\n\r\n",
    ],
    ids=["get", "thrift", "old", "length", "chunk", "short", "empty", "url", "long"],
)
def test_what_impala_does_not_understand_ends_without_an_answer(two, nonsense):
    with raw(two[0]) as sock:
        try:
            sock.sendall(nonsense)
            answer = received(sock)
        except ConnectionError:
            answer = b""

    assert answer == b""


def test_do_as_in_the_path_delegates():
    flags = {"authorized_proxy_user_config": "hue=ann"}
    with LocalCluster(1, http=True, auth="PLAIN", flags=flags) as cluster:
        with Http(cluster[0], "/cliservice?doAs=ann", user="hue", password="any") as client:
            client.open()
            operation = client.run("SELECT effective_user()")
            assert client.fetch(operation).results.columns[0].stringVal.values == [b"ann"]
            both = client.call("OpenSession", configuration={"impala.doas.user": "ann"})
            client.path = "/?doAs=bob"
            other = client.call("OpenSession")

    assert both.status.errorMessage == (
        "Cannot set 'impala.doas.user' configuration property when 'doAs' query parameter is set."
    )
    assert other.status.errorMessage == "User 'hue' is not authorized to delegate to 'bob'."


def test_a_cluster_without_http_says_so(cluster):
    assert cluster[0].http_port is None
    with pytest.raises(RuntimeError, match="without http=True"):
        assert cluster.http_hosts
    with pytest.raises(ValueError, match="without http=True"):
        cluster[0].answer_http(503)


def test_http_client_of_the_standard_library_is_served(two):
    body = message("OpenSession", t.TOpenSessionReq())
    connection = http.client.HTTPConnection(two[0].host, two[0].http_port, timeout=10)
    connection.request("POST", "/cliservice", body)
    answer = connection.getresponse()

    assert (answer.status, answer.will_close) == (200, False)
    assert len(answer.read()) == int(answer.headers["Content-Length"])
    connection.close()

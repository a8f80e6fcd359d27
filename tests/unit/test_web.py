"""A page of a coordinator's web server is read within its time and size, whatever the server does."""

import socket
import threading

import pytest

from impala_ha.core.clock import SystemClock
from impala_ha.net.web import Web

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SIXTY = 60  # seconds after which a server gives up
EARLY = 30.0


class Server:
    """Takes connections and does with each what it is told, until it is closed."""

    def __init__(self, behave):
        self.behave = behave
        self.asked = []
        self.over = threading.Event()
        self.listener = socket.create_server(("127.13.0.2", 0))
        self.address = f"127.13.0.2:{self.listener.getsockname()[1]}"
        self.threads = [threading.Thread(target=self._listen)]
        self.threads[0].start()

    def _listen(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self.threads[-1].start()

    def _serve(self, connection):
        with connection:
            try:
                connection.settimeout(SIXTY)
                self.asked.append(connection.recv(65536))
                self.behave(self, connection)
            except OSError:
                pass

    def close(self):
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def serve():
    servers = []

    def start(behave):
        servers.append(Server(behave))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def says(data):
    return lambda _, connection: connection.sendall(data)


def web(server, seconds=EARLY):
    clock = SystemClock()
    return Web(server.address, clock, clock.now() + seconds)


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b'Content-Length: 8\r\n\r\n{"a": 1}more',
        HEAD + b'\r\n{"a": 1}',
        CHUNKED + b'4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n\r\n',
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b'Content-Length: 8\r\n\r\n{"a": 1}',
    ],
    ids=["length", "until it closes", "chunks", "continue"],
)
def test_a_page_ends_as_its_head_says(serve, answer):
    server = serve(says(answer))

    assert {"a": 1} == web(server).page("/queries")
    (asked,) = server.asked
    assert asked.startswith(b"GET /queries?json HTTP/1.1\r\n")
    assert b"gzip" not in asked


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 401 Authentication Required\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: 9\r\n\r\n{}",
        HEAD + b"Content-Length: -1\r\n\r\n{}",
        CHUNKED + b"zz\r\n{}\r\n",
        b"garbage\r\n\r\n",
        b"",
        HEAD + b"Content-Length: 0\r\n\r\n",
        HEAD + b"\r\n" + b"[" * 200_000,
        HEAD + b'\r\n{"a": ' + b"9" * 10_000 + b"}",
        HEAD + b"\r\n<html>",
        HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n{}",
    ],
    ids=lambda answer: repr(answer[:50]),
)
def test_what_is_no_page_tells_nothing(serve, answer):
    server = serve(says(answer))

    assert web(server).page("/queries") is None
    assert len(server.asked) == 1, "and a redirect is not followed"


def forever(data, head=b""):
    def behave(server, connection):
        connection.sendall(head)
        while not server.over.is_set():
            connection.sendall(data)

    return behave


def drips(data, head=b""):
    def behave(server, connection):
        connection.sendall(head)
        while not server.over.wait(0.02):
            connection.sendall(data)

    return behave


def silent(server, _):
    server.over.wait(SIXTY)


ENDLESS = {
    "silence": silent,
    "a head that drips": drips(b"X", HEAD),
    "headers that drip": drips(b"X: y\r\n", HEAD),
    "endless continue": forever(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "continue that drips": drips(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body that drips": drips(b" ", HEAD + b"Content-Length: 1000000\r\n\r\n"),
    "a body without end that drips": drips(b" ", HEAD + b"\r\n"),
    "chunks that drip": drips(b"1\r\n \r\n", CHUNKED),
    "trailers that drip": drips(b"X: y\r\n", CHUNKED + b"0\r\n"),
    "trailers without end": forever(b"X: y\r\n", CHUNKED + b"0\r\n"),
}


@pytest.mark.parametrize("behave", ENDLESS.values(), ids=ENDLESS)
def test_a_page_that_does_not_end_ends_with_the_time(serve, behave):
    """The server goes on until the test has ended."""
    server = serve(behave)

    assert web(server, seconds=0.3).page("/queries") is None


@pytest.mark.parametrize("head", [HEAD + b"\r\n", HEAD + b"Content-Length: 99999999999\r\n\r\n"])
def test_no_more_is_read_than_was_asked_for(serve, head):
    server = serve(forever(b" " * 2**16, head))

    assert web(server).text("/x", 100_000) == b" " * 100_000


def test_chunks_without_end_are_read_up_to_the_size_asked_for(serve):
    server = serve(forever(b"10\r\n" + b" " * 16 + b"\r\n", CHUNKED))

    assert web(server).text("/x", 100_000) == b" " * 100_000


def test_a_page_that_is_too_long_tells_nothing(serve):
    server = serve(forever(b" " * 2**16, HEAD + b"\r\n"))

    assert web(server).page("/queries") is None


def test_a_reset_tells_nothing(serve):
    def reset(_, connection):
        linger = b"\x01\0\0\0\0\0\0\0"
        connection.sendall(HEAD)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    assert web(serve(reset)).page("/queries") is None


def test_a_server_that_speaks_tls_tells_nothing(serve):
    """Its first word to who does not is an alert."""
    server = serve(says(b"\x15\x03\x03\x00\x02\x02\x46"))

    assert web(server).page("/queries") is None


def test_a_name_that_is_not_looked_up_in_time_tells_nothing(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(SIXTY) and [])
    clock = SystemClock()

    assert Web("slow.invalid:25000", clock, clock.now() + 0.2).page("/queries") is None
    over.set()


def test_without_time_nothing_is_asked(serve):
    server = serve(silent)

    assert web(server, seconds=0).page("/queries") is None
    assert server.asked == []


def test_a_proxy_of_the_environment_is_not_asked(serve, monkeypatch):
    server, proxy = serve(says(HEAD + b'\r\n{"a": 1}')), serve(says(HEAD + b"\r\n{}"))
    monkeypatch.setenv("http_proxy", f"http://{proxy.address}")

    assert {"a": 1} == web(server).page("/queries")
    assert proxy.asked == []
